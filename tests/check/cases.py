"""Pieces of code and what a check says of them, as files that any cell can be fed from."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One piece of code; each finding is line, column, kind, what, certain."""

    inputs: dict[str, Any]
    findings: list[list[Any]]
    code: str

    @property
    def surely_fails(self) -> bool:
        return any(certain for *_, certain in self.findings)


def read_cases(name: str) -> dict[str, Case]:
    sections = (FOLDER / name).read_text().split("\n=== ")[1:]
    return dict(_read(section) for section in sections)


def _read(section: str) -> tuple[str, Case]:
    head, code = section.split("\n--\n", 1)
    name, inputs, *findings = head.split("\n")
    return name, Case(json.loads(inputs), [json.loads(finding) for finding in findings], code)


PYTHON = read_cases("cases_python.txt")
JAVASCRIPT = read_cases("cases_javascript.txt")
SURE = (FOLDER / "sure_python.txt").read_text().splitlines()
"""Bodies of main in Python, one a line; each ends in a call that fails in every cell."""


def as_main(body: str) -> str:
    return f"def main():\n    {body}\n    return {{}}\n"
