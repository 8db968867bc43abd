"""Landlock: a domain that can read what it is given and nothing more.

Rights by ABI from the kernel's documentation (userspace-api/landlock): 1 files, 2 refer, 3 truncate,
4 TCP, 5 ioctl on devices, 6 scopes for signals and abstract sockets.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from typing import Final

from . import kernel

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION: Final = 1
_PATH_BENEATH: Final = 1

_EXECUTE: Final = 1 << 0
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_ALL_FILES_OF_ABI: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_FILES: Final = (1 << 16) - 1
_ALL_TCP: Final = 0b11
_ALL_SCOPES: Final = 0b11


def abi() -> int:
    """The kernel's Landlock ABI, 0 where there is none."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    except OSError:
        return 0


def confine(readable: Iterable[str], listable: Iterable[str]) -> None:
    """Enter a domain that reads and executes below `readable`, lists below `listable`, and nothing else.

    Needs no_new_privs. Raises OSError.
    """
    version = abi()
    ruleset = _create(
        _ALL_FILES_OF_ABI.get(version, _ALL_FILES),
        _ALL_TCP if version >= 4 else 0,
        _ALL_SCOPES if version >= 6 else 0,
    )
    for path in readable:
        _allow(ruleset, path, _EXECUTE | _READ_FILE | _READ_DIR)
    for path in listable:
        _allow(ruleset, path, _READ_DIR)
    kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _create(files: int, tcp: int, scopes: int) -> int:
    # A kernel takes the longer structures of later ones as long as what it does not know is zero.
    attributes = (ctypes.c_uint64 * 3)(files, tcp, scopes)
    return kernel.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(24), 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib would be the heaviest import of the launch
            rights &= ~_READ_DIR
        # struct landlock_path_beneath_attr is packed: u64 rights, s32 descriptor.
        rule = rights.to_bytes(8, "little") + place.to_bytes(4, "little")
        kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.c_char_p(rule), 0)
    finally:
        os.close(place)
