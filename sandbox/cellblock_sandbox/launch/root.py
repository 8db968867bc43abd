"""A private read-only root that holds the runtime's files and nothing else.

tmpfs ── bind mounts of the plan's trees, each at its own path; empty tmpfs over what they hide
  └── pivot_root, the old root is let go; all of it read-only, no setuid, no devices
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from . import kernel
from .plan import Tree

# The runtime's files are never below it, and it need not be writable: so it can be mounted over.
_SCAFFOLD = "/proc"


def enter_private_root(trees: Iterable[Tree]) -> None:
    """Build the root and make it ours; needs a mount namespace of our own. Raises OSError."""
    kernel.mount("none", "/", "none", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("cellblock", _SCAFFOLD, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=755")
    for tree in sorted(trees, key=lambda tree: tree.path):
        target = _SCAFFOLD + tree.path
        _make_mount_point(tree.path, target)
        kernel.mount(tree.path, target, "none", kernel.MS_BIND | kernel.MS_REC)
        for name in tree.without:
            if os.path.isdir(f"{tree.path}/{name}"):  # noqa: PTH112 - as in landlock
                kernel.mount("hidden", f"{target}/{name}", "tmpfs", 0, "size=4k,mode=555")
    kernel.make_read_only(_SCAFFOLD)
    kernel.become_root_of_mounts(_SCAFFOLD)


def _make_mount_point(source: str, target: str) -> None:
    if os.path.isdir(source):  # noqa: PTH112
        os.makedirs(target, mode=0o755, exist_ok=True)  # noqa: PTH103
        return
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)  # noqa: PTH103, PTH120
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
