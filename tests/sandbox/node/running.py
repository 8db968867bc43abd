"""Short ways to run a piece of JavaScript."""

from textwrap import dedent

from cellblock_sandbox import Limits, Outcome, Sandbox

from tests.sandbox.running import run


def run_main(sandbox: Sandbox, body: str, limits: Limits | None = None) -> Outcome:
    """Run `body` as that of an async main; it stands from line 2 on."""
    return run(sandbox, "async function main() {\n" + dedent(body).strip() + "\n}", limits=limits)
