"""Options that several commands have."""

from typing import Annotated

import typer

RedisOption = Annotated[
    str | None,
    typer.Option("--redis", metavar="URL", help="Redis of the queue; CELLBLOCK_REDIS_URL says it as well."),
]
QueueOption = Annotated[str | None, typer.Option("--queue", help="Name of the queue.")]
