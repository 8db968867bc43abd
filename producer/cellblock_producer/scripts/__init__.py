"""The Lua scripts of the ledger: each changes what it changes in one step, by the server's clock.

    of_clients    SUBMIT, SUBMIT_MANY, WATCH, CANCEL
    of_jobs       BEGIN, FINISH                          a pool process's
    of_units      TAKE, ADOPT, RENEW, RELEASE, CLOSE, REAP   a worker's main process's
    of_operators  RETRY, DROP

They are put together of the functions in job_parts, unit_parts and share_parts.

Every script answers with an array whose first element is a word that says what was found or done;
SUBMIT_MANY, which takes any number of jobs, with an array of those. Keys that a unit's own fields lead to are
not declared: this is not for a Redis cluster, which kombu does not serve either.

Fields of a unit, which a record has beside those of a job while it is one:

    message        what is delivered; without it, it is no unit any more
    queue, tenant  where it waits            at       its place in the line: microseconds, when it came
    holder         who has it in hand        begun    the holder that has begun a job of it
    lost           how many holders were lost
    jobs           how many jobs it has, where it is not one
    priority       that of its jobs, where it is not the usual one

and of a record, beside those of job_parts: began, when its run began, in microseconds.
"""

from .of_clients import CANCEL, SUBMIT, SUBMIT_MANY, WATCH
from .of_jobs import BEGIN, FINISH
from .of_operators import DROP, RETRY
from .of_units import ADOPT, CLOSE, REAP, RELEASE, RENEW, TAKE
from .script import DEAD_TTL_S, MAX_DEAD, UNFINISHED_TTL_S, Script
from .share_parts import IN_HAND_S, MOST, MOST_EACH

OF_CLIENTS = (SUBMIT, SUBMIT_MANY, WATCH, CANCEL)
"""What a client has the server load when it connects."""

__all__ = [
    "ADOPT",
    "BEGIN",
    "CANCEL",
    "CLOSE",
    "DEAD_TTL_S",
    "DROP",
    "FINISH",
    "IN_HAND_S",
    "MAX_DEAD",
    "MOST",
    "MOST_EACH",
    "OF_CLIENTS",
    "REAP",
    "RELEASE",
    "RENEW",
    "RETRY",
    "SUBMIT",
    "SUBMIT_MANY",
    "TAKE",
    "UNFINISHED_TTL_S",
    "WATCH",
    "Script",
]
