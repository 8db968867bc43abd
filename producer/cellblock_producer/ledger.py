"""The ledger of jobs in Redis, as the worker uses it: begin a job, finish it, first Result stands.

    state of a record:   (none) --submit--> queued --begin--> running --finish--> done
                                               \\--cancel--------------------------^

The client's side of the same scripts is in core.py.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.exceptions import NoScriptError

from .errors import JobConflict
from .keys import JobName, record_key, result_key
from .result import Result
from .scripts import BEGIN, FINISH, Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What the ledger says to a worker that has taken a job."""

    result: Result | None = None
    """The Result that stands already: there is nothing to run. The fields below are then 0."""
    attempts: int = 0
    """How many times the job was begun, this one included."""
    queue_ms: int = 0
    """Milliseconds since it was submitted."""
    now_ms: int = 0
    """Unix time by the server's clock, in milliseconds; what `deadline_ms` is compared with."""


class Ledger:
    """The worker's hand on the ledger. Errors of redis-py pass through."""

    def __init__(self, redis: "Redis", *, ttl_s: int) -> None:
        """`ttl_s`: seconds to keep the Result of a job whose submitter did not say."""
        self._redis = redis
        self._ttl_s = ttl_s

    def begin(self, name: JobName, digest: str) -> Begun:
        """Note that a worker has taken the job, and make its record where it has none.

        Raises JobConflict when the name belongs to a job with another digest: then neither run it nor
        finish it, since the name's Result is the other job's.
        """
        return _read_begun(name, self._call(_Step(BEGIN, name, (digest,))))

    def finish(self, name: JobName, result: Result) -> Result:
        """Write the job's Result and tell who waits. Returns the one that stands: ours or an earlier one."""
        return _read_finished(result, self._call(self._finishing(name, result)))

    def hand_over(self, finished: Result, name: JobName, digest: str) -> tuple[Result, Begun | JobConflict]:
        """Finish one job and begin the next, in this order and in one round trip.

        Returns what `finish` returns, and what `begin` returns or raises.
        """
        steps = (self._finishing(finished.name, finished), _Step(BEGIN, name, (digest,)))
        pipe = self._redis.pipeline(transaction=False)
        for step in steps:
            pipe.evalsha(step.script.sha, len(step.keys), *step.keys, *step.args)
        replies = pipe.execute(raise_on_error=False)
        finish, begin = (self._settle(*pair) for pair in zip(steps, replies, strict=True))
        stands = _read_finished(finished, finish)
        try:
            return stands, _read_begun(name, begin)
        except JobConflict as conflict:
            return stands, conflict

    def _finishing(self, name: JobName, result: Result) -> "_Step":
        return _Step(FINISH, name, (str(name), result.to_json(), self._ttl_s))

    def _call(self, step: "_Step") -> list[Any]:
        reply: object
        try:
            reply = self._redis.evalsha(step.script.sha, len(step.keys), *step.keys, *step.args)
        except NoScriptError as error:
            reply = error
        return self._settle(step, reply)

    def _settle(self, step: "_Step", reply: object) -> list[Any]:
        """Read a reply. Where the server does not have the script, send it the text."""
        if isinstance(reply, NoScriptError):
            reply = self._redis.eval(step.script.text, len(step.keys), *step.keys, *step.args)
        if isinstance(reply, Exception):
            raise reply
        word, *rest = cast("list[Any]", reply)
        return [word.encode() if isinstance(word, str) else word, *rest]  # a client may decode responses


class _Step(NamedTuple):
    script: Script
    name: JobName
    args: tuple[str | int, ...]

    @property
    def keys(self) -> tuple[str, str]:
        return record_key(self.name), result_key(self.name)


def _read_begun(name: JobName, words: list[Any]) -> Begun:
    word, *rest = words
    if word == b"conflict":
        raise JobConflict(name)
    if word == b"done":
        return Begun(result=Result.from_json(rest[0]))
    return Begun(attempts=int(rest[0]), queue_ms=max(0, int(rest[1])), now_ms=int(rest[2]))


def _read_finished(result: Result, words: list[Any]) -> Result:
    return result if words[0] == b"written" else Result.from_json(words[1])
