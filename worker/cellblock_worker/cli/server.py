"""What the commands share that look at the queue: its server, and how long ago something was."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from cellblock_worker.cli.exits import NOT_AVAILABLE, leave
from cellblock_worker.ledger_link import connect


@contextmanager
def reach(url: str) -> "Iterator[redis.Redis]":
    """Yield a client of the server; leaves with `NOT_AVAILABLE` where it cannot be reached or refuses."""
    client = connect(url, patient=False)
    try:
        yield client
    except redis.RedisError as error:
        leave(NOT_AVAILABLE, f"Redis: {error}")
    finally:
        client.close()


def age(ms: int) -> str:
    """Say how long ago something was, for a column of a table."""
    seconds = max(0, ms) // 1000
    if seconds < 86_400:
        return time.strftime("%H:%M:%S", time.gmtime(seconds))
    return f"{seconds // 86_400} d"
