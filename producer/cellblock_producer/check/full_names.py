"""The full names that an expression may stand for, in either language."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

_MOST: Final = 8  # things that one name may stand for
_LENGTH: Final = 200  # characters of a name that anybody looks for

DEPTH: Final = 50
"""A longer chain of names stands for nobody knows what."""


@dataclass(frozen=True)
class Names:
    """Full names; `sole` where the expression stands for the one and for nothing else."""

    names: tuple[str, ...] = ()
    sole: bool = False

    @property
    def only(self) -> str | None:
        """The one name, where there is no doubt."""
        return self.names[0] if self.sole and len(self.names) == 1 else None

    def then(self, suffix: str, canonical: Callable[[str], str]) -> "Names":
        """The names of what is reached from these."""
        return Names(tuple(canonical(name + suffix) for name in self.names if len(name) < _LENGTH), self.sole)

    @classmethod
    def any_of(cls, found: Iterable[Self], *, sole: bool) -> "Names":
        """Those of several things that one name is bound to."""
        parts = list(found)
        names = tuple(dict.fromkeys(name for one in parts for name in one.names))[:_MOST]
        return Names(names, sole=sole and len(parts) == 1 and parts[0].sole)
