"""Calls of JavaScript that a cell refuses."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from .. import words
from .names import Resolver
from .scopes import arguments
from .table import FILES, HARMLESS, MODULES, PERHAPS, PROMISES, SURE_FILES, SURELY
from .tree import constant, text

if TYPE_CHECKING:
    from tree_sitter import Node

_DEPTH: Final = 20


class Fails(Enum):
    """When a refused call surely makes the node fail."""

    NEVER = 0  # it depends, or an error is told to a callback
    AT_ONCE = 1
    AWAITED = 2  # when its promise is awaited


@dataclass(frozen=True)
class Refusal:
    """What a call does that is refused."""

    does: str
    fails: Fails = Fails.NEVER


def called(call: "Node") -> "Node | None":
    """What a call or `new` calls."""
    return call.child_by_field_name("function") or call.child_by_field_name("constructor")


def refusal_of(name: str, call: "Node", resolver: Resolver) -> Refusal | None:
    """What calling `name` does that is refused, or None."""
    if name == "fetch":
        return _fetching(call, resolver)
    if name in SURELY:
        return Refusal(SURELY[name], Fails.AT_ONCE)
    if name in PERHAPS:
        return Refusal(PERHAPS[name])
    does = of_module(name)
    if does is None:
        return None
    return Refusal(does, _fails(name, call, resolver))


def of_module(name: str) -> str | None:
    """What a member of a module does that is refused, or None."""
    module, _, member = name.partition(".")
    if (
        module not in MODULES
        or member in {"", *PROMISES}
        or "." in member
        or "(" in member
        or name in HARMLESS
    ):
        return None
    if module in {"fs", "fs/promises"}:
        return next(does for start, does in FILES if member.startswith(start))
    return MODULES[module]


def _fails(name: str, call: "Node", resolver: Resolver) -> Fails:
    module, _, member = name.partition(".")
    given = arguments(call)
    if not given or not _is_text(given[0], resolver):
        return Fails.NEVER
    if module == "fs" and member.endswith("Sync") and member.removesuffix("Sync") in SURE_FILES:
        return Fails.AT_ONCE
    return Fails.AWAITED if module == "fs/promises" and member in SURE_FILES else Fails.NEVER


def _fetching(call: "Node", resolver: Resolver) -> Refusal | None:
    """`fetch`, which also reads `data:` addresses."""
    given = arguments(call)
    address = _start(given[0], resolver) if given else ""
    if address.startswith("data:"):
        return None
    plain = address.startswith(("http:", "https:"))
    return Refusal(words.CONNECT, Fails.AWAITED if plain else Fails.NEVER)


def _is_text(node: "Node", resolver: Resolver) -> bool:
    return bool(_start(node, resolver))


def _start(node: "Node", resolver: Resolver) -> str:
    """How the text that `node` stands for begins; empty where that is not known."""
    for _ in range(_DEPTH):
        if constant(node) is not None or node.type in {"string", "template_string"}:
            return constant(node) or text(node)[1:]
        if node.type != "identifier":
            return ""
        bound = resolver.bound(node)
        if len(bound) != 1 or bound[0].value is None or bound[0].path:
            return ""
        node = bound[0].value
    return ""
