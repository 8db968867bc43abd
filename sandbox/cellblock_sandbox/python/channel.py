"""A cell's talk with its owner, where no addon could be built: `cell.c` has the same three functions.

in   header (HEADER), then the job as JSON      out   READY once, then length and answer as JSON
"""

from __future__ import annotations

import mmap
import os
import resource
import struct
import time
from typing import Final

CHANNEL: Final = 3
READY: Final = struct.Struct("!Q")  # CPU nanoseconds used so far
HEADER: Final = struct.Struct("!QQQQQ")  # data bytes, address space bytes, CPU s, answer bytes, job bytes
LENGTH: Final = struct.Struct("!I")
_RESERVE: Final = 8 << 20  # what the harness may use beyond the job's memory, to tell that it ran out
_BALLAST: Final = 2 << 20  # let go of first: where memory is out, not even a limit can be raised without some

_ballast: list[mmap.mmap] = []


def take_job() -> tuple[bytes, int]:
    """Say that we are ready, take the limits upon us, then the job, and how many bytes its answer may have.

    Raises MemoryError.
    """
    _ballast.append(mmap.mmap(-1, _BALLAST, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    _write(READY.pack(time.process_time_ns()))
    data, address_space, cpu_s, answer_bytes, job_bytes = HEADER.unpack(_read(HEADER.size))
    resource.setrlimit(resource.RLIMIT_DATA, (data, data + _RESERVE))
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    return _read(job_bytes), answer_bytes


def drop_ballast() -> None:
    """Have the memory that was kept for when there is none."""
    for ballast in _ballast:
        ballast.close()


def give_answer(body: bytes) -> None:
    """Hand it over; the end of this cell."""
    _write(LENGTH.pack(len(body)))
    _write(body)
    os.read(CHANNEL, 1)  # the owner looks at what we used, and kills us
    os._exit(0)


def rehearse() -> None:
    """Do what of it can be done in the zygote, so that the interpreter has learnt it before the fork."""
    mmap.mmap(-1, _BALLAST, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    HEADER.unpack(bytes(HEADER.size))
    READY.pack(time.process_time_ns())
    resource.setrlimit(resource.RLIMIT_DATA, resource.getrlimit(resource.RLIMIT_DATA))


def _read(count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(CHANNEL, min(count - len(parts), 1 << 20))
        if not part:
            os._exit(0)  # the owner has no job for us any more
        parts += part
    return bytes(parts)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(CHANNEL, view) :]
