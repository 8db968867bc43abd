"""Which names a JavaScript program binds, where, and to what.

It walks with a stack of its own: trees may be deep.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .tree import FUNCTIONS, constant, text

if TYPE_CHECKING:
    from tree_sitter import Node

_BLOCKS: Final = {
    *("statement_block", "for_statement", "for_in_statement", "catch_clause", "switch_body"),
    "class_static_block",
}
_DEEPEST: Final = 200  # scopes inside each other
_PATTERNS: Final = {"identifier", "shorthand_property_identifier_pattern"}


@dataclass(frozen=True)
class Bound:
    """What a name stands for: `value` and what is reached from it by `path`; None is nobody knows what."""

    value: "Node | None" = None
    path: str = ""
    module: str | None = None


@dataclass(eq=False)
class Scope:
    """A program, function or block, and the names that it binds."""

    parent: "Scope | None" = None
    of_function: bool = True
    bound: dict[str, list[Bound]] = field(default_factory=dict)
    depth: int = 0

    def within(self, *, of_function: bool) -> "Scope":
        """A scope inside this one. Beyond what people write it is this one again, to keep look-ups short."""
        if self.depth >= _DEEPEST:
            return self
        return Scope(self, of_function=of_function, depth=self.depth + 1)

    def bind(self, name: str, to: Bound) -> None:
        """Note that `name` is declared here."""
        self.bound.setdefault(name, []).append(to)

    def function(self) -> "Scope":
        """The scope of the function around, where `var` declares."""
        scope = self
        while not scope.of_function and scope.parent is not None:
            scope = scope.parent
        return scope

    def holder(self, name: str) -> "Scope | None":
        """The scope that binds `name` as seen from here; None where nothing does."""
        scope: Scope | None = self
        while scope is not None and name not in scope.bound:
            scope = scope.parent
        return scope


@dataclass
class Program:
    """A parsed program with its scopes."""

    root: "Node"
    top: Scope = field(default_factory=Scope)
    scopes: "dict[Node, Scope]" = field(default_factory=dict)  # of names, members and calls that are read
    imports: "list[Node]" = field(default_factory=list)  # import and export at the top
    loaded: set[str] = field(default_factory=set)  # names that are read somewhere
    stored: "list[Node]" = field(default_factory=list)  # members that are assigned to
    handed: "set[Node]" = field(default_factory=set)  # expressions that are handed to a call


def read(root: "Node") -> Program:
    """The program's names."""
    program = Program(root)
    reader = _Reader(program)
    while reader.waiting:
        reader.step(*reader.waiting.pop())
    for target, value, scope in reader.assignments:
        reader.assign(target, value, scope)
    return program


class _Reader:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.waiting: list[tuple[Node, Scope]] = [(program.root, program.top)]
        self.of_var: set[Node] = set()  # declarators of `var`, which belong to the function
        self.assignments: list[tuple[Node, Node | None, Scope]] = []

    def step(self, node: "Node", scope: Scope) -> None:
        special = getattr(self, f"_{node.type}", None)
        if special is not None and node.is_named:
            special(node, scope)
        elif node.type in FUNCTIONS:
            self._function(node, scope)
        elif node.type in _BLOCKS:
            self._push(node.named_children, scope.within(of_function=False))
        else:
            self._push(node.named_children, scope)

    def _push(self, nodes: "Iterable[Node | None]", scope: Scope) -> None:
        self.waiting += [(node, scope) for node in reversed(list(nodes)) if node is not None]

    def _identifier(self, node: "Node", scope: Scope) -> None:
        self.program.scopes[node] = scope
        self.program.loaded.add(text(node))

    _shorthand_property_identifier = _identifier

    def _member_expression(self, node: "Node", scope: Scope) -> None:
        self.program.scopes[node] = scope
        self._push(node.named_children, scope)

    _subscript_expression = _member_expression
    _new_expression = _member_expression

    def _call_expression(self, node: "Node", scope: Scope) -> None:
        self.program.scopes[node] = scope
        self.program.handed.update(arguments(node))
        self._push(node.named_children, scope)

    def _function(self, node: "Node", scope: Scope) -> None:
        name = node.child_by_field_name("name")
        inner = scope.within(of_function=True)
        if name is not None and node.type.endswith("_declaration"):
            scope.bind(text(name), Bound(node))
        elif name is not None and name.type == "identifier":
            inner.bind(text(name), Bound(node))
        for field_name in ("parameter", "parameters"):
            given = node.child_by_field_name(field_name)
            if given is not None:
                self._declare(given, Bound(), inner, inner)
        body = node.child_by_field_name("body")
        if body is not None:
            self._push([body] if body.type != "statement_block" else body.named_children, inner)

    def _class_declaration(self, node: "Node", scope: Scope) -> None:
        name = node.child_by_field_name("name")
        if name is not None and node.type == "class_declaration":
            scope.bind(text(name), Bound())
        self._push((child for child in node.named_children if child != name), scope)

    _class = _class_declaration

    def _variable_declaration(self, node: "Node", scope: Scope) -> None:
        self.of_var.update(node.named_children)
        self._push(node.named_children, scope)

    def _variable_declarator(self, node: "Node", scope: Scope) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        where = scope.function() if node in self.of_var else scope
        if name is not None:
            self._declare(name, Bound(value), where, scope)
        self._push([value], scope)

    def _declare(self, pattern: "Node", to: Bound, where: Scope, scope: Scope) -> None:
        """Bind the names of a pattern, and go on with the defaults in it."""
        waiting = [(pattern, to)]
        while waiting:
            node, value = waiting.pop()
            match node.type:
                case "identifier" | "shorthand_property_identifier_pattern":
                    path = f".{text(node)}" if node.type.startswith("shorthand") else ""
                    where.bind(text(node), _reached(value, path))
                case "pair_pattern":
                    key, inside = node.child_by_field_name("key"), node.child_by_field_name("value")
                    if inside is not None:
                        waiting.append((inside, _reached(value, f".{constant(key) or text(key)}")))
                case "assignment_pattern" | "object_assignment_pattern":
                    left = node.child_by_field_name("left")
                    if left is not None:
                        waiting.append((left, value if "object" in node.type else Bound()))
                    self._push([node.child_by_field_name("right")], scope)
                case "object_pattern":
                    waiting += [(child, value) for child in node.named_children]
                case "array_pattern" | "rest_pattern" | "formal_parameters":
                    waiting += [(child, Bound()) for child in node.named_children]

    def _catch_clause(self, node: "Node", scope: Scope) -> None:
        inner = scope.within(of_function=False)
        given = node.child_by_field_name("parameter")
        if given is not None:
            self._declare(given, Bound(), inner, scope)
        self._push([node.child_by_field_name("body")], inner)

    def _for_in_statement(self, node: "Node", scope: Scope) -> None:
        inner = scope.within(of_function=False)
        left, kind = node.child_by_field_name("left"), node.child_by_field_name("kind")
        if left is not None and kind is not None:
            where = scope.function() if text(kind) == "var" else inner
            self._declare(left, Bound(), where, scope)
        elif left is not None:
            self.assignments.append((left, None, scope))
        self._push([node.child_by_field_name("right"), node.child_by_field_name("body")], inner)

    def _assignment_expression(self, node: "Node", scope: Scope) -> None:
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is not None:
            plain = node.type == "assignment_expression"
            self.assignments.append((left, right if plain else None, scope))
            if left.type == "member_expression":
                self.program.stored.append(left)
            self._push([left] if left.type not in _PATTERNS else [], scope)
        self._push([right], scope)

    _augmented_assignment_expression = _assignment_expression

    def assign(self, target: "Node", value: "Node | None", scope: Scope) -> None:
        """Note an assignment, when all declarations are known."""
        if target.type == "identifier":
            holder = scope.holder(text(target)) or self.program.top
            holder.bind(text(target), Bound(value))
        elif target.type == "object_pattern":
            inner = Scope()
            self._declare(target, Bound(value), inner, scope)
            for name, bound in inner.bound.items():
                for one in bound:
                    (scope.holder(name) or self.program.top).bind(name, one)

    def _import_statement(self, node: "Node", scope: Scope) -> None:
        self.program.imports.append(node)
        module = constant(node.child_by_field_name("source"))
        waiting = list(node.named_children)
        while waiting:
            part = waiting.pop()
            if part.type in {"import_clause", "named_imports", "namespace_import"}:
                waiting += part.named_children
            elif part.type == "identifier":
                scope.bind(text(part), Bound(module=module))
            elif part.type == "import_specifier":
                name, alias = part.child_by_field_name("name"), part.child_by_field_name("alias")
                scope.bind(text(alias or name), Bound(module=module, path=f".{text(name)}"))

    def _export_statement(self, node: "Node", scope: Scope) -> None:
        self.program.imports.append(node)
        self._push(node.named_children, scope)


def _reached(value: Bound, path: str) -> Bound:
    return Bound(value.value, value.path + path) if value.value is not None else Bound()


def arguments(call: "Node") -> "list[Node]":
    """What a call or `new` hands over."""
    given = call.child_by_field_name("arguments")
    return given.named_children if given is not None and given.type == "arguments" else []
