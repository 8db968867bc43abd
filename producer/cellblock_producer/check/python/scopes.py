"""Which names a Python program binds, where, and to what.

It walks with a stack of its own: trees may be deep.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Bound = ast.expr | ast.FunctionDef | ast.AsyncFunctionDef | str | None
"""What a name stands for: an expression, a function, a module's full name, or nobody knows."""

_CATCH_IMPORTS: Final = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(eq=False)
class Scope:
    """A module, function or class, and the names that it binds."""

    parent: "Scope | None" = None
    of_class: bool = False
    bound: dict[str, list[Bound]] = field(default_factory=dict)
    outer: "dict[str, Scope]" = field(default_factory=dict)  # where `global` and `nonlocal` point
    stars: list[str] = field(default_factory=list)  # modules imported with a star

    def bind(self, name: str, to: Bound) -> None:
        """Note that `name` is bound here, or where `global` says."""
        self.outer.get(name, self).bound.setdefault(name, []).append(to)

    def find(self, name: str) -> "list[Bound] | None":
        """All that `name` may stand for as seen from here; None where nothing binds it."""
        if name in self.bound:
            return self.bound[name]
        scope = self.outer.get(name, self.parent)
        while scope is not None:
            if name in scope.bound and not scope.of_class:
                return scope.bound[name]
            scope = scope.parent
        return None


@dataclass(frozen=True)
class Import:
    """One imported module."""

    node: ast.stmt | ast.alias
    module: str  # empty where it is relative
    local: str  # the name it is bound to
    caught: bool  # a handler stands by for its being missing


@dataclass
class Program:
    """A parsed module with its scopes."""

    tree: ast.Module
    top: Scope = field(default_factory=Scope)
    scopes: dict[ast.AST, Scope] = field(default_factory=dict)  # of every name, attribute and call
    bodies: dict[ast.AST, Scope] = field(default_factory=dict)  # the inner scope of functions
    imports: list[Import] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)  # names that are read somewhere
    arguments: set[ast.AST] = field(default_factory=set)  # expressions that are handed to a call
    misplaced: list[ast.stmt | ast.expr] = field(
        default_factory=list
    )  # return and the like, outside functions


def read(tree: ast.Module, *, as_main: bool) -> Program:
    """The program's names. `as_main`: its `__name__` is not "__main__"."""
    program = Program(tree)
    reader = _Reader(program, as_main)
    while reader.waiting:
        reader.step(*reader.waiting.pop())
    return program


class _Reader:
    def __init__(self, program: Program, as_main: bool) -> None:
        self.program = program
        self.as_main = as_main
        self.assigned: set[ast.AST] = set()  # targets whose value is known
        self.waiting: list[tuple[ast.AST, Scope, bool]] = [(program.tree, program.top, False)]

    def step(self, node: ast.AST, scope: Scope, caught: bool) -> None:
        special = getattr(self, f"_{type(node).__name__.lower()}", None)
        if special is not None:
            special(node, scope, caught)
        else:
            self._push(ast.iter_child_nodes(node), scope, caught)

    def _push(self, nodes: Iterator[ast.AST] | list[ast.AST], scope: Scope, caught: bool) -> None:
        self.waiting += [(node, scope, caught) for node in reversed(list(nodes))]  # in the source's order

    def _name(self, node: ast.Name, scope: Scope, _: bool) -> None:
        if isinstance(node.ctx, ast.Load):
            self.program.scopes[node] = scope
            self.program.loaded.add(node.id)
        elif node not in self.assigned:
            scope.bind(node.id, None)

    def _attribute(self, node: ast.Attribute, scope: Scope, caught: bool) -> None:
        self.program.scopes[node] = scope
        self._push([node.value], scope, caught)

    def _call(self, node: ast.Call, scope: Scope, caught: bool) -> None:
        self.program.scopes[node] = scope
        self.program.arguments.update(node.args, (keyword.value for keyword in node.keywords))
        self._push(ast.iter_child_nodes(node), scope, caught)

    def _return(
        self, node: ast.Return | ast.Yield | ast.YieldFrom | ast.Await, scope: Scope, caught: bool
    ) -> None:
        if scope is self.program.top or scope.of_class:
            self.program.misplaced.append(node)
        self._push(ast.iter_child_nodes(node), scope, caught)

    _yield = _yieldfrom = _await = _return

    def _subscript(self, node: ast.Subscript, scope: Scope, caught: bool) -> None:
        self.program.scopes[node] = scope
        self._push(ast.iter_child_nodes(node), scope, caught)

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope, caught: bool) -> None:
        scope.bind(node.name, node)
        self._push([*node.decorator_list], scope, caught)
        self._function(node, scope, caught, list(node.body))

    _asyncfunctiondef = _functiondef

    def _lambda(self, node: ast.Lambda, scope: Scope, caught: bool) -> None:
        self._function(node, scope, caught, [node.body])

    def _function(self, node: Function, scope: Scope, caught: bool, body: list[ast.AST]) -> None:
        given = node.args  # annotations are left out: what stands there is not called
        self._push([*given.defaults, *filter(None, given.kw_defaults)], scope, caught)
        inner = self.program.bodies[node] = Scope(scope)
        for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
            if one is not None:
                inner.bind(one.arg, None)
        self._push(body, inner, False)

    def _classdef(self, node: ast.ClassDef, scope: Scope, caught: bool) -> None:
        scope.bind(node.name, None)
        self._push([*node.decorator_list, *node.bases, *node.keywords], scope, caught)
        self._push(list(node.body), Scope(scope, of_class=True), caught)

    def _assign(self, node: ast.Assign, scope: Scope, caught: bool) -> None:
        for target in node.targets:
            self._bind(target, node.value, scope)
        self._push([*node.targets, node.value], scope, caught)

    def _annassign(self, node: ast.AnnAssign, scope: Scope, caught: bool) -> None:
        if node.value is not None:
            self._bind(node.target, node.value, scope)
            self._push([node.value], scope, caught)
        self._push([node.target], scope, caught)

    def _namedexpr(self, node: ast.NamedExpr, scope: Scope, caught: bool) -> None:
        self._bind(node.target, node.value, scope)
        self._push([node.target, node.value], scope, caught)

    def _withitem(self, node: ast.withitem, scope: Scope, caught: bool) -> None:
        if node.optional_vars is not None:
            self._bind(node.optional_vars, node.context_expr, scope)
        self._push(ast.iter_child_nodes(node), scope, caught)

    def _bind(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            self.assigned.add(target)
            scope.bind(target.id, value)
        elif (
            isinstance(target, ast.Tuple)
            and isinstance(value, ast.Tuple)
            and len(target.elts) == len(value.elts)
        ):
            for part, its in zip(target.elts, value.elts, strict=True):
                if isinstance(part, ast.Name):
                    self._bind(part, its, scope)

    def _excepthandler(self, node: ast.ExceptHandler, scope: Scope, caught: bool) -> None:
        if node.name:
            scope.bind(node.name, None)
        self._push(ast.iter_child_nodes(node), scope, caught)

    def _matchas(self, node: ast.MatchAs | ast.MatchStar, scope: Scope, caught: bool) -> None:
        if node.name:
            scope.bind(node.name, None)
        self._push(ast.iter_child_nodes(node), scope, caught)

    _matchstar = _matchas

    def _matchmapping(self, node: ast.MatchMapping, scope: Scope, caught: bool) -> None:
        if node.rest:
            scope.bind(node.rest, None)
        self._push(ast.iter_child_nodes(node), scope, caught)

    def _global(self, node: ast.Global, scope: Scope, _: bool) -> None:
        scope.outer.update(dict.fromkeys(node.names, self.program.top))

    def _nonlocal(self, node: ast.Nonlocal, scope: Scope, _: bool) -> None:
        scope.outer.update(dict.fromkeys(node.names, scope.parent or scope))

    def _import(self, node: ast.Import, scope: Scope, caught: bool) -> None:
        for alias in node.names:
            top = alias.name.split(".")[0]
            local, stands_for = (alias.asname, alias.name) if alias.asname else (top, top)
            scope.bind(local, stands_for)
            self.program.imports.append(Import(alias, alias.name, local, caught))

    def _importfrom(self, node: ast.ImportFrom, scope: Scope, caught: bool) -> None:
        module = "" if node.level else node.module or ""
        for alias in node.names:
            local = alias.asname or alias.name
            if alias.name == "*":
                scope.stars.append(module)
            else:
                scope.bind(local, f"{module}.{alias.name}" if module else None)
            self.program.imports.append(Import(node, module, local, caught))

    def _if(self, node: ast.If, scope: Scope, caught: bool) -> None:
        body = [] if self._never(node.test) else list(node.body)
        self._push([node.test, *body, *node.orelse], scope, caught)

    def _never(self, test: ast.expr) -> bool:
        """Whether it is false wherever code runs: a constant, TYPE_CHECKING, or a look for "__main__"."""
        if isinstance(test, ast.Constant):
            return not test.value
        if isinstance(test, ast.Name | ast.Attribute):
            return (test.id if isinstance(test, ast.Name) else test.attr) == "TYPE_CHECKING"
        return self.as_main and asks_for_main(test)

    def _try(self, node: ast.Try | ast.TryStar, scope: Scope, caught: bool) -> None:
        self._push(list(node.body), scope, caught or any(map(_catches_imports, node.handlers)))
        self._push([*node.handlers, *node.orelse, *node.finalbody], scope, caught)

    _trystar = _try


def asks_for_main(test: ast.expr) -> bool:
    """Whether it is `__name__ == "__main__"`."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = (test.left, test.comparators[0])
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides) and any(
        isinstance(side, ast.Constant) and side.value == "__main__" for side in sides
    )


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _CATCH_IMPORTS) for kind in kinds)
