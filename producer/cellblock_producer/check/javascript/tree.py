"""JavaScript's syntax tree, made by tree-sitter: text in, nodes out. Its recovery goes on after an error."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import CheckUnavailable

if TYPE_CHECKING:
    from tree_sitter import Node

FUNCTIONS = frozenset(
    {
        *("function_declaration", "generator_function_declaration", "function_expression"),
        *("generator_function", "arrow_function", "method_definition"),
    }
)
"""Types of nodes that are functions."""


def parse(code: str) -> "Node":
    """The root of the tree. Raises CheckUnavailable where the parser is not installed."""

    try:
        import tree_sitter_javascript
        from tree_sitter import Language, Parser
    except ImportError as error:
        raise CheckUnavailable(
            "the parser of JavaScript is not installed; install cellblock-producer[check]"
        ) from error
    return Parser(Language(tree_sitter_javascript.language())).parse(code.encode()).root_node


def text(node: "Node | None") -> str:
    """The source of a node."""
    return (node.text or b"").decode(errors="replace") if node is not None else ""


def constant(node: "Node | None") -> str | None:
    """The text that a string stands for, where it holds no escapes and nothing is put in; else None."""
    if node is None or node.type not in {"string", "template_string"}:
        return None
    parts = node.named_children
    return text(parts[0]) if len(parts) == 1 and parts[0].type == "string_fragment" else None


def inner(node: "Node") -> Iterator["Node"]:
    """All nodes under one, but for those of functions and classes within."""
    waiting = list(node.children)
    while waiting:
        one = waiting.pop()
        yield one
        if one.type not in FUNCTIONS and one.type != "class_body":
            waiting += one.children


def is_async(function: "Node") -> bool:
    """Whether it is an async function."""
    return any(child.type == "async" for child in function.children[:3])


def first_error(root: "Node") -> "Node | None":
    """The first place that the grammar could not make sense of."""
    node: Node | None = root
    while node is not None and node.has_error and not (node.is_error or node.is_missing):
        node = next((child for child in node.children if child.has_error or child.is_missing), None)
    return (node or root) if root.has_error else None
