"""The ledger of jobs in Redis, as the worker uses it: begin a job, finish it, first Result stands.

    state of a record:   (none) --submit--> queued --begin--> running --finish--> done
                                               \\--cancel--------------------------^

The client's side of the same scripts is in core.py.
"""

from dataclasses import dataclass
from typing import Any, cast

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
        word, *rest = self._call(BEGIN, name, digest)
        if word == b"conflict":
            raise JobConflict(name)
        if word == b"done":
            return Begun(result=Result.from_json(rest[0]))
        return Begun(attempts=int(rest[0]), queue_ms=max(0, int(rest[1])), now_ms=int(rest[2]))

    def finish(self, name: JobName, result: Result) -> Result:
        """Write the job's Result and tell who waits. Returns the one that stands: ours or an earlier one."""
        word, *rest = self._call(FINISH, name, str(name), result.to_json(), self._ttl_s)
        return result if word == b"written" else Result.from_json(rest[0])

    def _call(self, script: Script, name: JobName, *args: str | int) -> list[Any]:
        keys = (record_key(name), result_key(name))
        try:
            reply = self._redis.evalsha(script.sha, len(keys), *keys, *args)
        except NoScriptError:
            reply = self._redis.eval(script.text, len(keys), *keys, *args)
        word, *rest = cast("list[Any]", reply)
        return [word.encode() if isinstance(word, str) else word, *rest]  # a client may decode responses
