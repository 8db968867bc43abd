"""Calls of the scripts through redis-py; the clients have a way of their own, in core.py."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.exceptions import NoScriptError

from .scripts import Script


class Step(NamedTuple):
    """A script and what it is called with."""

    script: Script
    keys: tuple[str, ...]
    args: tuple[str | int, ...]


def call(redis: "Redis", step: Step) -> list[Any]:
    """Run one script. Returns its words, the first of them as bytes; errors of redis-py pass through."""
    reply: object
    try:
        reply = redis.evalsha(step.script.sha, len(step.keys), *step.keys, *step.args)
    except NoScriptError as error:
        reply = error
    return _settle(redis, step, reply)


def call_all(redis: "Redis", steps: Sequence[Step]) -> list[list[Any]]:
    """Run scripts one after the other, in one round trip. Raises the first error, after all have run."""
    pipe = redis.pipeline(transaction=False)
    for step in steps:
        pipe.evalsha(step.script.sha, len(step.keys), *step.keys, *step.args)
    replies = pipe.execute(raise_on_error=False)
    return [_settle(redis, step, reply) for step, reply in zip(steps, replies, strict=True)]


def _settle(redis: "Redis", step: Step, reply: object) -> list[Any]:
    """Read a reply. Where the server does not have the script, send it the text."""
    if isinstance(reply, NoScriptError):
        reply = redis.eval(step.script.text, len(step.keys), *step.keys, *step.args)
    if isinstance(reply, Exception):
        raise reply
    word, *rest = cast("list[Any]", reply)
    return [word.encode() if isinstance(word, str) else word, *rest]  # a client may decode responses
