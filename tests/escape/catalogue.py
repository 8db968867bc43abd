"""All attacks, by group."""

from tests.escape.attack import Attack
from tests.escape.attacks_calls import CALLS
from tests.escape.attacks_files import FILES
from tests.escape.attacks_inside import ANSWERS, INSIDE
from tests.escape.attacks_limits import CLOCKS, LEFT_BEHIND, MEMORY, OUTPUT
from tests.escape.attacks_native import NATIVE
from tests.escape.attacks_network import NETWORK
from tests.escape.attacks_processes import PROCESSES

GROUPS: dict[str, list[Attack]] = {
    "calls": CALLS,
    "processes": PROCESSES,
    "files": FILES,
    "network": NETWORK,
    "memory": MEMORY,
    "clocks": CLOCKS,
    "left behind": LEFT_BEHIND,
    "output": OUTPUT,
    "answers": ANSWERS,
    "inside": INSIDE,
    "native": NATIVE,
}
ATTACKS = {attack.name: attack for group in GROUPS.values() for attack in group}
