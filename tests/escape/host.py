"""Runs the whole table of attacks on a host that is poorer than this one: `python -m tests.escape.host FORM`.

A form takes something away from this process for good, then opens a sandbox; what came of it goes to stdout
as JSON: {"unavailable": message} or {"layers": [...], "records": {attack: record}, "nodejs": [...]}, the last
being the layers of Node.js, whose self-test held.
"""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

import pyseccomp
from cellblock_sandbox import Sandbox, SandboxUnavailable, nodejs_runtime
from cellblock_sandbox.launch import kernel

from tests.escape.attack import as_json, carry_out
from tests.escape.catalogue import ATTACKS
from tests.escape.world import World

_NAMESPACES = ("unshare", "setns", "mount", "pivot_root", "chroot", "umount2")
# What Docker's default filter refuses beside those to who has no capability.
_DOCKERS = (
    *(
        "acct",
        "add_key",
        "bpf",
        "clock_settime",
        "delete_module",
        "fanotify_init",
        "finit_module",
        "fsconfig",
    ),
    *(
        "fsmount",
        "fsopen",
        "fspick",
        "init_module",
        "ioperm",
        "iopl",
        "kcmp",
        "kexec_file_load",
        "kexec_load",
    ),
    *("keyctl", "lookup_dcookie", "mount_setattr", "move_mount", "move_pages", "name_to_handle_at"),
    *("open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd", "process_madvise", "quotactl"),
    *("reboot", "request_key", "setdomainname", "sethostname", "settimeofday", "swapoff", "swapon", "syslog"),
    *("umount", "userfaultfd", "vhangup"),
)
_LANDLOCK = ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")


def become_ordinary_user() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # as after a login: /proc/self is one's own


def refuse(names: tuple[str, ...], number: int) -> None:
    """Have the kernel answer `number` to these calls, for ever."""
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in names:
        rules.add_rule(pyseccomp.ERRNO(number), name)
    rules.load()


def _user_alone() -> None:
    become_ordinary_user()
    refuse(_NAMESPACES, errno.EPERM)


def _container() -> None:
    refuse(_NAMESPACES, errno.EPERM)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capabilities()


def _locked_down() -> None:
    """As `docker run --cap-drop ALL --user 1000:1000 --security-opt no-new-privileges` leaves it."""
    if os.geteuid() == 0:
        with suppress(OSError):  # past the kernel's last one
            for capability in range(64):
                kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    refuse(("clone3",), errno.ENOSYS)
    refuse((*_NAMESPACES, *_DOCKERS), errno.EPERM)
    become_ordinary_user()


def _without_landlock() -> None:
    refuse(_LANDLOCK, errno.ENOSYS)


def _without_both() -> None:
    refuse(_LANDLOCK, errno.ENOSYS)
    refuse(_NAMESPACES, errno.EPERM)


FORMS: dict[str, Callable[[], None]] = {
    "ordinary user": become_ordinary_user,
    "ordinary user without namespaces": _user_alone,
    "without any capability": _container,
    "locked-down container, as an ordinary user": _locked_down,
    "without Landlock": _without_landlock,
    "without Landlock and namespaces": _without_both,
}


def run_all() -> dict[str, object]:
    """All attacks against one sandbox."""
    try:
        with Sandbox() as sandbox, World() as world:
            layers = [layer.name for layer in sandbox.layers if layer.on]
            records = {name: as_json(carry_out(one, sandbox, world)) for name, one in ATTACKS.items()}
        with Sandbox(nodejs_runtime()) as sandbox:
            nodejs = [layer.name for layer in sandbox.layers if layer.on]
    except SandboxUnavailable as error:
        return {"unavailable": str(error)}
    return {"layers": layers, "records": records, "nodejs": nodejs}


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    FORMS[sys.argv[1]]()
    json.dump(run_all(), sys.stdout)
