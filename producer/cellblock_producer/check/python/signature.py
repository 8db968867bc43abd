"""Whether a Python program has a main that the harness can call."""

import ast
from collections.abc import Collection, Iterator

from ..finding import FindingKind
from .scopes import Program
from .spot import Spot

_NO_MAIN = "the code defines no function main"


def look_at_main(program: Program, inputs: Collection[str] | None) -> Iterator[Spot]:
    """Findings about a main that is missing, or that cannot take `inputs` by name."""
    bound = program.top.find("main")
    if bound is None:
        if not program.top.stars:
            yield Spot(FindingKind.NO_MAIN, "main", None, _NO_MAIN, certain=True)
        return
    main = bound[0]
    if inputs is None or len(bound) != 1:
        return
    if isinstance(main, ast.Lambda) or (
        isinstance(main, ast.FunctionDef | ast.AsyncFunctionDef) and not main.decorator_list
    ):
        for message in _mismatches(main.args, inputs):
            yield Spot(FindingKind.NO_MAIN, "main", main, message, certain=True)


def _mismatches(given: ast.arguments, inputs: Collection[str]) -> Iterator[str]:
    positional = [*given.posonlyargs, *given.args]
    required = {one.arg for one in positional[: len(positional) - len(given.defaults)]}
    for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if default is None:
            required.add(one.arg)
    only_by_position = {one.arg for one in given.posonlyargs}
    by_name = {one.arg for one in (*given.args, *given.kwonlyargs)}
    for one in (*positional, *given.kwonlyargs):
        if one.arg in only_by_position and one.arg in required:
            yield f"main takes {one.arg!r} by position only, and inputs are given by name"
        elif one.arg in required and one.arg not in inputs:
            yield f"main needs an input {one.arg!r}, which is not given"
    for name in inputs:
        if name not in by_name | only_by_position and given.kwarg is None:
            yield f"main takes no input named {name!r}"
