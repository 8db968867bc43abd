"""Runs one piece of untrusted code in a fresh process that the kernel confines.

from cellblock_sandbox import Program, Sandbox

with Sandbox() as sandbox:
    outcome = sandbox.run(Program(code="def main(a): return {'b': a + 1}"), {"a": 1})
    print(outcome.verdict, outcome.outputs)
"""

from cellblock_sandbox.errors import CellLost, SandboxClosed, SandboxError, SandboxUnavailable
from cellblock_sandbox.launch.plan import Layer
from cellblock_sandbox.model import Fault, Limits, Mode, Outcome, Program, Usage, Verdict
from cellblock_sandbox.node.runtime import nodejs_runtime
from cellblock_sandbox.node.trial import best_nodejs_runtime
from cellblock_sandbox.python.runtime import python_runtime
from cellblock_sandbox.runtime import Runtime
from cellblock_sandbox.sandbox import Sandbox
from cellblock_sandbox.tally import Tally

__all__ = [
    "CellLost",
    "Fault",
    "Layer",
    "Limits",
    "Mode",
    "Outcome",
    "Program",
    "Runtime",
    "Sandbox",
    "SandboxClosed",
    "SandboxError",
    "SandboxUnavailable",
    "Tally",
    "Usage",
    "Verdict",
    "best_nodejs_runtime",
    "nodejs_runtime",
    "python_runtime",
]
