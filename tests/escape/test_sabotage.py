"""With layers left out on purpose attacks succeed: so the tests can fail, and each layer counts by itself."""

import pytest
from cellblock_sandbox import Sandbox

from tests.escape.attack import REFUSED, Attack, carry_out, successes
from tests.escape.catalogue import ATTACKS
from tests.escape.world import World

SECCOMP = ("seccomp",)
ROOT = ("private root", "mount")
LANDLOCK = ("landlock",)
PID = ("pid",)
NET = ("net",)

NETWORK = Attack(
    name="connect by TCP",
    code="def attack(): tried('tcp', socket.create_connection, ('127.0.0.1', w['tcp_port']))",
    errnos=REFUSED | {13, 101, 111},
)
SIGNAL = Attack(
    name="signal the zygote",
    code="def attack(): tried('zygote', os.kill, w['zygote'] if os.getppid() != 1 else 1, 0)",
)

SUCCEEDS = {
    "a pair of datagrams reaches the host": (SECCOMP + ROOT, ATTACKS["send through a pair of datagrams"]),
    "sockets can be made": (SECCOMP, ATTACKS["make sockets"]),
    "a pidfd of the owner can be had": (SECCOMP, ATTACKS["ask for the peer of the channel"]),
    "files can be read": (ROOT + LANDLOCK, ATTACKS["read files of the host"]),
    "folders can be listed": (ROOT + LANDLOCK, ATTACKS["list folders of the host"]),
    "files can be changed": (ROOT + LANDLOCK + SECCOMP, ATTACKS["change the file"]),
    "the network can be reached": (SECCOMP + LANDLOCK + NET, NETWORK),
    "the zygote can be signalled": (SECCOMP + LANDLOCK + PID, SIGNAL),
}
FAILS = {
    "Landlock alone keeps the network closed": (SECCOMP + NET, NETWORK),
    "the namespace alone keeps the network closed": (SECCOMP + LANDLOCK, NETWORK),
    "the filter alone keeps the network closed": (LANDLOCK + NET, NETWORK),
    "the nested domain alone keeps the zygote safe": (SECCOMP + PID, SIGNAL),
    "the filter alone keeps the zygote safe": (LANDLOCK + PID, SIGNAL),
    "Landlock alone keeps files unread": (ROOT, ATTACKS["read files of the host"]),
    "the private root alone keeps files unread": (LANDLOCK, ATTACKS["read files of the host"]),
    "the filter alone keeps files unchanged": (ROOT + LANDLOCK, ATTACKS["change the file"]),
}


def attacked(without: tuple[str, ...], attack: Attack) -> list[object]:
    with Sandbox(without_layers=without, self_test=False) as sandbox, World() as world:
        wanted = {name for name in without if name not in ("private root", "landlock", "seccomp")}
        off = {layer.name for layer in sandbox.layers if not layer.on}
        if not wanted <= {name.removesuffix(" namespace") for name in off}:
            pytest.skip("the layer could not be left out")
        return successes(attack, carry_out(attack, sandbox, world))


@pytest.mark.parametrize(("without", "attack"), SUCCEEDS.values(), ids=SUCCEEDS.keys())
def test_succeeds(without: tuple[str, ...], attack: Attack) -> None:
    assert attacked(without, attack)


@pytest.mark.parametrize(("without", "attack"), FAILS.values(), ids=FAILS.keys())
def test_fails(without: tuple[str, ...], attack: Attack) -> None:
    assert attacked(without, attack) == []
