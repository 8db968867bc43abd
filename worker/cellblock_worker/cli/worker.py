"""`cellblock worker`: a production worker."""

from typing import Annotated

import typer

from cellblock_worker import slot
from cellblock_worker.cli.exits import read_settings
from cellblock_worker.cli.options import QueueOption, RedisOption
from cellblock_worker.execute import execute


def worker(
    redis: RedisOption = None,
    queue: QueueOption = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency", "-c", help="Pool processes, one job each at a time; the cores by default."
        ),
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="console or json.")] = None,
) -> None:
    """Take jobs from the queue until SIGTERM or Ctrl-C, which finishes those in hand.

    Every setting is also a CELLBLOCK_* environment variable. Exit code 3: the sandbox is not available here,
    and nothing was taken from the queue.
    """
    settings = read_settings(
        redis_url=redis, queue=queue, concurrency=concurrency, log_level=log_level, log_format=log_format
    )
    from cellblock_worker.app import start_worker  # Celery: half of the time that the other commands take

    exit_code = start_worker(
        settings,
        execute=execute,
        **slot.hooks(settings),
    )
    raise typer.Exit(exit_code)
