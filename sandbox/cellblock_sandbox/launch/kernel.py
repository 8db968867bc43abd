"""The few system calls that Python has no name for, each raising OSError with its errno."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
from contextlib import suppress
from typing import Final

CLONE_PARENT: Final = 0x0000_8000
CLONE_NEWNS: Final = 0x0002_0000
CLONE_NEWUTS: Final = 0x0400_0000
CLONE_NEWIPC: Final = 0x0800_0000
CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWPID: Final = 0x2000_0000
CLONE_NEWNET: Final = 0x4000_0000

MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_SET_SPECULATION_CTRL: Final = 53
PR_SPEC_FORCE_DISABLE: Final = 8
PR_CAPBSET_DROP: Final = 24
PR_SET_SECUREBITS: Final = 28
PR_SET_NO_NEW_PRIVS: Final = 38
SECCOMP_MODE_FILTER: Final = 2
SECBIT_NOROOT_LOCKED: Final = 0b11

_MOUNT_ATTR_RDONLY_NOSUID_NODEV: Final = 0b111
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_CAP_LAST: Final = 63  # the kernel answers EINVAL from its own last one on

# Numbers below 424 differ by architecture; from 424 on they are the same everywhere.
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_CAPSET: Final = {"x86_64": 126, "aarch64": 91}
_MOUNT_SETATTR: Final = 442
_KEYCTL: Final = {"x86_64": 250, "aarch64": 219}
_JOIN_SESSION_KEYRING: Final = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def syscall(number: int, *args: object) -> int:
    """Make a system call; raises OSError."""
    result: int = _libc.syscall(ctypes.c_long(number), *args)
    return _checked(result)


def prctl(option: int, *args: int) -> None:
    """prctl(2); raises OSError."""
    _checked(_libc.prctl(option, *(ctypes.c_ulong(arg) for arg in (*args, 0, 0, 0, 0)[:4])))


def unshare(flags: int) -> None:
    """unshare(2): leave the named namespaces for new ones; raises OSError."""
    _checked(_libc.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2); raises OSError that names the target."""
    result = _libc.mount(*map(os.fsencode, (source, target, kind)), ctypes.c_ulong(flags), data.encode())
    _checked(result, target)


def make_read_only(tree: str) -> None:
    """Make every mount from `tree` down read-only, without setuid and devices; raises OSError."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY_NOSUID_NODEV, 0, 0, 0)
    path = ctypes.c_char_p(os.fsencode(tree))
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    syscall(_MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE, ctypes.byref(attributes), size)


def become_root_of_mounts(folder: str) -> None:
    """Make `folder`, a mount point, the root of this mount namespace and drop the old one; raises OSError."""
    os.chdir(folder)
    syscall(_PIVOT_ROOT[platform.machine()], ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    _checked(_libc.umount2(b".", MNT_DETACH))
    os.chdir("/")


def drop_capabilities() -> None:
    """Empty the bounding set where we may, and all other sets always; raises OSError."""
    for capability in range(_CAP_LAST + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the kernel's last one, or nothing here to drop
    with suppress(PermissionError):  # then there were no capabilities to begin with
        prctl(PR_SET_SECUREBITS, SECBIT_NOROOT_LOCKED)
    version_3 = (ctypes.c_uint32 * 2)(0x2008_0522, 0)
    none = (ctypes.c_uint32 * 6)()
    syscall(_CAPSET[platform.machine()], ctypes.byref(version_3), ctypes.byref(none))


def install_filter(instructions: bytes) -> None:
    """Put a seccomp filter of `struct sock_filter`s on this process and its children; raises OSError."""
    held = ctypes.create_string_buffer(instructions, len(instructions))
    program = struct.pack("@HP", len(instructions) // 8, ctypes.addressof(held))  # struct sock_fprog
    _checked(_libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), program, 0, 0))


def leave_keyring() -> None:
    """Take a session keyring of our own, an empty one, in the place of what we inherited; raises OSError."""
    syscall(_KEYCTL[platform.machine()], _JOIN_SESSION_KEYRING, None)


def fork_beside() -> int:
    """fork(2), but the child's parent is ours, so that it can outlive us and be reaped; raises OSError."""
    return syscall(_CLONE[platform.machine()], CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)


def _checked(result: int, path: str | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result
