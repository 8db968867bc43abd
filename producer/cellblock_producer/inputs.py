"""Checks the inputs of a job against what the engine has declared of them, before anything is sent.

A job carries no types of its inputs: they are the engine's, who has them at hand, and a worker could find
nothing that the engine could not have found before.
"""

from collections.abc import Mapping

from .errors import InvalidJob
from .outputs import find_problem
from .rules import OUTPUT_RULES, OutputRules
from .spec import OutputSpec


def check_inputs(
    declared: Mapping[str, OutputSpec],
    inputs: Mapping[str, object],
    rules: OutputRules = OUTPUT_RULES["default"],
) -> None:
    """Check `inputs` as declared outputs are checked: types, missing, undeclared, children, and limits.

    Where nothing is declared, only limits are checked. Raises InvalidJob with the first problem, which names
    the variable and both types, and never the value.
    """
    problem = find_problem(declared, inputs, rules)
    if problem is not None:
        path, message = problem
        raise InvalidJob([f"inputs: input '{path}' {message}"])
