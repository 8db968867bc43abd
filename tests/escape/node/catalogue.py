"""All attacks in JavaScript, by name; those of NATIVE need the addon of `native.py`."""

from tests.escape.attack import Attack
from tests.escape.node import attacks_native
from tests.escape.node.attacks_files import FILES
from tests.escape.node.attacks_inside import ANSWERS, INSIDE
from tests.escape.node.attacks_kernel import KERNEL
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
LATER = (SPAWN, SIGNALS, PROMISED_INSPECTOR)
ATTACKS: dict[str, Attack] = {attack.name: attack for group in (*GROUPS, LATER) for attack in group}
NATIVE_GROUPS = (attacks_native.NATIVE, [attacks_native.ADVICE], attacks_native.LEFT_BEHIND, KERNEL)
NATIVE: dict[str, Attack] = {attack.name: attack for group in NATIVE_GROUPS for attack in group}
