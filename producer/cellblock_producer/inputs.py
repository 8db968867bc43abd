"""Checks the inputs of a job against what the engine has declared of them, before anything is sent.

A job carries no types of its inputs: they are the engine's, who has them at hand, and a worker could find
nothing that the engine could not have found before.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from .errors import InvalidJob
from .job import list_problems
from .outputs import find_problem
from .rules import OUTPUT_RULES, OutputRules
from .spec import OutputSpec

_SPECS = TypeAdapter(dict[str, OutputSpec])


def check_inputs(
    declared: Mapping[str, OutputSpec | Mapping[str, Any]],
    inputs: Mapping[str, object],
    rules: OutputRules = OUTPUT_RULES["default"],
) -> None:
    """Check `inputs` as declared outputs are checked: types, missing, undeclared, children, and limits.

    Where nothing is declared, only limits are checked. Raises InvalidJob with the first problem, which names
    the variable and both types, and never the value. Also raises it for what is no declaration: `declared`
    has an OutputSpec for each name, or the mapping of one, as a job's `outputs` have.
    """
    try:
        specs = _SPECS.validate_python(declared)
    except ValidationError as error:
        raise InvalidJob([f"declared: {problem}" for problem in list_problems(error)]) from None
    problem = find_problem(specs, inputs, rules)
    if problem is not None:
        path, message = problem
        raise InvalidJob([f"inputs: input '{path}' {message}"])
