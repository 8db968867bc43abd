"""All attacks in JavaScript, by name; those of NATIVE need the addon of `native.py`."""

from tests.escape.attack import Attack
from tests.escape.node import attacks_native
from tests.escape.node.attacks_files import FILES
from tests.escape.node.attacks_inside import ANSWERS, INSIDE
from tests.escape.node.attacks_limits import CLOCKS, MEMORY, OUTPUT
from tests.escape.node.attacks_network import NETWORK
from tests.escape.node.attacks_processes import (
    BINDINGS,
    PROCESSES,
    PROMISED_INSPECTOR,
    SIGNALS,
    SPAWN,
    THREADS,
)

GROUPS = (FILES, NETWORK, PROCESSES, THREADS, BINDINGS, MEMORY, CLOCKS, OUTPUT, ANSWERS, INSIDE)
ATTACKS: dict[str, Attack] = {attack.name: attack for group in GROUPS for attack in group}
NATIVE: dict[str, Attack] = {attack.name: attack for attack in attacks_native.NATIVE}
# Those that succeed until the sandbox is better.
_LOCK = "the cell aborts: the pipe that is libuv's lock of signals is replaced by an empty one"
HOLES: dict[str, tuple[Attack, str]] = {
    SPAWN.name: (SPAWN, _LOCK),
    SIGNALS.name: (SIGNALS, _LOCK),
    PROMISED_INSPECTOR.name: (PROMISED_INSPECTOR, "open and waitForDebugger stand there a second time"),
    attacks_native.ADVICE.name: (attacks_native.ADVICE, "madvise takes any advice"),
    **{
        attack.name: (attack, "the owner sees neither CPU time nor memory of a cell whose first thread ended")
        for attack in attacks_native.LEFT_BEHIND
    },
}
