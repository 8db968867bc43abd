"""`cellblock replies`: Results that are still to be sent to where a job's `reply` says, or could not be."""

from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from cellblock_producer.outbox import Outbox, Unsent

from cellblock_worker.cli.exits import read_settings
from cellblock_worker.cli.listing import JsonOption, LimitOption, print_json, print_table, tell_each
from cellblock_worker.cli.options import QueueOption, RedisOption
from cellblock_worker.cli.server import age, reach

app = typer.Typer(help="Look at the replies that were not sent; send them again or drop them.")

IdsArgument = Annotated[
    list[str], typer.Argument(metavar="ID...", help="msg_..., as listed.", show_default=False)
]


@app.callback(invoke_without_command=True)
def replies(
    context: typer.Context,
    json: JsonOption = False,
    limit: LimitOption = 100,
    redis: RedisOption = None,
    queue: QueueOption = None,
) -> None:
    """List the replies that were given up, and those that are still to be sent.

    Neither Results nor URLs are shown. Exit code 3: Redis cannot be reached.
    """
    if context.invoked_subcommand is not None:
        return
    settings = read_settings(redis_url=redis, queue=queue)
    with reach(settings.redis_url) as client:
        unsent = list(Outbox(client, settings.queue).unsent(limit))
        now = client.time()
    if json:
        print_json(unsent)
    else:
        _show(unsent, now_ms=int(now[0]) * 1000)


@app.command()
def retry(ids: IdsArgument, redis: RedisOption = None, queue: QueueOption = None) -> None:
    """Send replies anew that were given up. Exit code 1: one of them is not kept."""
    _each(ids, redis, queue, Outbox.resend, "will be sent")


@app.command()
def drop(ids: IdsArgument, redis: RedisOption = None, queue: QueueOption = None) -> None:
    """Forget replies; the Results stay where they are. Exit code 1: one of them is not kept."""
    _each(ids, redis, queue, Outbox.forget, "is forgotten")


def _each(
    ids: Sequence[str],
    redis: str | None,
    queue: str | None,
    do: Callable[[Outbox, str], bool],
    done: str,
) -> None:
    settings = read_settings(redis_url=redis, queue=queue)
    with reach(settings.redis_url) as client:
        outbox = Outbox(client, settings.queue)
        outcomes = ((each, do(outbox, each)) for each in dict.fromkeys(ids))
        tell_each(outcomes, done, "no such reply is kept")


def _show(unsent: Sequence[Unsent], now_ms: int) -> None:
    rows = [
        (
            each.id,
            each.name,
            each.kind,
            "given up" if each.given_up else "to be sent",
            age(now_ms - each.since_ms),
            str(each.tries),
            each.why,
        )
        for each in unsent
    ]
    print_table(("id", "job", "by", "state", "for", "tries", "why not"), rows, whole="id")
