"""The command line: one small module for each command, and the exit codes that all of them share.

0  it went as it should      2  wrong usage: the message says what to correct
1  the code failed           3  it could not be run: no sandbox on this host, or no Redis
"""

import typer

from cellblock_worker.cli import bench, demo, doctor, jobs, run, submit, worker

app = typer.Typer(
    name="cellblock",
    help="Runs the code nodes of a workflow, each in a fresh confined process, on a Redis queue.",
    epilog="Settings come from CELLBLOCK_* environment variables; see README.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they show locals, and code and inputs among them
)
app.command(name="demo")(demo.demo)
app.command(name="worker")(worker.worker)
app.command(name="run")(run.run)
app.command(name="submit")(submit.submit)
app.add_typer(jobs.app, name="jobs")
app.command(name="doctor")(doctor.doctor)
app.command(name="bench")(bench.bench)


def main() -> None:
    """Run the command and end the process with its exit code."""
    app()
