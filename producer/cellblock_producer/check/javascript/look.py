"""The check of a JavaScript program."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from .. import words
from ..finding import Finding, FindingKind
from .calls import Fails, Refusal, called, of_module, refusal_of
from .names import Resolver, module_name
from .scopes import Program, read
from .sure import Sure, surely_called
from .table import ENDS, MODULES, PERHAPS, PREFIXED, STANDARD, SURELY
from .tree import constant, first_error, parse

if TYPE_CHECKING:
    from tree_sitter import Node

_CALLS: Final = {"call_expression", "new_expression"}


def check_javascript(code: str, *, as_main: bool, packages: Collection[str]) -> Iterator[Finding]:
    """Findings in the order in which they are met. Raises CheckUnavailable without tree-sitter."""
    program = read(parse(code))
    lines = code.encode().split(b"\n")
    for spot in _Look(program, as_main, packages).spots():
        yield spot.told(lines)


@dataclass(frozen=True)
class _Spot:
    """A finding before its place is worked out; no node is the program as a whole."""

    kind: FindingKind
    what: str
    node: "Node | None"
    message: str
    certain: bool = False

    def told(self, lines: list[bytes]) -> Finding:
        row, column = self.node.start_point if self.node is not None else (0, 0)
        before = lines[row][:column] if row < len(lines) else b""
        return Finding(
            kind=self.kind,
            what=self.what,
            line=row + 1,
            column=len(before.decode(errors="replace")) + 1,
            message=self.message,
            certain=self.certain,
        )


class _Look:
    def __init__(self, program: Program, as_main: bool, packages: Collection[str]) -> None:
        self.program = program
        self.as_main = as_main
        self.packages = packages
        self.resolver = Resolver(program)
        self.replaced = {name for node in program.stored for name in self.resolver.names(node).names}

    @cached_property
    def sure(self) -> Sure:
        """Asked for rarely, and costs a walk of its own."""
        return surely_called(self.resolver, as_main=self.as_main)

    def spots(self) -> "Iterator[_Spot]":
        error = first_error(self.program.root)
        if error is not None:
            yield _Spot(FindingKind.SYNTAX_ERROR, "syntax", error, "the code cannot be parsed here")
        elif self.as_main and "main" not in self.program.top.bound:
            yield self._no_main()
        for node in self.program.scopes:
            if node.type in _CALLS:
                yield from self._at_call(node)
            elif node in self.program.handed:
                yield from self._at_argument(node)
        for node in self.program.imports:
            yield from self._at_import(node)

    def _no_main(self) -> _Spot:
        if any(name.split(".")[0] in {"module", "exports", "main"} for name in self.replaced):
            message = "exports instead of defining a function main, which is what is called"
            return _Spot(FindingKind.ADVICE, "main", None, message)
        message = "the code defines no function main"
        return _Spot(FindingKind.NO_MAIN, "main", None, message, certain=not self.program.imports)

    def _at_call(self, call: "Node") -> "Iterator[_Spot]":
        module = self.resolver.module(call)
        if module is not None:
            yield from self._at_module(call, module)
            return
        names = self.resolver.names(called(call))
        for name in names.names:
            refusal = refusal_of(name, call, self.resolver)
            if refusal is not None:
                certain = names.only == name and name not in self.replaced and self._surely(refusal, call)
                message = words.refused(refusal.does, name)
                yield _Spot(FindingKind.REFUSED, name, call, message, certain)
            elif name in ENDS:
                yield _Spot(FindingKind.ADVICE, name, call, f"{words.ENDS} ({name})")

    def _surely(self, refusal: Refusal, call: "Node") -> bool:
        if refusal.fails is Fails.NEVER or call not in self.sure.calls:
            return False
        return refusal.fails is Fails.AT_ONCE or call in self.sure.awaited

    def _at_argument(self, node: "Node") -> "Iterator[_Spot]":
        """A function that is handed on, such as to `map` or `promisify`."""
        for name in self.resolver.names(node).names:
            does = SURELY.get(name) or PERHAPS.get(name) or (words.CONNECT if name == "fetch" else None)
            does = does or of_module(name)
            if does is not None:
                yield _Spot(FindingKind.REFUSED, name, node, words.refused(does, name))

    def _at_import(self, node: "Node") -> "Iterator[_Spot]":
        module = constant(node.child_by_field_name("source"))
        if node.type == "import_statement":
            message = "a code node is a script, not a module: use require or await import()"
            yield _Spot(FindingKind.SYNTAX_ERROR, "import", node, message)
        else:
            message = "a code node is a script, not a module: leave export out"
            yield _Spot(FindingKind.SYNTAX_ERROR, "export", node, message)
        if module is not None:
            yield from self._at_module(node, module)

    def _at_module(self, node: "Node", module: str) -> "Iterator[_Spot]":
        name = module_name(module)
        if module.startswith((".", "/", "file:")):
            message = f"imports a file of its own ({module}), and a code node is one file"
            yield _Spot(FindingKind.REFUSED, module, node, message)
        elif not self._has(module):
            package = "/".join(module.split("/")[: 2 if module.startswith("@") else 1])
            yield _Spot(FindingKind.REFUSED, package, node, words.no_module(package, "Error"))
        elif name in MODULES and name not in self.used:
            yield _Spot(FindingKind.ADVICE, name, node, words.merely_imported(name, MODULES[name]))

    def _has(self, module: str) -> bool:
        if module.startswith("node:"):
            return module.removeprefix("node:") in STANDARD | PREFIXED
        if module in STANDARD:
            return True
        parts = module.split("/")
        return parts[0] in self.packages or "/".join(parts[:2]) in self.packages

    @cached_property
    def used(self) -> set[str]:
        """Modules of which some member is read."""
        names = (self.resolver.names(node).names for node in self.program.scopes)
        used = {name.partition(".")[0] for found in names for name in found if "." in name}
        return used | {"fs"} if "fs/promises" in used else used
