"""How large, how exact and how complete the outputs of a code node must be: the operator's choice."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .jsonvalue import MAX_DEPTH
from .kinds import OutputType


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRules:
    """The rules beside the declared types. The defaults are generous: an answer is bounded in bytes anyway.

    The limits on strings, numbers and depth hold for every value of an answer, declared or not; all else is
    for declared outputs only.
    """

    string_length: int = 16 * 1024 * 1024
    """Longest string, in characters."""
    number_max: int | None = None
    """Largest number, and below zero the smallest; None is no limit."""
    number_decimals: int | None = None
    """Most digits of a number after its decimal point; None is no limit."""
    depth: int = MAX_DEPTH + 1
    """Most objects within each other, the answer being the first. An array counts where it is in an array."""
    string_array_length: int = 1_000_000
    """Most elements of an array[string]; the next three are the same for the other arrays."""
    number_array_length: int = 1_000_000
    boolean_array_length: int = 1_000_000
    object_array_length: int = 1_000_000
    allow_undeclared: bool = False
    """Whether an output that is not declared may be returned, and is kept, where others are declared."""
    allow_missing: bool = False
    """Whether a declared output may be left out."""
    allow_null: bool = True
    """Whether a declared output, or a declared child of one, may be null."""
    null_elements: frozenset[OutputType] = frozenset(
        {OutputType.ARRAY_STRING, OutputType.ARRAY_BOOLEAN, OutputType.ARRAY_OBJECT}
    )
    """The declared arrays that may hold null."""
    bool_as_number: bool = False
    """Whether true and false may stand where a number is declared; they become 1 and 0."""

    def array_length(self, array: OutputType) -> int:
        """Most elements of an array of that type. Raises KeyError where the type is no array."""
        return {
            OutputType.ARRAY_STRING: self.string_array_length,
            OutputType.ARRAY_NUMBER: self.number_array_length,
            OutputType.ARRAY_BOOLEAN: self.boolean_array_length,
            OutputType.ARRAY_OBJECT: self.object_array_length,
        }[array]


OUTPUT_RULES: Final[Mapping[str, OutputRules]] = MappingProxyType(
    {
        "default": OutputRules(),
        "dify": OutputRules(
            string_length=400_000,
            number_max=9223372036854775807,
            number_decimals=20,
            depth=5,
            string_array_length=30,
            number_array_length=1000,
            object_array_length=30,  # Dify does not bound array[boolean]
            bool_as_number=True,
        ),
    }
)
"""The rules by name: our own, and those of a Dify installation whose settings were left alone."""
