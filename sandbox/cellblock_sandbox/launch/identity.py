"""Who the zygote is: an unprivileged user without any capability, in namespaces of its own."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from . import kernel

_OTHERS = {
    "pid": kernel.CLONE_NEWPID,
    "net": kernel.CLONE_NEWNET,
    "ipc": kernel.CLONE_NEWIPC,
    "uts": kernel.CLONE_NEWUTS,
    "mount": kernel.CLONE_NEWNS,
}


def take_namespaces(without: tuple[str, ...]) -> dict[str, str]:
    """Leave every namespace that the host lets us leave; returns name -> "" or why not.

    Root leaves them directly (and gets its user namespace later, by `take_user_namespace`); anybody else
    needs a user namespace first, in which it may then do the same.
    """
    wanted = {name: flag for name, flag in _OTHERS.items() if name not in without}
    outcome = dict.fromkeys(_OTHERS, "left out on purpose")
    if os.geteuid() != 0:
        outcome["user"] = "left out on purpose" if "user" in without else take_user_namespace(keep_ids=True)
    for name, flag in wanted.items():
        outcome[name] = _tried(flag)
    if not outcome["uts"]:
        with suppress(OSError):
            socket.sethostname("cell")  # the host's is nothing to a code node
    return outcome


def take_user_namespace(*, keep_ids: bool) -> str:
    """Enter a user namespace; returns "" or why not.

    With `keep_ids` our ids stay what they are (needs /proc); without they become the overflow ids, which
    is all that a process needs that owns no file.
    """
    uid, gid = os.geteuid(), os.getegid()
    refusal = _tried(kernel.CLONE_NEWUSER)
    if refusal or not keep_ids:
        return refusal
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with suppress(OSError), open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
            file.write(text)
    return ""


def become_user(uid: int) -> str:
    """Give up root for an unprivileged user and group of that number; returns "" or why we kept ours."""
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        return f"the host refuses it: {error.strerror}"
    return ""


def _tried(flag: int) -> str:
    try:
        kernel.unshare(flag)
    except OSError as error:
        return f"the host refuses it: {error.strerror}"
    return ""
