"""Confine this process and become the zygote: a flat list of steps, the order of which matters.

plan ──> namespaces ──> private root ──> user ──> rlimits ──> no_new_privs ──> Landlock ──> exec
                                                                          report ──┘
"""

from __future__ import annotations

import binascii
import errno
import os
import re
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from . import identity, kernel, landlock
from .plan import Plan, Report, Tree, read_plan
from .root import enter_private_root

_CONTROL = 3
_PLAN_BYTES = 1 << 17


def main() -> None:
    """Take the plan from the control socket, report, and exec; leaves no trace but the zygote."""
    with socket.socket(fileno=_CONTROL) as control:
        control.set_inheritable(True)
        plan = read_plan(control.recv(_PLAN_BYTES))
        report = Report()
        try:
            confine(plan, report)
            become_zygote(plan, report, control)
        except OSError as error:
            report.error = str(error)
            control.send(report.to_json())
        os._exit(1)


def confine(plan: Plan, report: Report) -> None:
    """Take every layer that the host allows; raises OSError where the required core fails."""
    reset_signals()
    os.umask(0o022)
    null = os.open(os.devnull, os.O_RDONLY)  # before the root that has none
    os.dup2(null, 0)
    os.close(null)
    namespaces = identity.take_namespaces(plan.without_layers)
    private = take_private_root(plan, report, namespaces["mount"])
    take_identity(plan, report, namespaces, private)
    require_readable(plan.trees)
    for name, refusal in namespaces.items():
        report.note(f"{name} namespace", not refusal, refusal)
    note_attempt(report, "keyring", kernel.leave_keyring)
    note_attempt(report, "speculation", limit_speculation)
    ceilings = plan.rlimits if counted_alone(namespaces) else without_others(plan.rlimits)
    limit_resources(ceilings)
    report.note("rlimits", True, ", ".join(sorted(ceilings)))
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    report.note("no_new_privs", True)
    take_landlock(plan, report, private)


def reset_signals() -> None:
    """Undo the odd dispositions that a pool process leaves to what it starts."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError, ValueError):  # libc keeps a few for itself
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def take_private_root(plan: Plan, report: Report, refusal: str) -> bool:
    """See only the runtime's files, where we have mounts of our own."""
    if "private root" in plan.without_layers:
        refusal = "left out on purpose"
    if not refusal:
        try:
            enter_private_root(plan.trees)
        except OSError as error:
            refusal = f"the host refuses it: {error}"
    else:
        refusal = refusal if refusal.startswith("left") else "it needs a mount namespace"
    report.note("private root", not refusal, refusal)
    return not refusal


def take_identity(plan: Plan, report: Report, namespaces: dict[str, str], private: bool) -> None:
    """Become nobody, without capabilities."""
    refusal = ""
    if "uid" in plan.without_layers:
        refusal = "left out on purpose"
    elif plan.uid is not None and not private and not reachable(plan.trees):
        refusal = "the runtime's files are not readable by other users"
    elif plan.uid is not None:
        refusal = identity.become_user(plan.uid)
    report.note("uid", os.geteuid() != 0, refusal)
    kernel.drop_capabilities()
    if "user" not in namespaces:
        left_out = "user" in plan.without_layers
        namespaces["user"] = (
            "left out on purpose" if left_out else identity.take_user_namespace(keep_ids=False)
        )
        kernel.drop_capabilities()  # a new user namespace gave us all of its own
    report.note("capabilities dropped", True)


def note_attempt(report: Report, name: str, attempt: Callable[[], None]) -> None:
    """Take a layer that one call gives, where the host allows it."""
    try:
        attempt()
    except OSError as error:
        report.note(name, False, f"the host does not offer it: {error.strerror}")
    else:
        report.note(name, True)


def limit_speculation() -> None:
    """Have the processor guess less for us and our children; raises OSError where it cannot be told.

    Both ways that prctl(2) knows: past stores, and through indirect branches.
    """
    for way in (0, 1):
        kernel.prctl(kernel.PR_SET_SPECULATION_CTRL, way, kernel.PR_SPEC_FORCE_DISABLE)


def reachable(trees: tuple[Tree, ...]) -> bool:
    """Whether any user can pass the folders above the runtime's files."""
    for tree in trees:
        folder = os.path.dirname(os.path.realpath(tree.path))  # noqa: PTH120 - as in landlock
        while folder != "/":
            if not os.stat(folder).st_mode & 0o001:  # noqa: PTH116
                return False
            folder = os.path.dirname(folder)  # noqa: PTH120
    return True


def require_readable(trees: tuple[Tree, ...]) -> None:
    """Raises OSError where a file of the runtime is closed to us: its modules would seem not to be there."""
    for tree in trees:
        if not os.access(tree.path, os.R_OK):
            raise PermissionError(errno.EACCES, "cannot be read by the user of the cells", tree.path)


def counted_alone(namespaces: dict[str, str]) -> bool:
    """Whether what the kernel counts by user is ours alone: since Linux 5.14 in our own user namespace."""
    version = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    return not namespaces["user"] and version >= (5, 14)


def without_others(ceilings: dict[str, int]) -> dict[str, int]:
    """The ceilings but for the one that counts all processes of a user on the whole host."""
    return {name: ceiling for name, ceiling in ceilings.items() if name != "RLIMIT_NPROC"}


def limit_resources(ceilings: dict[str, int]) -> None:
    """Lower soft and hard limits to the ceilings; raises OSError."""
    for name, ceiling in ceilings.items():
        number = getattr(resource, name)
        _, hard = resource.getrlimit(number)
        bound = ceiling if hard == resource.RLIM_INFINITY else min(ceiling, hard)
        resource.setrlimit(number, (bound, bound))


def take_landlock(plan: Plan, report: Report, private: bool) -> None:
    """Enter the Landlock domain where the kernel has one."""
    version = 0 if "landlock" in plan.without_layers else landlock.abi()
    if version:
        # Each cell's own domain copies every rule: where a private root hides what is hidden, one does.
        expanded = [[tree.path] if private else visible(tree) for tree in plan.trees]
        # An import lists the folder before it opens a file, so the names in it cannot be hidden here.
        landlock.confine(
            readable=[path for paths in expanded for path in paths],
            listable=[tree.path for tree in plan.trees if tree.without],
        )
    detail = f"ABI {version}" if version else "the kernel has none (it needs CONFIG_SECURITY_LANDLOCK)"
    report.note("landlock", bool(version), detail)


def visible(tree: Tree) -> list[str]:
    """The paths below a tree that are not hidden: Landlock can only give, never take away."""
    if not tree.without:
        return [tree.path]
    names = [name for name in os.listdir(tree.path) if name not in tree.without]  # noqa: PTH208 - as in landlock
    paths = [f"{tree.path}/{name}" for name in names]
    return [path for path in paths if os.path.exists(path)]  # noqa: PTH110 - a link may lead out of the root


def become_zygote(plan: Plan, report: Report, control: socket.socket) -> None:
    """Exec the runtime, as first process of the new pid namespace where we have one."""
    nested = any(layer.name == "pid namespace" and layer.on for layer in report.layers)
    if nested:
        # Its parent must be the owner and not this process, which ends here.
        report.pid = kernel.fork_beside()
        if report.pid:
            control.send(report.to_json())
            os._exit(0)
    # Late, since a change of user clears it; whoever misses the owner's death here sees the socket's end.
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if not nested:
        control.send(report.to_json())
    os.closerange(_CONTROL + 1, 1 << 16)
    if plan.filter:
        kernel.install_filter(binascii.a2b_base64(plan.filter))
    os.execve(plan.argv[0], plan.argv, plan.environ)  # noqa: S606 - no shell is what we want


if __name__ == "__main__":
    main()
