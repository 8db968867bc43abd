"""The check of a Python program."""

import ast
import symtable
import threading
import warnings
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Final

from .. import words
from ..finding import Finding, FindingKind
from .calls import CALLS, Refusal
from .names import Resolver, imported
from .scopes import Program, read
from .signature import look_at_main
from .spot import Spot
from .sure import Sure, surely_called
from .table import AWAITED, COROUTINES, PERHAPS, PURPOSES, STANDARD, SURELY

_NODE: Final = "node.py"
_ENDS: Final = {"sys.exit", "os._exit", "builtins.exit", "builtins.quit", "os.abort"}
_ASKS: Final = {"builtins.input", "getpass.getpass", "builtins.breakpoint", "pdb.set_trace"}
_ASKED: Final = {"sys.stdin", "sys.breakpointhook"}
_LOOKS: Final = {"builtins.isinstance", "builtins.issubclass", "builtins.hasattr", "builtins.type"}
_PARSING: Final = threading.Lock()


def check_python(
    code: str, *, as_main: bool, inputs: Collection[str] | None, packages: Collection[str]
) -> Iterator[Finding]:
    """Findings in the order in which they are met. `packages`: what a runtime has beside the library."""
    tree = _parsed(code)
    if isinstance(tree, Finding):
        yield tree
        return
    lines = _lines(code)
    program = read(tree, as_main=as_main)
    spots = _Look(program, as_main, packages).spots()
    if as_main:
        spots += look_at_main(program, inputs)
    for spot in spots:
        yield spot.told(lines)


def _lines(code: str) -> list[str]:
    return code.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _parsed(code: str) -> ast.Module | Finding:
    # Filters of warnings are the process's own; parsing warns of odd escapes.
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(code, _NODE)
            symtable.symtable(code, _NODE, "exec")  # finds what the grammar alone allows
        except SyntaxError as error:
            return _syntax_error(error.msg, error.lineno, error.offset)
        except (ValueError, OverflowError) as error:
            return _syntax_error(str(error), 1, 1)
        except (RecursionError, MemoryError):
            return _syntax_error(words.TOO_DEEP, 1, 1)
    return tree


def _syntax_error(message: str, line: int | None, column: int | None) -> Finding:
    return Finding(
        kind=FindingKind.SYNTAX_ERROR,
        what="syntax",
        line=max(line or 1, 1),
        column=max(column or 1, 1),
        message=message,
        certain=True,
    )


class _Look:
    def __init__(self, program: Program, as_main: bool, packages: Collection[str]) -> None:
        self.program = program
        self.as_main = as_main
        self.packages = packages
        self.resolver = Resolver(program)
        self.replaced = self._replaced()
        self.looked_at: set[ast.AST] = set()  # arguments that are not called, such as isinstance's

    @cached_property
    def sure(self) -> Sure:
        """Asked for rarely, and costs a walk of its own."""
        return surely_called(self.resolver, as_main=self.as_main)

    def spots(self) -> list[Spot]:
        found = [
            Spot(FindingKind.SYNTAX_ERROR, "syntax", node, _outside(node), certain=True)
            for node in self.program.misplaced
        ]
        for node in self.program.scopes:
            if isinstance(node, ast.Call):
                found += self._at_call(node)
        for node in self.program.arguments - self.looked_at:
            if isinstance(node, ast.Name | ast.Attribute):
                found += self._at_argument(node)
        found += self._at_imports()
        return found

    def _replaced(self) -> set[str]:
        """Names that the code itself puts something else in place of."""
        return {
            name
            for node in self.program.scopes
            if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
            for name in self.resolver.names(node).names
        }

    def _at_call(self, call: ast.Call) -> Iterator[Spot]:
        names = self.resolver.names(call.func)
        if set(names.names) & _LOOKS:
            self.looked_at.update(call.args)
        module = imported(names, call, self.resolver)
        if module is not None and not self._has(module):
            yield self._missing(call, module)
        for name in names.names:
            refusal = self._refusal(name, call)
            if refusal is not None:
                sure = refusal.sure and self._surely(name, call)
                message = words.refused(refusal.does, _shown(name))
                yield Spot(FindingKind.REFUSED, _shown(name), call, message, sure)
            elif name in _ENDS:
                yield Spot(FindingKind.ADVICE, _shown(name), call, f"{words.ENDS} ({_shown(name)})")
            elif name in _ASKS:
                message = f"asks a person ({_shown(name)}), and nobody is there to answer"
                yield Spot(FindingKind.REFUSED, _shown(name), call, message, self._surely(name, call))

    def _refusal(self, name: str, call: ast.Call) -> Refusal | None:
        if name in CALLS:
            return CALLS[name](call, self.resolver)
        if name in SURELY:
            return Refusal(SURELY[name], sure=True)
        if name in AWAITED:
            return Refusal(AWAITED[name], sure=True)
        return Refusal(PERHAPS[name]) if name in PERHAPS else None

    def _surely(self, name: str, call: ast.Call) -> bool:
        if self.resolver.names(call.func).only != name or self.replaced & {name, *_ASKED}:
            return False
        return call in (self.sure.awaited & self.sure.calls if name in COROUTINES else self.sure.calls)

    def _at_argument(self, node: ast.Name | ast.Attribute) -> Iterator[Spot]:
        """A function that is handed on, such as the target of a thread."""
        for name in self.resolver.names(node).names:
            does = SURELY.get(name) or PERHAPS.get(name)
            if name == "builtins.open":
                does = words.READ
            if does is not None:
                yield Spot(FindingKind.REFUSED, _shown(name), node, words.refused(does, _shown(name)))

    def _at_imports(self) -> Iterator[Spot]:
        for one in self.program.imports:
            if not one.module:
                message = "imports from a package of its own, and a code node is one file"
                yield Spot(FindingKind.REFUSED, "import", one.node, message)
            elif not self._has(one.module):
                yield self._missing(one.node, one.module, caught=one.caught)
            elif one.module.split(".")[0] == "ctypes":
                message = "imports ctypes: it works, and what it calls is refused as everything else is"
                yield Spot(FindingKind.ADVICE, "ctypes", one.node, message)
            elif one.module in PURPOSES and one.local not in self.program.loaded and one.local != "*":
                message = words.merely_imported(one.module, PURPOSES[one.module])
                yield Spot(FindingKind.ADVICE, one.module, one.node, message)

    def _has(self, module: str) -> bool:
        top = module.split(".")[0]
        return top in STANDARD or top in self.packages or top in {"node", "__main__"}

    def _missing(self, node: ast.expr | ast.stmt | ast.alias, module: str, *, caught: bool = False) -> Spot:
        top = module.split(".")[0]
        kind = FindingKind.ADVICE if caught else FindingKind.REFUSED
        return Spot(kind, top, node, words.no_module(top, "ModuleNotFoundError"))


def _outside(node: ast.stmt | ast.expr) -> str:
    return f"'{type(node).__name__.lower().removesuffix('from')}' outside function"


def _shown(name: str) -> str:
    return name.removeprefix("builtins.").replace("asyncio.Loop()", "loop")
