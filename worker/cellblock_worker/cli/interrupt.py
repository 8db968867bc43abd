"""Ctrl-C that is not lost: what a signal's handler raises in a destructor, Python prints and forgets."""

import signal
from types import FrameType
from typing import Final

_AGAIN_S: Final = 0.01


def heed_interrupts() -> None:
    """Have Ctrl-C raise KeyboardInterrupt where somebody can catch it. Where it is ignored, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
        signal.signal(signal.SIGALRM, _interrupt)


def _interrupt(_: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)  # it will be over by then
            return
        frame = frame.f_back
    raise KeyboardInterrupt
