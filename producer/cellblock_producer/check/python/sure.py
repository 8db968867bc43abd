"""Which calls of a Python program are made in every run that gets that far.

No branch, loop, handler or early return stands before them. All other findings are told as uncertain.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from .names import Resolver
from .scopes import asks_for_main

_BRANCHING: Final = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match),
    *(ast.With, ast.AsyncWith),
)
# What may change the meaning of names behind our back.
_MAGIC_NAMES: Final = {
    "exec",
    "eval",
    "compile",
    "globals",
    "vars",
    "setattr",
    "delattr",
    "__builtins__",
    "patch",
}
_MAGIC_ATTRIBUTES: Final = {
    "__dict__",
    "__globals__",
    "__code__",
    "__builtins__",
    "__setattr__",
    "modules",
    "mock",
    "patch",
}
# What may end a script with success.
_EXITS: Final = {"exit", "quit", "SystemExit", "_exit", "BaseException", "getattr"}


@dataclass
class Sure:
    """The calls that are surely made, and those of them whose coroutine is surely run."""

    calls: set[ast.AST] = field(default_factory=set)
    awaited: set[ast.AST] = field(default_factory=set)


def surely_called(resolver: Resolver, *, as_main: bool) -> Sure:
    """What is surely called by running the module, and then main if `as_main`."""
    program = resolver.program
    sure = Sure()
    if _is_magic(program.tree, program.loaded, as_main=as_main):
        return sure
    bodies: list[Iterable[ast.AST]] = [_straight(program.tree.body, as_main=as_main)]
    seen: set[ast.AST] = set()
    main = program.top.bound.get("main", [])
    if as_main and len(main) == 1:
        _enter(main[0], bodies, seen)
    while bodies:
        for expression in bodies.pop():
            for call in _calls(expression, sure, resolver):
                _follow(call, resolver, sure, bodies, seen)
    return sure


def _is_magic(tree: ast.AST, loaded: set[str], *, as_main: bool) -> bool:
    """Whether the code holds what makes its names stand for anything, or ends a script quietly."""
    exits = set() if as_main else _EXITS
    names, attributes = _MAGIC_NAMES | exits, _MAGIC_ATTRIBUTES | exits
    return bool(loaded & names) or any(
        (isinstance(node, ast.Attribute) and node.attr in attributes)
        or (isinstance(node, ast.alias) and node.name in names)
        for node in ast.walk(tree)
    )


def _enter(function: object, bodies: list[Iterable[ast.AST]], seen: set[ast.AST]) -> None:
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function in seen:
        return
    seen.add(function)
    if not function.decorator_list and not _yields(function):
        bodies.append(_straight(function.body, as_main=True))


def _follow(
    call: ast.Call, resolver: Resolver, sure: Sure, bodies: list[Iterable[ast.AST]], seen: set[ast.AST]
) -> None:
    bound = resolver.bound(call.func) if isinstance(call.func, ast.Name) else []
    if len(bound) != 1:
        return
    if isinstance(bound[0], ast.FunctionDef) or call in sure.awaited:
        _enter(bound[0], bodies, seen)


def _straight(body: list[ast.stmt], *, as_main: bool) -> Iterator[ast.AST]:
    """The expressions that a block evaluates whatever happens, unless it fails before."""
    waiting = list(reversed(body))
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, ast.ClassDef):
            yield from (*statement.decorator_list, *statement.bases)
            waiting += reversed(statement.body)
        elif isinstance(statement, ast.If) and not as_main and asks_for_main(statement.test):
            waiting += reversed(statement.body)
        elif isinstance(statement, _BRANCHING):
            yield from _heads(statement)
            if _returns(statement):
                return
        else:
            yield from _evaluated(statement)
            if isinstance(statement, ast.Return | ast.Raise):
                return


def _heads(statement: ast.stmt) -> list[ast.expr]:
    match statement:
        case ast.If() | ast.While():
            return [statement.test]
        case ast.For() | ast.AsyncFor():
            return [statement.iter]
        case ast.With() | ast.AsyncWith():
            return [statement.items[0].context_expr]
        case ast.Match():
            return [statement.subject]
    return []


def _evaluated(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        given = statement.args
        return [*statement.decorator_list, *given.defaults, *filter(None, given.kw_defaults)]
    if isinstance(statement, ast.AnnAssign):
        return [statement.value] if statement.value else []
    if isinstance(statement, ast.Assert):
        return [statement.test]
    return [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.expr)]


def _calls(expression: ast.AST, sure: Sure, resolver: Resolver) -> Iterator[ast.Call]:
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            sure.calls.add(node)
            if node.args and resolver.names(node.func).only == "asyncio.run":
                sure.awaited.add(node.args[0])
            yield node
        elif isinstance(node, ast.Await):
            sure.awaited.add(node.value)
        waiting += reversed(_parts(node))


def _parts(node: ast.AST) -> list[ast.AST]:
    """What is evaluated whenever `node` is."""
    match node:
        case ast.Lambda():
            return [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return [node.generators[0].iter]
        case ast.IfExp():
            return [node.test]
        case ast.BoolOp():
            return [node.values[0]]
        case ast.Compare():
            return [node.left, node.comparators[0]]
    return list(ast.iter_child_nodes(node))


def _inner(function: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a body but for those of functions within."""
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


def _yields(function: ast.AST) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _inner(function))


def _returns(statement: ast.AST) -> bool:
    return any(isinstance(node, ast.Return) for node in _inner(statement))
