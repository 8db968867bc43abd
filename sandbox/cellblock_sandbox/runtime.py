"""What the sandbox knows of a language: a runtime is data, and adding one touches only its own folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cellblock_sandbox.launch.plan import Tree
from cellblock_sandbox.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A language, its interpreter and what it may read; see the `runtime.py` of each language's folder."""

    name: str
    language: str
    argv: tuple[str, ...]  # starts the zygote; its control socket is descriptor 3
    interpreter: str  # the program that runs the code, which need not be the zygote's own
    environ: Mapping[str, str] = field(default_factory=dict)
    trees: tuple[Tree, ...]  # all that it may read, the interpreter included
    policy: Policy
    config: Mapping[str, object]  # for its zygote, beside what all zygotes are told
    probe: str  # a program that tries what must fail and what must not; see `selftest.py`
    note: str = ""  # what an operator should know of it, such as why it is slower than it could be
