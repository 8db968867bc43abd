"""Which shared libraries a program needs, read from the programs themselves (ELF, 64 bit, little endian)."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_DYNAMIC, _LOAD, _INTERPRETER = 2, 1, 3  # types of program headers
_NEEDED, _STRTAB, _RPATH, _RUNPATH = 1, 5, 15, 29  # tags of the dynamic section
_HEADER: Final = struct.Struct("<16xHHIQQQIHHHHHH")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")
_ENTRY: Final = struct.Struct("<qQ")

# Loaded by libc itself when a thread ends, so it stands in nobody's list.
_UNLISTED: Final = ("libgcc_s.so.1",)


def needed_files(programs: Iterable[Path]) -> set[Path]:
    """The loader and all libraries that `programs` need, each at the path where the loader looks for it."""
    folders = list(_system_folders())
    found: set[Path] = set()
    waiting = [*programs]
    for program in waiting:
        image = _Image(program)
        places = [*image.search_path(), *folders]
        for name in (*image.needed(), *_UNLISTED):
            path = next((folder / name for folder in places if (folder / name).is_file()), None)
            if path is not None and path not in found:
                found.add(path)
                waiting.append(path)
        if loader := image.interpreter():
            found.add(loader)
    return found


class _Image:
    """One ELF file; whatever is no such file needs nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            # Mapped and not read: a few pages of it count, and some of these files have tens of megabytes.
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._segments: list[tuple[int, ...]] = []
        if self._data[:6] == b"\x7fELF\x02\x01":
            header = _HEADER.unpack_from(self._data)
            start, size, count = header[4], header[8], header[9]
            self._segments = [_SEGMENT.unpack_from(self._data, start + size * i) for i in range(count)]
        self._entries = list(self._dynamic())

    def needed(self) -> list[str]:
        """Names of the libraries that it asks for."""
        return [self._string(value) for tag, value in self._entries if tag == _NEEDED]

    def search_path(self) -> list[Path]:
        """Folders that it names to look in first."""
        texts = [self._string(value) for tag, value in self._entries if tag in (_RPATH, _RUNPATH)]
        folders = [folder for text in texts for folder in text.split(":")]
        origin = str(self._path.resolve().parent)
        return [Path(folder.replace("$ORIGIN", origin).replace("${ORIGIN}", origin)) for folder in folders]

    def interpreter(self) -> Path | None:
        """The loader that the kernel starts it with."""
        for kind, _, offset, _, _, size, *_ in self._segments:
            if kind == _INTERPRETER:
                return Path(os.fsdecode(self._data[offset : offset + size].rstrip(b"\0")))
        return None

    def _dynamic(self) -> Iterator[tuple[int, int]]:
        for kind, _, offset, _, _, size, *_ in self._segments:
            if kind == _DYNAMIC:
                yield from (_ENTRY.unpack_from(self._data, at) for at in range(offset, offset + size, 16))

    def _string(self, index: int) -> str:
        table = next(value for tag, value in self._entries if tag == _STRTAB)
        for kind, _, offset, address, _, size, *_ in self._segments:
            if kind == _LOAD and address <= table < address + size:
                start = table - address + offset + index
                return os.fsdecode(self._data[start : self._data.find(b"\0", start)])
        return ""


def _system_folders() -> Iterator[Path]:
    """Where the loader looks: what its configuration names, then its defaults."""
    waiting = [Path("/etc/ld.so.conf")]
    for file in waiting:
        lines = file.read_text().splitlines() if file.is_file() else []
        for line in (line.split("#")[0].strip() for line in lines):
            if line.startswith("include "):
                pattern = line.split(None, 1)[1].lstrip("/")
                waiting += sorted(Path("/").glob(pattern))
            elif line:
                yield Path(line)
    machine = os.uname().machine
    for folder in (f"lib/{machine}-linux-gnu", "lib64", "lib"):
        yield Path("/") / folder
        yield Path("/usr") / folder
