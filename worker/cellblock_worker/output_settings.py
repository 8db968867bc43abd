"""The operator's settings of what outputs may be: a preset, and what differs from it."""

from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from cellblock_producer.contract import OUTPUT_RULES, OutputRules
from pydantic import BaseModel, ConfigDict, Field

# Each has a setting of its own; the rules beside these come from the preset alone.
_LIMITS: Final = (
    "string_length",
    "number_max",
    "number_decimals",
    "depth",
    "string_array_length",
    "number_array_length",
    "boolean_array_length",
    "object_array_length",
)


_Count = Annotated[int, Field(ge=0)]


class OutputSettings(BaseModel):
    """The part of the settings that `OutputRules` are made of. A limit of None is that of the preset."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    output_rules: Literal["default", "dify"] = Field(
        default="default",
        description="Preset of the rules for outputs: our generous ones, or those of Dify.",
    )
    output_undeclared: Literal["keep", "refuse"] | None = Field(
        default=None,
        description="What becomes of an output that is not declared where others are; both presets refuse.",
    )
    output_string_length: _Count | None = Field(
        default=None, description="Longest string of an output, in characters"
    )
    output_number_max: _Count | None = Field(
        default=None,
        description="Largest number of an output, and below zero the smallest",
    )
    output_number_decimals: _Count | None = Field(
        default=None, description="Most digits of a number after its decimal point"
    )
    output_depth: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Most objects within each other, the answer being the first",
    )
    output_string_array_length: _Count | None = Field(
        default=None, description="Most elements of an array[string]"
    )
    output_number_array_length: _Count | None = Field(
        default=None, description="Most elements of an array[number]"
    )
    output_boolean_array_length: _Count | None = Field(
        default=None, description="Most elements of an array[boolean]"
    )
    output_object_array_length: _Count | None = Field(
        default=None, description="Most elements of an array[object]"
    )

    @cached_property
    def rules(self) -> OutputRules:
        """The rules that these settings say."""
        given = {name: getattr(self, f"output_{name}") for name in _LIMITS}
        changes: dict[str, Any] = {name: limit for name, limit in given.items() if limit is not None}
        if self.output_undeclared is not None:
            changes["allow_undeclared"] = self.output_undeclared == "keep"
        return replace(OUTPUT_RULES[self.output_rules], **changes)
