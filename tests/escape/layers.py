"""Which layers stop which attack: `python -m tests.escape.layers` writes docs/layers.md.

Each attack is tried with one layer after the other left out, all others on. What then succeeds hangs on that
layer alone. It wants a host that has all of them: root, or a user who may make namespaces.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cellblock_sandbox import Sandbox, SandboxError, Verdict

from tests.escape.attack import PYTHON, Attack, Dialect, Record, carry_out
from tests.escape.catalogue import ATTACKS, GROUPS
from tests.escape.node import attacks_native
from tests.escape.node import catalogue as node
from tests.escape.node.attacks_inside import ANSWERS
from tests.escape.node.attacks_limits import CLOCKS, MEMORY, OUTPUT
from tests.escape.node.dialect import JAVASCRIPT
from tests.escape.node.native import native_runtime
from tests.escape.world import World

FILE = Path(__file__).parents[2] / "docs" / "layers.md"
# Stopped by the owner and by rlimits, whichever layers there are; most of them take their time.
_OF_THE_OWNER: Mapping[str, list[list[Attack]]] = {
    "Python": [GROUPS[group] for group in ("clocks", "left behind", "output", "answers")],
    "Node.js": [CLOCKS, MEMORY, OUTPUT, ANSWERS, attacks_native.LEFT_BEHIND],
}
OWNER = {
    language: [one.name for group in groups for one in group] for language, groups in _OF_THE_OWNER.items()
}
ALL: Mapping[str, Mapping[str, Attack]] = {"Python": ATTACKS, "Node.js": node.ATTACKS | node.NATIVE}
WITHOUT = {
    "filter": ("seccomp",),
    "Landlock": ("landlock",),
    "private root": ("private root", "mount"),
    "namespaces": ("pid", "net", "ipc", "uts", "user"),
    "other user": ("uid",),
}
_HEAD = """\
# Which layers stop which attack

Written by `python -m tests.escape.layers` on a host that has all layers. Each attack was tried with one layer
left out and all others on: **·** it fails all the same, **needed** it gets something that way, so it hangs on
that layer. The filter is seccomp. `tests/escape/test_sabotage.py` leaves out several layers at once.

Nothing hangs on another layer than the filter. What hangs on it alone is what the kernel has no second means
against: its own state, threads, and the limits and ranks of other cells of the same zygote, which have the
same user. Much of it leads nowhere: a socket that is made reaches nobody.
"""


REST = "Stopped by the owner, from outside, by rlimits and by the parser of answers, whatever else there is: "


def gained(attack: Attack, record: Record) -> bool:
    """Whether the attacker got anything at all, however the rest of the attack ended."""
    if record.damage:
        return True
    if attack.outputs is not None:
        return record.outputs != attack.outputs
    evidence = record.outputs.get("evidence", [])
    if attack.verdict in (Verdict.SUCCEEDED, Verdict.BLOCKED):
        got = any(piece[1] != "errno" for piece in evidence)
        return got or record.verdict not in (Verdict.SUCCEEDED, Verdict.BLOCKED, Verdict.CODE_ERROR)
    return record.verdict != attack.verdict


@contextmanager
def attacked(language: str, without: tuple[str, ...]) -> Iterator[tuple[Sandbox, World, Dialect]]:
    """A sandbox without those layers, and what is around it."""
    if language == "Python":
        with Sandbox(without_layers=without, self_test=False) as sandbox, World() as world:
            yield sandbox, world, PYTHON
        return
    with (
        native_runtime() as runtime,
        Sandbox(runtime, without_layers=without, self_test=False) as sandbox,
        World(runtime) as world,
    ):
        yield sandbox, world, JAVASCRIPT


def column(language: str, layer: str) -> dict[str, bool]:
    """Of each attack whether it gets something without that layer."""
    found: dict[str, bool] = {}
    left = [name for name in ALL[language] if name not in OWNER[language]]
    while left:
        with attacked(language, WITHOUT[layer]) as (sandbox, world, dialect):
            while left:
                name = left.pop(0)
                try:
                    record = carry_out(ALL[language][name], sandbox, world, dialect)
                except SandboxError:
                    found[name] = True
                    break  # and go on with a sandbox that has not suffered
                found[name] = gained(ALL[language][name], record)
                if record.damage:
                    break
    return found


def table(language: str) -> str:
    """The table of one language in Markdown, and those that it leaves out."""
    columns = {layer: column(language, layer) for layer in WITHOUT}
    lines = [f"| attack | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name in columns["filter"]:
        cells = ("needed" if found[name] else "·" for found in columns.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    others = "; ".join(OWNER[language])
    return "\n".join(lines) + f"\n\n{REST}{others}.\n"


def named(text: str) -> set[str]:
    """The attacks that a part of the file names."""
    rows = {line.split(" | ")[0][2:] for line in text.splitlines() if line.startswith("| ")} - {"attack"}
    return rows | set(text.partition(REST)[2].strip().removesuffix(".").split("; "))


if __name__ == "__main__":
    parts = [f"## {language}\n\n{table(language)}" for language in ALL]
    FILE.write_text("\n".join([_HEAD, *parts]))
