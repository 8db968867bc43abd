"""The outbox of a queue: Results that are still to be sent to where a job's `reply` says.

    submit, begin: `reply_to` in the record ──finish──> outbox ──claim──> (sent) ──forget, push──> (nothing)
                                                        ^    │                  └──put off──┐
                                                        │    └── the claim ends ────────────┤
                                                        └───────────────────────────────────┘
                                                   given up: undelivered, for the operator

An entry is made in the step that writes the Result, so that no crash lies between the two, and leaves only
when it was sent, given up or forgotten: at least once. Entries are named `msg_…`, the same at each try.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from redis import Redis

from .calls import Step, call
from .jobparts import Reply
from .keys import OUTBOX, UNDELIVERED, JobName, outgoing_key
from .scripts import CLAIM_REPLIES, FORGET_REPLY, PUSH_REPLY, PUT_OFF_REPLY, RESEND_REPLY

NO_REPLY = "-"
"""What a record or a finish says where nothing is to be sent, whatever the record says."""

_REPLY: TypeAdapter[Reply] = TypeAdapter(Reply)


def reply_to(queue: str, reply: Reply | None) -> str:
    """Return what a record holds of a job's `reply`, and whose workers send it; "" where there is none."""
    if reply is None:
        return ""
    return f"{queue}\n{json.dumps(reply.model_dump(mode='json'), separators=(',', ':'))}"


def read_reply(said: object) -> Reply | None:
    """Return the `reply` of what may be no job otherwise; None where it has none that can be read."""
    given = said.get("reply") if isinstance(said, dict) else None
    try:
        return None if given is None else _REPLY.validate_python(given)
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A Result to be sent."""

    id: str
    name: JobName
    reply: Reply
    result: bytes = field(repr=False)
    """The Result as JSON, as it is stored."""
    tries: int
    """How many times it was tried, this one included."""
    age_ms: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What was due, and when there will be more."""

    entries: tuple[Outgoing, ...]
    next_ms: int | None
    """Milliseconds until more is due, as far as is known now; None: nothing is to come."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """An entry as an operator sees it; never the Result, and no path of a URL."""

    id: str
    name: str
    kind: str
    given_up: bool
    tries: int
    since_ms: int
    """Unix time in milliseconds, by the server's clock: when the Result was written."""
    why: str
    """Why the last try failed."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """A hand on the outbox of one queue. Errors of redis-py pass through."""

    redis: "Redis"
    queue: str

    @property
    def channel(self) -> str:
        """Where a word comes when there is something to send; it may get lost."""
        return self.queue + OUTBOX

    def claim(self, most: int, hold_ms: int) -> Claim:
        """Take what is due. It is due again after `hold_ms`, unless it is dealt with by then.

        What cannot be read is given up.
        """
        _, next_ms, *found = self._call(CLAIM_REPLIES, (), most, hold_ms)
        entries = []
        for words in found:
            try:
                entries.append(_read_entry(words))
            except ValueError:  # of a version to come, say; the others must not wait for it
                self.give_up(words[0].decode(), "it cannot be read")
        return Claim(tuple(entries), None if next_ms < 0 else int(next_ms))

    def forget(self, entry_id: str) -> bool:
        """Take an entry out: it was sent, or the operator does not want it. False: it is not there."""
        return bool(self._call(FORGET_REPLY, (), entry_id)[0] == b"forgotten")

    def push(self, entry_id: str, queue: str, message: str) -> None:
        """Put an entry on a Celery queue, as `message`, and take it out, in one step."""
        self._call(PUSH_REPLY, (queue,), entry_id, message)

    def put_off(self, entry_id: str, delay_ms: int, why: str) -> None:
        """Have an entry tried again after `delay_ms`."""
        self._call(PUT_OFF_REPLY, (), entry_id, delay_ms, why)

    def give_up(self, entry_id: str, why: str) -> None:
        """Keep an entry for the operator, and try it no more."""
        self._call(PUT_OFF_REPLY, (), entry_id, -1, why)

    def resend(self, entry_id: str) -> bool:
        """Try an entry anew that was given up. False: it is not kept."""
        return bool(self._call(RESEND_REPLY, (), entry_id)[0] == b"queued")

    def unsent(self, most: int) -> Iterator[Unsent]:
        """List what was given up and then what is still to be sent, the oldest first."""
        for key, given_up in ((self.queue + UNDELIVERED, True), (self.queue + OUTBOX, False)):
            found: Any = self.redis.zrange(key, 0, most - 1)
            for entry_id in found:
                words: Any = self.redis.hmget(
                    outgoing_key(entry_id.decode()), "name", "reply", "tries", "since_ms", "why"
                )
                if words[0] is not None:  # else it was sent meanwhile, or has expired
                    name, reply, tries, since_ms, why = (word.decode() if word else "" for word in words)
                    said: Any = json.loads(reply)
                    kind = str(said.get("kind"))
                    yield Unsent(entry_id.decode(), name, kind, given_up, int(tries), int(since_ms), why)

    def _call(self, script: Any, keys: tuple[str, ...], *args: str | int) -> list[Any]:  # noqa: ANN401
        return call(self.redis, Step(script, (self.queue, *keys), args))


def _read_entry(words: list[Any]) -> Outgoing:
    entry_id, name, reply, result, tries, age_ms = words
    return Outgoing(
        entry_id.decode(),
        JobName.parse(name.decode()),
        _REPLY.validate_json(reply),
        result,
        int(tries),
        int(age_ms),
    )
