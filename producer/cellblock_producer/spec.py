"""The models of declared output variables."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from .kinds import OutputType

MAX_SPEC_DEPTH = 16
"""How deep declared children may be nested."""

VariableName = Annotated[str, Field(min_length=1, max_length=255)]

_PARENTS = frozenset({OutputType.OBJECT, OutputType.ARRAY_OBJECT})


class OutputSpec(BaseModel):
    """One declared output variable."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    type: OutputType = Field(description="The type that the value must have.")
    children: dict[VariableName, "OutputSpec"] | None = Field(
        default=None,
        max_length=200,
        description="The members of an object, or of each object of an array; None leaves them unchecked.",
    )

    @model_validator(mode="after")
    def _check_children(self) -> Self:
        if self.children is not None and self.type not in _PARENTS:
            raise PydanticCustomError("children", "only an object and an array[object] have children")
        if self.depth > MAX_SPEC_DEPTH:
            raise PydanticCustomError("depth", "children are nested too deeply")
        return self

    @property
    def depth(self) -> int:
        """Levels of nesting: 1 for a variable without children."""
        return 1 + max((child.depth for child in (self.children or {}).values()), default=0)


OutputSpecs = Annotated[dict[VariableName, OutputSpec], Field(max_length=200)]
"""The declared outputs of a job, by name."""
