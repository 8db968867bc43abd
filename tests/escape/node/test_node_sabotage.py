"""With layers left out on purpose attacks succeed: so the tests can fail, and each layer counts by itself.

What is refused in JavaScript stays so. The zygote's own filter stays, too, without which there would be no
cell; and with it the interface of 32 bits is closed.
"""

import pytest
from cellblock_sandbox import Sandbox

from tests.escape.attack import REFUSED, Attack, carry_out, successes
from tests.escape.node.catalogue import ATTACKS, NATIVE
from tests.escape.node.dialect import JAVASCRIPT
from tests.escape.node.native import compiler, native_runtime
from tests.escape.world import World
from tests.sandbox.running import has_private_root

pytestmark = pytest.mark.skipif(compiler() is None, reason="native code for the attacker needs a C compiler")

SECCOMP = ("seccomp",)
ROOT = ("private root", "mount")
LANDLOCK = ("landlock",)
PID = ("pid",)
NET = ("net",)

NETWORK = Attack(
    name="connect by TCP",
    code="""
async function attack() {
  await tried('tcp', () => emitted(require('node:net').connect(w.tcp_port, '127.0.0.1'), 'connect'));
}
""",
    errnos=REFUSED | {13, 101, 111},
)
SIGNAL = Attack(
    name="signal the zygote",
    code="async function attack() { call('kill', process.ppid === 1 ? 1 : w.zygote, 0); }",
)

THREAD = Attack(
    name="native: a thread of libc's",
    code="async function attack() { by('thread', native.thread()); }",
)

SUCCEEDS = {
    "sockets can be made": (SECCOMP, NATIVE["native: sockets"]),
    "threads can be started": (SECCOMP, THREAD),
    "a pidfd of the owner can be had": (
        SECCOMP,
        NATIVE["native: redirect the channel or a pair, and send descriptors"],
    ),
    "memory can be shared": (SECCOMP, NATIVE["native: memory that no limit counts"]),
    "others can be signalled": (SECCOMP + LANDLOCK + PID, SIGNAL),
    "files can be read": (ROOT + LANDLOCK, ATTACKS["read files of the host"]),
    "folders can be listed": (ROOT + LANDLOCK, ATTACKS["list folders of the host"]),
    "files can be changed": (ROOT + LANDLOCK + SECCOMP, ATTACKS["change the file"]),
    "databases can be opened": (ROOT + LANDLOCK + SECCOMP, ATTACKS["databases"]),
    "the network can be reached": (SECCOMP + LANDLOCK + NET, NETWORK),
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
    with Sandbox() as whole:
        if "landlock" in without and "private root" not in without and not has_private_root(whole):
            pytest.skip("nothing but Landlock closes files here")
    with (
        native_runtime() as runtime,
        Sandbox(runtime, without_layers=without, self_test=False) as sandbox,
        World(runtime) as world,
    ):
        wanted = {name for name in without if name not in ("private root", "landlock", "seccomp")}
        off = {layer.name for layer in sandbox.layers if not layer.on}
        if not wanted <= {name.removesuffix(" namespace") for name in off}:
            pytest.skip("the layer could not be left out")
        return successes(attack, carry_out(attack, sandbox, world, JAVASCRIPT))


@pytest.mark.parametrize(("without", "attack"), SUCCEEDS.values(), ids=SUCCEEDS.keys())
def test_succeeds(without: tuple[str, ...], attack: Attack) -> None:
    assert attacked(without, attack)


@pytest.mark.parametrize(
    ("without", "attack"),
    [pytest.param(*one, id=name) for name, one in FAILS.items()],
)
def test_fails(without: tuple[str, ...], attack: Attack) -> None:
    assert attacked(without, attack) == []
