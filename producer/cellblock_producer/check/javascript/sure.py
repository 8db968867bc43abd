"""Which calls of a JavaScript program are made in every run that gets that far.

No branch, loop, handler or early return stands before them. All other findings are told as uncertain.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .names import Resolver
from .tree import FUNCTIONS, inner, is_async, text

if TYPE_CHECKING:
    from tree_sitter import Node

_HEADS: Final = {
    **dict.fromkeys(("if_statement", "while_statement"), "condition"),
    **dict.fromkeys(("switch_statement", "with_statement"), "value"),
    **dict.fromkeys(("for_in_statement",), "right"),
    **dict.fromkeys(("try_statement", "for_statement", "do_statement", "labeled_statement"), ""),
}
_MAGIC: Final = {"eval", "Function", "globalThis", "global", "Proxy", "Reflect"}
_CHAINS: Final = {"call_expression", "member_expression", "subscript_expression"}
_STEPS: Final = 10
_LAZY: Final = ("&&", "||", "??", "&&=", "||=", "??=")


@dataclass
class Sure:
    """The calls that are surely made, and those of them whose promise is surely awaited."""

    calls: "set[Node]" = field(default_factory=set)
    awaited: "set[Node]" = field(default_factory=set)


def surely_called(resolver: Resolver, *, as_main: bool) -> Sure:
    """What is surely called by running the program, and then main if `as_main`."""
    program = resolver.program
    sure = Sure()
    if program.loaded & _MAGIC or (not as_main and "process" in program.loaded):
        return sure
    bodies: list[Iterable[Node]] = [_straight(program.root)]
    seen: set[Node] = set()
    main = program.top.bound.get("main", [])
    if as_main and len(main) == 1 and main[0].value is not None and not main[0].path:
        _enter(main[0].value, bodies, seen)
    while bodies:
        for expression in bodies.pop():
            for call in _calls(expression, sure):
                _follow(call, resolver, sure, bodies, seen)
    return sure


def _enter(function: "Node", bodies: "list[Iterable[Node]]", seen: "set[Node]") -> None:
    if function.type not in FUNCTIONS or "generator" in function.type or function in seen:
        return
    seen.add(function)
    body = function.child_by_field_name("body")
    if body is not None:
        bodies.append(_straight(body) if body.type == "statement_block" else [body])


def _follow(
    call: "Node", resolver: Resolver, sure: Sure, bodies: "list[Iterable[Node]]", seen: "set[Node]"
) -> None:
    function = call.child_by_field_name("function")
    bound = resolver.bound(function) if function is not None and function.type == "identifier" else []
    if len(bound) != 1 or bound[0].value is None or bound[0].path:
        return
    if call in sure.awaited or not is_async(bound[0].value):
        _enter(bound[0].value, bodies, seen)


def _straight(block: "Node") -> "Iterator[Node]":
    """The expressions that a block evaluates whatever happens, unless it fails before."""
    waiting = list(reversed(block.named_children))
    while waiting:
        statement = waiting.pop()
        if statement.type == "statement_block":
            waiting += reversed(statement.named_children)
        elif statement.type in _HEADS:
            head = statement.child_by_field_name(_HEADS[statement.type]) if _HEADS[statement.type] else None
            if head is not None:
                yield head
            if any(one.type == "return_statement" for one in inner(statement)):
                return
        else:
            yield statement
            if statement.type in {"return_statement", "throw_statement"}:
                return


def _calls(expression: "Node", sure: Sure) -> "Iterator[Node]":
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        if node.type in {"call_expression", "new_expression"}:
            sure.calls.add(node)
            yield node
        elif node.type == "await_expression":
            sure.awaited.update(node.named_children)
        waiting += reversed(_parts(node))


def _parts(node: "Node") -> "list[Node]":
    """What is evaluated whenever `node` is."""
    if node.type in FUNCTIONS or node.type == "class_body":
        return []
    if node.type == "ternary_expression":
        return [part for part in (node.child_by_field_name("condition"),) if part is not None]
    operator = text(node.child_by_field_name("operator"))
    if operator in _LAZY:
        return [part for part in (node.child_by_field_name("left"),) if part is not None]
    if node.type in _CHAINS and _is_optional(node):
        return node.named_children[:1]
    return node.named_children


def _is_optional(node: "Node") -> bool:
    """Whether it is `a?.b`, `a?.()`, or goes on from one; so is what is too long to tell."""
    for _ in range(_STEPS):
        if any(child.type == "optional_chain" for child in node.children):
            return True
        inside = node.child_by_field_name("function") or node.child_by_field_name("object")
        if inside is None:
            return False
        node = inside
    return True
