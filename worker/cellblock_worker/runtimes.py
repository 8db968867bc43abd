"""The runtimes that this worker serves: from the operator's settings to the sandbox's Runtime."""

import json
from functools import cache
from pathlib import Path
from typing import Final, Self

from cellblock_producer.contract import Language
from cellblock_sandbox import Runtime, best_nodejs_runtime, python_runtime
from cellblock_sandbox.node import runtime as node
from cellblock_sandbox.python import runtime as python
from pydantic import BaseModel, ConfigDict, Field, model_validator

DEFAULTS: Final = tuple(language.value for language in Language)
"""The runtimes of jobs that name none: each bears the name of its language."""


class RuntimeSettings(BaseModel):
    """One runtime; jobs name it in `runtime`, or get it by their language where it bears its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language = Field(description="python3 or nodejs; by default what its name says.")
    interpreter: Path | None = Field(
        default=None, description="Node.js to use; by default the one that is installed beside us."
    )
    packages: Path | None = Field(
        default=None, description="Folder of `pip install --target` or `npm install --prefix`."
    )
    distributions: tuple[str, ...] = Field(
        default=(),
        description="Packages that are installed beside the worker to lend to Python code, each by name and "
        "those that it needs, too; nothing else of the worker's is seen.",
    )
    preload: tuple[str, ...] = Field(
        default=(), description="Modules to load once, ahead of all jobs, beside the usual ones."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.language is Language.PYTHON3 and self.interpreter is not None:
            raise ValueError("a Python runtime runs on the worker's own interpreter; leave `interpreter` out")
        if self.language is not Language.PYTHON3 and self.distributions:
            raise ValueError("`distributions` are Python's; use `packages`")
        return self


DATA_NAME: Final = "python3-data"
DATA: Final = RuntimeSettings(
    language=Language.PYTHON3,
    distributions=("numpy", "pandas", "python-dateutil", "six"),
    preload=("numpy", "numpy.random", "pandas"),
)
"""For code that computes with numpy and pandas, which the worker's extra `data` brings."""


def read_runtimes(given: object) -> object:
    """The runtimes of a setting: JSON, or @FILE with JSON; raises ValueError where one has no language."""
    if isinstance(given, str):
        given = json.loads(_content(given[1:]) if given.startswith("@") else given)
    if not isinstance(given, dict) or not given:
        raise ValueError('an object of runtimes is wanted, such as {"python3": {}, "nodejs": {}}')
    return {name: _named(name, runtime) for name, runtime in given.items()}


def _content(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(str(error)) from error


def _named(name: str, runtime: object) -> object:
    """The same with its language."""
    if isinstance(runtime, RuntimeSettings):
        runtime = runtime.model_dump()
    if not isinstance(runtime, dict):
        raise ValueError(f"runtime {name}: an object is wanted, such as {{}}")  # noqa: TRY004 - pydantic's contract
    by_name = name if name in DEFAULTS else None
    language = runtime.get("language") or by_name
    if language is None:
        raise ValueError(f"runtime {name}: say its language, {' or '.join(DEFAULTS)}")
    if by_name and language != by_name:
        raise ValueError(f"runtime {name} is the default of its language and cannot be one of {language}")
    return {**runtime, "language": language}


@cache  # looking for a runtime's files takes time and memory: once, before the pool processes are forked
def build(name: str, settings: RuntimeSettings) -> Runtime:
    """The Runtime; raises SandboxUnavailable where a part of it is missing."""
    if settings.language is Language.NODEJS:
        preload = (*node.PRELOAD, *settings.preload)
        interpreter, packages = settings.interpreter, settings.packages
        return best_nodejs_runtime(name, interpreter=interpreter, packages=packages, preload=preload)
    distributions = (*python.DISTRIBUTIONS, *settings.distributions)
    preload = (*python.PRELOAD, *settings.preload)
    return python_runtime(name, distributions=distributions, packages=settings.packages, preload=preload)
