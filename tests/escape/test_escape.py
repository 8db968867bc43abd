"""Every attack fails in the way it must, on this host as it is."""

from collections.abc import Iterator

import pytest
from cellblock_sandbox import Sandbox

from tests.escape.attack import Attack, carry_out, successes
from tests.escape.catalogue import ATTACKS
from tests.escape.world import World


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_attack_fails(attack: Attack, sandbox: Sandbox, world: World) -> None:
    assert successes(attack, carry_out(attack, sandbox, world)) == []
