"""Every attack on a Node.js cell fails in the way it must, on this host as it is."""

from collections.abc import Iterator

import pytest
from cellblock_sandbox import Sandbox
from cellblock_sandbox.runtime import Runtime

from tests.escape.attack import Attack, carry_out, successes
from tests.escape.node.catalogue import ATTACKS, NATIVE
from tests.escape.node.dialect import JAVASCRIPT
from tests.escape.node.native import compiler, native_runtime
from tests.escape.world import World

pytestmark = pytest.mark.skipif(compiler() is None, reason="native code for the attacker needs a C compiler")


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with native_runtime() as runtime:
        yield runtime


@pytest.fixture(scope="module")
def sandbox(runtime: Runtime) -> Iterator[Sandbox]:
    with Sandbox(runtime) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def world(runtime: Runtime) -> Iterator[World]:
    with World(runtime) as world:
        yield world


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_attack_fails(attack: Attack, sandbox: Sandbox, world: World) -> None:
    assert successes(attack, carry_out(attack, sandbox, world, JAVASCRIPT)) == []


@pytest.mark.parametrize("attack", NATIVE.values(), ids=NATIVE.keys())
def test_native_attack_fails(attack: Attack, sandbox: Sandbox, world: World) -> None:
    assert successes(attack, carry_out(attack, sandbox, world, JAVASCRIPT)) == []
