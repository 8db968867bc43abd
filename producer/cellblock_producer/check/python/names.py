"""What an expression of a Python program stands for, by its full name: `s.run`, after
`import subprocess as s`, is `subprocess.run`; `Path("a") / "b"` is `pathlib.Path()`."""

import ast
from typing import Final

from ..full_names import DEPTH, Names
from .scopes import Bound, Program

_MOST: Final = 8  # things that one name may be bound to, as far as we look

_SAME: Final = {
    "io.open": "builtins.open",
    "posix": "os",
    "_socket": "socket",
    "pathlib.PosixPath": "pathlib.Path",
    "pathlib.Path.home": "pathlib.Path",
    "pathlib.Path.cwd": "pathlib.Path",
    "__builtins__": "builtins",
    "asyncio.subprocess.create_subprocess_exec": "asyncio.create_subprocess_exec",
    "asyncio.subprocess.create_subprocess_shell": "asyncio.create_subprocess_shell",
    "asyncio.get_event_loop()": "asyncio.Loop()",
    "asyncio.get_running_loop()": "asyncio.Loop()",
    "asyncio.new_event_loop()": "asyncio.Loop()",
    "multiprocessing.get_context()": "multiprocessing",
    "os.path.posixpath": "os.path",
}
_PATHS: Final = {
    f"pathlib.Path().{name}"
    for name in (
        *("parent", "joinpath()", "absolute()", "resolve()", "expanduser()"),
        *("with_name()", "with_suffix()", "with_stem()", "relative_to()"),
    )
}


def canonical(name: str) -> str:
    """The one name of what has several."""
    return "pathlib.Path()" if name in _PATHS else _SAME.get(name, name)


class Resolver:
    """Answers what expressions of one program stand for, each worked out once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._known: dict[ast.AST, Names] = {}

    def names(self, node: ast.expr, depth: int = 0) -> Names:
        """The names of `node`; none where it is not known."""
        if node not in self._known:
            if depth > DEPTH:
                return Names()
            self._known[node] = Names()  # a name that is bound to itself ends here
            self._known[node] = self._work_out(node, depth + 1)
        return self._known[node]

    def text(self, node: ast.expr | None, depth: int = 0) -> str | None:
        """The text that `node` is, where it is a constant or a name for one."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name) and depth < DEPTH:
            bound = self.bound(node)
            if len(bound) == 1 and isinstance(bound[0], ast.expr):
                return self.text(bound[0], depth + 1)
        return None

    def bound(self, node: ast.Name) -> list[Bound]:
        """All that a name is bound to in its scope; empty for a built-in one."""
        scope = self.program.scopes.get(node)
        return (scope.find(node.id) if scope else None) or []

    def _work_out(self, node: ast.expr, depth: int) -> Names:
        match node:
            case ast.Name():
                return self._of_name(node, depth)
            case ast.Attribute():
                return self.names(node.value, depth).then(f".{node.attr}", canonical)
            case ast.Call():
                return self._of_call(node, depth)
            case ast.Await() | ast.NamedExpr():
                return self.names(node.value, depth)
            case ast.BinOp(op=ast.Div()):
                return self._of_path(node, depth)
            case ast.Subscript() if self.names(node.value, depth).only == "sys.modules":
                module = self.text(node.slice)
                return Names((module,), sole=True) if module else Names()
            case _:
                return Names()

    def _of_name(self, node: ast.Name, depth: int) -> Names:
        scope = self.program.scopes.get(node)
        bound = scope.find(node.id) if scope else None
        if bound is None:
            return self._of_builtin(node.id)
        found = [self._of_bound(one, depth) for one in bound[:_MOST]]
        return Names.any_of(found, sole=len(bound) == 1)

    def _of_builtin(self, name: str) -> Names:
        starred = [canonical(f"{module}.{name}") for module in self.program.top.stars]
        return Names((canonical(f"builtins.{name}"), *starred[:_MOST]), sole=not starred)

    def _of_bound(self, bound: Bound, depth: int) -> Names:
        if isinstance(bound, str):
            return Names((canonical(bound),), sole=True)
        return self.names(bound, depth) if isinstance(bound, ast.expr) else Names()

    def _of_call(self, node: ast.Call, depth: int) -> Names:
        function = self.names(node.func, depth)
        text = self.text(node.args[-1]) if len(node.args) in {1, 2} else None
        if "builtins.getattr" in function.names and len(node.args) == 2 and text:
            return self.names(node.args[0], depth).then(f".{text}", canonical)
        module = imported(function, node, self)
        if module:
            return Names((module,), sole=True)
        return function.then("()", canonical)

    def _of_path(self, node: ast.BinOp, depth: int) -> Names:
        for side in (node.left, node.right):
            found = self.names(side, depth)
            if "pathlib.Path()" in found.names:
                return Names(("pathlib.Path()",), found.sole)
        return Names()


def imported(function: Names, node: ast.Call, resolver: Resolver) -> str | None:
    """The module that a call imports by its name, or None."""
    module = resolver.text(node.args[0]) if node.args else None
    if not module or module.startswith("."):
        return None
    if "importlib.import_module" in function.names:
        return canonical(module)
    return canonical(module.split(".")[0]) if "builtins.__import__" in function.names else None
