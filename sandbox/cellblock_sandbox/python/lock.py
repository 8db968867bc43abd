"""The last locks that a cell puts on itself before any byte of its job arrives."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from typing import Final

_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_RESTRICT_SELF: Final = 446
_SIGNALS_AND_ABSTRACT_SOCKETS: Final = 0b11  # scopes of Landlock ABI 6

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = ctypes.c_ulong(2)

_INSTRUCTION: Final = struct.Struct("=HBBI")  # struct sock_filter: code, jump if true, if false, number
_PROGRAM: Final = struct.Struct("@HP")  # struct sock_fprog: length, address

_libc = ctypes.CDLL(None, use_errno=True)


class Lock:
    """Made once in the zygote, applied in every cell."""

    def __init__(self, *, inherited: bytes, own: bytes, self_marker: int, nested_landlock: bool) -> None:
        """`inherited` is a filter for the zygote, `own` one for each cell; both may be empty.

        The latter holds `self_marker` wherever the cell's own pid belongs.
        """
        # All but the pids is made here: what a cell makes of ctypes costs it a hundred copied pages.
        self._inherited, self._own = _Filter(inherited), _Filter(own)
        self._pid_places = [
            place * 2 + 1
            for place, (*_, number) in enumerate(_INSTRUCTION.iter_unpack(own))
            if number == self_marker
        ]
        self._ruleset = _empty_ruleset() if nested_landlock else None
        prctl(_PR_SET_DUMPABLE, 0)  # nobody of the same user may look into the zygote or its cells

    def apply_to_zygote(self) -> None:
        """Lock the calling zygote, which from here on does nothing but make cells; raises OSError."""
        self._inherited.install()

    def rehearse(self) -> None:
        """Do in the zygote what a cell does with us but for the locks themselves."""
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # as it is set already
        self._put_in(os.getpid())

    def release_memory(self) -> None:
        """Give free memory back where libc can: what a zygote holds, each fork of it pays for."""
        if hasattr(_libc, "malloc_trim"):
            _libc.malloc_trim(0)

    def apply(self, zygote: int) -> None:
        """Lock the calling cell, a child of process `zygote`; raises OSError."""
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != zygote:
            os._exit(1)  # the zygote died before we could ask to be told
        if self._ruleset is not None:
            # A domain binds those inside it together: without one of its own, a cell could signal the others.
            _checked(_libc.syscall(_LANDLOCK_RESTRICT_SELF, self._ruleset, 0))
        self._put_in(os.getpid())
        self._own.install()

    def _put_in(self, pid: int) -> None:
        for place in self._pid_places:
            self._own.numbers[place] = pid


class _Filter:
    """A filter where the kernel can read it."""

    def __init__(self, instructions: bytes) -> None:
        count = len(instructions) // _INSTRUCTION.size
        self.numbers = (ctypes.c_uint32 * (2 * count)).from_buffer_copy(instructions)
        self._program = _PROGRAM.pack(count, ctypes.addressof(self.numbers)) if count else None

    def install(self) -> None:
        """Bind the caller by it, if there is one; raises OSError."""
        if self._program is not None:
            _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, self._program, 0, 0))


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument; raises OSError."""
    _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _empty_ruleset() -> int:
    attributes = (ctypes.c_uint64 * 3)(0, 0, _SIGNALS_AND_ABSTRACT_SOCKETS)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    return _checked(_libc.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(attributes), size, 0))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
