"""What a client has to say and what it makes of the answers; no I/O, no threads, no locks.

    submit, watch, ...  -->  Call.command  -->  (link)  -->  Call.take(reply)  -->  Call.value | failure
                                                        -->  Core.pushed(frame)  -->  Slot.settle
    after a reconnect:  Core.recover() asks again for every outstanding job
    all the while:      Core.questions() asks for Results that are too large to come along with other answers,
                        and for jobs that have been outstanding for long: their push may have got lost

Both clients share it. `Core` and `Call.take` belong to the one thread (or task) that reads the connection;
building calls, and all of `Slot`, may be used from any thread.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Generic, Literal, Self, TypeVar, cast

from redis.exceptions import NoScriptError, ResponseError

from .errors import CellblockError, JobConflict, JobTooLarge, JobUnknown, QueueFull, Refused
from .job import Job
from .keys import JobName, message_key, record_key, reply_channel, result_key
from .lots import Written
from .outbox import reply_to
from .scripts import CANCEL, SUBMIT, SUBMIT_MANY, WATCH, Script
from .settle import settle_cancelled
from .slot import Slot
from .uuid7 import uuid7
from .wire import batch_message, batch_part, task_message

T = TypeVar("T")

ASK_S = 10.0
"""Seconds after which, or up to twice as many, a job that is outstanding is asked for."""
ASK_MOST = 100
"""How many of them at once; those that were asked for come last the next time."""
Command = tuple[str | int, ...]
Words = Sequence[bytes]
"""The reply of a script: a word that says what was found or done, then what belongs to it."""


class Cancellation(StrEnum):
    """What became of a wish to cancel."""

    CANCELLED = "cancelled"  # it has a Result of kind `cancelled` now, and what ran of it is being stopped
    FINISHED = "finished"  # it has its Result already


class Call(Generic[T]):
    """One command and, once it has been answered, what the answer means."""

    __slots__ = ("_read", "_text", "command", "failure", "value")

    value: T

    def __init__(self, command: Command, read: Callable[[Words], T], text: str = "") -> None:
        self.command = command
        self.failure: CellblockError | None = None
        self._read = read
        self._text = text

    @classmethod
    def of(cls, script: Script, keys: Sequence[str], args: Command, read: Callable[[Words], T]) -> Self:
        """Return the call of a script."""
        return cls(("EVALSHA", script.sha, len(keys), *keys, *args), read, script.text)

    def spell_out(self) -> None:
        """Send the script itself from now on, since the server does not have it."""
        self.command = ("EVAL", self._text, *self.command[2:])

    def take(self, reply: object) -> bool:
        """Read the reply. False when the call must be spelled out and sent again."""
        if isinstance(reply, NoScriptError):
            return False
        try:
            if isinstance(reply, ResponseError):
                raise Refused(str(reply))
            self.value = self._read(cast("Words", reply))
        except CellblockError as failure:
            self.failure = failure
        return True

    def get(self) -> T:
        """Return the answer. Raises what the answer meant instead."""
        if self.failure is not None:
            raise self.failure
        return self.value


class Core:
    """The outstanding jobs of one client."""

    def __init__(self, *, queue: str, ttl_s: int) -> None:
        if ttl_s < 1:
            raise ValueError("ttl_s must be at least 1")
        self.channel = reply_channel(uuid7())
        self._queue = queue
        self._ttl_s = ttl_s
        self._outstanding: dict[str, Slot] = {}
        self._stored: deque[Slot] = deque()
        """Jobs whose Results are there and have to be asked for one by one."""
        self._aging: list[Slot] = []
        """Jobs that were outstanding when it was last time to ask."""
        self._ask_at = 0.0

    @property
    def waits(self) -> bool:
        """Whether any job is outstanding."""
        return bool(self._outstanding)

    def submit(self, job: Job) -> Call[Slot]:
        """Return the call that puts a job on the queue, or finds it there."""
        name = job.name
        keys = (record_key(name), result_key(name), self._queue)
        text, digest = job.written()
        message = task_message(job, self._queue, text)
        to = reply_to(self._queue, job.reply)
        args = (digest, self.channel, self._ttl_s, message, name.tenant, job.priority, to)
        return Call.of(SUBMIT, keys, args, partial(self._register, name, job.labels))

    def submit_lot(self, lot: Sequence[Written]) -> Call[list[Slot]]:
        """Return the call that puts jobs on the queue in one message; see `lots`."""
        keys = [key for each in lot for key in (record_key(each.job.name), result_key(each.job.name))]
        parts = [part for each in lot for part in self._part(each)]
        message_id = uuid7()
        head, tail = batch_message([each.job for each in lot], self._queue, message_id)
        first = lot[0].job
        args: Command = (self.channel, self._ttl_s, first.tenant, first.priority, head, tail, *parts)
        named = [(each.job.name, each.job.labels) for each in lot]
        keys += (message_key(message_id), self._queue)
        return Call.of(SUBMIT_MANY, keys, args, partial(self._register_lot, named))

    def _part(self, each: Written) -> tuple[str, str, str]:
        return each.digest, batch_part(each.text), reply_to(self._queue, each.job.reply)

    def watch(self, name: JobName, labels: Mapping[str, str], *, large: bool = False) -> Call[Slot]:
        """Return the call that has the job's Result sent to this client, too; a large one if asked to."""
        keys = (record_key(name), result_key(name))
        args: Command = (self.channel, int(large))
        return Call.of(WATCH, keys, args, partial(self._register, name, labels))

    def look(self, name: JobName) -> Call[bytes | None]:
        """Return the call that asks for a Result and does not wait for it."""
        keys = (record_key(name), result_key(name))
        return Call.of(WATCH, keys, ("", 1), partial(_read_look, name))

    def cancel(self, slot: Slot) -> Call[Cancellation]:
        """Return the call that cancels a job. Raises why the slot has failed."""
        if slot.failure is not None:  # in a conflict, the name is that of somebody else's job
            raise slot.failure.with_traceback(None)
        name = slot.name
        keys = (record_key(name), result_key(name))
        args = (str(name), settle_cancelled(name, slot.labels).to_json(), self._ttl_s)
        return Call.of(CANCEL, keys, args, partial(_read_cancel, name))

    def ping(self) -> Call[None]:
        """Return the call that any living server answers."""
        return Call(("PING",), lambda _: None)

    def recover(self) -> Iterable[Call[Slot]]:
        """Return the calls to make on a new connection, so that no Result pushed meanwhile is missed."""
        return (self.watch(slot.name, slot.labels) for slot in list(self._outstanding.values()))

    def questions(self, now: float) -> list[Call[Slot]]:
        """Return the calls to make now, if any; `now` is by a clock of seconds.

        When they are answered, `recovered` takes them; only then is there a next question.
        """
        while self._stored:
            slot = self._stored.popleft()
            if not slot.done:
                return [self.watch(slot.name, slot.labels, large=True)]
        if now < self._ask_at:
            return []
        asked = [slot for slot in self._aging if not slot.done]
        for slot in asked:  # to the end of the line
            self._outstanding[str(slot.name)] = self._outstanding.pop(str(slot.name))
        self._aging, self._ask_at = list(islice(self._outstanding.values(), ASK_MOST)), now + ASK_S
        return [self.watch(slot.name, slot.labels) for slot in asked]

    def recovered(self, calls: Iterable[Call[Slot]]) -> None:
        """Give up the jobs that the server has forgotten meanwhile."""
        for call in calls:
            if isinstance(call.failure, JobUnknown):
                slot = self._outstanding.pop(str(call.failure.name), None)
                if slot is not None:
                    slot.fail(call.failure)

    def pushed(self, frame: Sequence[bytes]) -> None:
        """Take a pushed frame: `message`, the channel, and the name and Result of a job."""
        if frame[0] != b"message":
            return
        key, _, payload = frame[2].partition(b" ")
        slot = self._outstanding.pop(key.decode(errors="replace"), None)
        if slot is not None:
            slot.settle(payload)

    def abandon(self, failure: CellblockError) -> None:
        """Tell everyone who waits that nothing more will come."""
        while self._outstanding:
            self._outstanding.popitem()[1].fail(failure)

    def _register(self, name: JobName, labels: Mapping[str, str], words: Words) -> Slot:
        if words[0] == b"conflict":
            raise JobConflict(name)
        if words[0] == b"unknown":
            raise JobUnknown(name)
        _check_room(name.tenant, words)
        key = str(name)
        if words[0] == b"done":
            slot = self._outstanding.pop(key, None) or Slot(name, labels)
            slot.settle(words[1])
            return slot
        slot = self._outstanding.setdefault(key, Slot(name, labels))
        if words[0] == b"stored":
            self._stored.append(slot)
        return slot

    def _register_lot(
        self, named: Sequence[tuple[JobName, Mapping[str, str]]], answers: Sequence[Words]
    ) -> list[Slot]:
        _check_room(named[0][0].tenant, cast("Words", answers))
        slots = []
        for (name, labels), words in zip(named, answers, strict=True):
            try:
                slot = self._register(name, labels, words)
            except JobConflict as conflict:  # concerns this job alone
                slot = Slot(name, labels)
                slot.fail(conflict)
            slots.append(slot)
        return slots


def _check_room(tenant: str, words: Words) -> None:
    """Raise what the script said, where it found no room."""
    if words[0] == b"large":
        raise JobTooLarge(int(words[1]), int(words[2]))
    if words[0] == b"full":
        bound: Literal["tenant", "all"] = "tenant" if words[1] == b"tenant" else "all"
        measure: Literal["jobs", "bytes"] = "bytes" if words[2] == b"bytes" else "jobs"
        waiting, most, more, retry_after_s = map(int, words[3:])
        raise QueueFull(tenant, bound, measure, waiting, most, more, retry_after_s)


def _read_look(name: JobName, words: Words) -> bytes | None:
    if words[0] == b"unknown":
        raise JobUnknown(name)
    return words[1] if words[0] == b"done" else None


def _read_cancel(name: JobName, words: Words) -> Cancellation:
    if words[0] == b"unknown":
        raise JobUnknown(name)
    return Cancellation(words[0].decode())
