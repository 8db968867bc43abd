"""What an expression of a JavaScript program stands for, by its full name: `cp.exec`, after
`const cp = require("node:child_process")`, is `child_process.exec`."""

from typing import TYPE_CHECKING, Final

from ..full_names import DEPTH, Names
from .scopes import Bound, Program, arguments
from .table import MODULES
from .tree import constant, text

if TYPE_CHECKING:
    from tree_sitter import Node

_MOST: Final = 8  # things that one name may be bound to, as far as we look
_GLOBALS: Final = ("globalThis.", "global.", "window.", "self.")
_WRAPPERS: Final = {"await_expression", "parenthesized_expression"}


def canonical(name: str) -> str:
    """The one name of what has several."""
    for prefix in _GLOBALS:
        name = name.removeprefix(prefix)
    if name in {"module.createRequire()", "module.require", "process.mainModule.require"}:
        return "require"
    if name.startswith("fs.promises"):
        return "fs/promises" + name.removeprefix("fs.promises")
    return name.removesuffix(".default")


def module_name(given: str) -> str:
    """The name of a module as it is imported, without `node:`."""
    return canonical(given.removeprefix("node:"))


class Resolver:
    """Answers what expressions of one program stand for, each worked out once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._known: dict[Node, Names] = {}

    def names(self, node: "Node | None", depth: int = 0) -> Names:
        """The names of `node`; none where it is not known."""
        if node is None:
            return Names()
        if node not in self._known:
            if depth > DEPTH:
                return Names()
            self._known[node] = Names()  # a name that is bound to itself ends here
            self._known[node] = self._work_out(node, depth + 1)
        return self._known[node]

    def bound(self, node: "Node") -> list[Bound]:
        """All that an identifier is bound to; empty for a global one."""
        scope = self.program.scopes.get(node)
        holder = scope.holder(text(node)) if scope is not None else None
        return holder.bound[text(node)] if holder is not None else []

    def module(self, call: "Node") -> str | None:
        """The module that a call imports by a constant name, as it is written there; or None."""
        function = call.child_by_field_name("function")
        given = arguments(call)
        name = constant(given[0]) if given else None
        if function is None or not name:
            return None
        if function.type == "import":
            return name
        known = {"require", "process.getBuiltinModule"}
        return name if known & set(self.names(function).names) else None

    def _work_out(self, node: "Node", depth: int) -> Names:
        match node.type:
            case "identifier" | "shorthand_property_identifier":
                return self._of_name(node, depth)
            case "member_expression":
                name = text(node.child_by_field_name("property"))
                return self.names(node.child_by_field_name("object"), depth).then(f".{name}", canonical)
            case "subscript_expression":
                index = constant(node.child_by_field_name("index"))
                found = self.names(node.child_by_field_name("object"), depth)
                return found.then(f".{index}", canonical) if index else Names()
            case "call_expression":
                module = self.module(node)
                if module:
                    return Names((module_name(module),), sole=True)
                return self.names(node.child_by_field_name("function"), depth).then("()", canonical)
            case "new_expression":
                return self.names(node.child_by_field_name("constructor"), depth).then("()", canonical)
            case kind if kind in _WRAPPERS and node.named_children:
                return self.names(node.named_children[0], depth)
        return Names()

    def _of_name(self, node: "Node", depth: int) -> Names:
        bound = self.bound(node)
        if not bound:
            # A module is none before it is imported, whatever its name.
            return Names((text(node),), sole=True) if text(node) not in MODULES else Names()
        return Names.any_of((self._of_bound(one, depth) for one in bound[:_MOST]), sole=len(bound) == 1)

    def _of_bound(self, bound: Bound, depth: int) -> Names:
        if bound.module is not None:
            return Names((canonical(module_name(bound.module) + bound.path),), sole=True)
        if bound.value is None or bound.value.type.endswith("function_declaration"):
            return Names()
        found = self.names(bound.value, depth)
        return found.then(bound.path, canonical) if bound.path else found
