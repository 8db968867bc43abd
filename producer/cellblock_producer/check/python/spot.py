"""A finding before its place is worked out."""

import ast
from dataclasses import dataclass

from ..finding import Finding, FindingKind


@dataclass(frozen=True)
class Spot:
    """A finding and the part of the tree that it is about; None is the program as a whole."""

    kind: FindingKind
    what: str
    node: ast.expr | ast.stmt | ast.alias | None
    message: str
    certain: bool = False

    def told(self, lines: list[str]) -> Finding:
        """The finding with its line and column; `lines` are those of the code."""
        line, column = (self.node.lineno, self.node.col_offset) if self.node is not None else (1, 0)
        text = lines[line - 1] if line <= len(lines) else ""
        before = text.encode(errors="surrogatepass")[:column].decode(errors="ignore")
        return Finding(
            kind=self.kind,
            what=self.what,
            line=line,
            column=len(before) + 1,
            message=self.message,
            certain=self.certain,
        )
