"""`cellblock jobs`: what waits, what is in hand, and what took its workers down."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from cellblock_producer.keys import JobName
from cellblock_producer.ledger import Ledger
from cellblock_producer.listing import Listed, list_dead, list_queue

from cellblock_worker.cli.exits import USAGE, leave, read_settings
from cellblock_worker.cli.listing import JsonOption, LimitOption, print_json, print_table, tell_each
from cellblock_worker.cli.options import QueueOption, RedisOption
from cellblock_worker.cli.server import age, reach

app = typer.Typer(help="Look at the queue; retry or drop the jobs that took their workers down.")

_WHOLE = 50  # names up to here, as usual ones are, stay on one line to be copied, whatever else is folded

NamesArgument = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="ID, or TENANT:ID, of dead jobs.", show_default=False)
]


@app.callback(invoke_without_command=True)
def jobs(
    context: typer.Context,
    dead: Annotated[bool, typer.Option("--dead", help="The jobs that took their workers down.")] = False,
    json: JsonOption = False,
    limit: LimitOption = 100,
    redis: RedisOption = None,
    queue: QueueOption = None,
) -> None:
    """List the jobs that are in hand and that wait, or with --dead those that were given up as `worker_lost`.

    Code and inputs are not shown. Exit code 3: Redis cannot be reached.
    """
    if context.invoked_subcommand is not None:
        return
    settings = read_settings(redis_url=redis, queue=queue)
    with reach(settings.redis_url) as client:
        listed = (list_dead if dead else list_queue)(client, settings.queue, limit)
        now = client.time()
    if json:
        print_json(listed)
    else:
        _show(listed, now_ms=int(now[0]) * 1000)


@app.command()
def retry(names: NamesArgument, redis: RedisOption = None) -> None:
    """Start dead jobs anew: their Result `worker_lost` goes, and their attempts are counted from 0.

    Exit code 1: one of them is not kept.
    """
    _each(names, redis, Ledger.retry, "is on the queue again")


@app.command()
def drop(names: NamesArgument, redis: RedisOption = None) -> None:
    """Keep dead jobs no longer; their Result stays as long as any. Exit code 1: one of them is not kept."""
    _each(names, redis, Ledger.drop, "is not kept any more")


def _each(names: Sequence[str], redis: str | None, do: Callable[[Ledger, JobName], bool], done: str) -> None:
    settings = read_settings(redis_url=redis)
    try:
        parsed = [JobName.from_task_id(name) for name in names]
    except ValueError as error:
        leave(USAGE, str(error))
    with reach(settings.redis_url) as client:
        ledger = Ledger(client, ttl_s=settings.result_ttl_s)
        outcomes = ((str(name), do(ledger, name)) for name in parsed)
        tell_each(outcomes, done, "not among the dead jobs")


def _show(listed: Sequence[Listed], now_ms: int) -> None:
    copied = all(len(each.name) < _WHOLE for each in listed)
    rows = [
        (
            each.name,
            each.place,
            age(now_ms - each.since_ms),
            f"{-(-each.bytes // 1024):,}",
            str(each.attempts),
            str(each.lost),
            each.holder,
        )
        for each in listed
    ]
    columns = ("job", "place", "for", "KiB", "attempts", "lost", "holder")
    print_table(columns, rows, whole="job" if copied else "")
