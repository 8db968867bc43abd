"""Lines that a flood would write for each of its messages: the first of each minute, then how many more.

Only for what strangers can cause at will and what is much alike. It is put on loggers by name, see logs.py.
"""

import logging
import os
import threading
from collections import Counter
from typing import Final

LINES: Final = 50
"""Lines of one kind in a minute."""
LONGEST: Final = 1_000
"""Characters of a line."""
WINDOW_S: Final = 60.0

_Kind = tuple[str, int, str]


class Sparing(logging.Filter):
    """Counts lines by their logger, level and template; lines of level debug are all let through."""

    _lock: threading.Lock
    _counts: Counter[_Kind]
    _timer: threading.Timer | None

    def __init__(self, lines: int = LINES, window_s: float = WINDOW_S) -> None:
        super().__init__()
        self._lines = lines
        self._window_s = window_s
        self._start_anew()
        os.register_at_fork(after_in_child=self._start_anew)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a line pass, cut, or count it."""
        if record.levelno < logging.INFO:
            return True
        template = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        with self._lock:
            kind = record.name, record.levelno, str(template)
            self._counts[kind] += 1
            passes = self._counts[kind] <= self._lines
            if self._timer is None:
                self._timer = threading.Timer(self._window_s, self.tell)
                self._timer.daemon = True
                self._timer.start()
        if passes and not isinstance(record.msg, dict):
            _cut(record)
        return passes

    def tell(self) -> None:
        """End the minute: say what was not said."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        for (name, level, template), count in counts.items():
            if count > self._lines:
                said = f"{count - self._lines} more lines within a minute: {template[:LONGEST]}"
                # Around the filter, as the logger's handlers would have it.
                logger = logging.getLogger(name)
                logger.callHandlers(logger.makeRecord(name, level, "", 0, said, (), None))

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counter()
        self._timer = None


def _cut(record: logging.LogRecord) -> None:
    said = record.getMessage()
    if len(said) > LONGEST:
        record.msg, record.args = said[:LONGEST] + "…", ()


SPARING: Final = Sparing()
"""That of this process."""
