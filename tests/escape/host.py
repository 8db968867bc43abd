"""Runs a language's whole table of attacks on a host that is poorer than this one:
`python -m tests.escape.host FORM LANGUAGE`.

A form takes something away from this process for good, then opens a sandbox; what came of it goes to stdout
as JSON: {"unavailable": message} or {"layers": [...], "records": {attack: record}}.
"""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pyseccomp
from cellblock_sandbox import Sandbox, SandboxUnavailable
from cellblock_sandbox.launch import kernel

from tests.escape.attack import PYTHON, Dialect, as_json, carry_out
from tests.escape.catalogue import ATTACKS
from tests.escape.node import catalogue as node
from tests.escape.node.dialect import JAVASCRIPT
from tests.escape.node.native import native_runtime
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


TABLES = {"python3": ATTACKS, "nodejs": node.ATTACKS | node.NATIVE}


def run_all(language: str) -> dict[str, object]:
    """All attacks against one sandbox."""
    try:
        with python() if language == "python3" else nodejs() as (sandbox, world, dialect):
            layers = [layer.name for layer in sandbox.layers if layer.on]
            attacks = TABLES[language].items()
            records = {name: as_json(carry_out(one, sandbox, world, dialect)) for name, one in attacks}
    except SandboxUnavailable as error:
        return {"unavailable": str(error)}
    return {"layers": layers, "records": records}


@contextmanager
def python() -> Iterator[tuple[Sandbox, World, Dialect]]:
    with Sandbox() as sandbox, World() as world:
        yield sandbox, world, PYTHON


@contextmanager
def nodejs() -> Iterator[tuple[Sandbox, World, Dialect]]:
    with native_runtime() as runtime, Sandbox(runtime) as sandbox, World(runtime) as world:
        yield sandbox, world, JAVASCRIPT


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    FORMS[sys.argv[1]]()
    json.dump(run_all(sys.argv[2]), sys.stdout)
