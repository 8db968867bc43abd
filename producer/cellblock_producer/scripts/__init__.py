"""The Lua scripts of the ledger: each changes what it changes in one step, by the server's clock.

    of_clients    SUBMIT, SUBMIT_MANY, WATCH, CANCEL
    of_jobs       BEGIN, FINISH, POSTPONE                a pool process's
    of_units      TAKE, ADOPT, RENEW, RELEASE, CLOSE, REAP   a worker's main process's
    of_operators  RETRY, DROP
    of_replies    CLAIM_REPLIES, FORGET_REPLY, PUSH_REPLY, PUT_OFF_REPLY, RESEND_REPLY   of who sends them

They are put together of the functions in job_parts, unit_parts, share_parts and reply_parts.

Every script answers with an array whose first element is a word that says what was found or done;
SUBMIT_MANY, which takes any number of jobs, with an array of those. Keys that a unit's own fields lead to are
not declared: this is not for a Redis cluster, which kombu does not serve either.

Fields of a unit, which a record has beside those of a job while it is one:

    message        what is delivered; without it, it is no unit any more
    queue, tenant  where it waits            at       its place in the line: microseconds, when it came
    holder         who has it in hand        begun    the holder that has begun a job of it
    since          when that time began of its being in hand that is not charged yet, in microseconds
    lost           how many holders were lost
    doing          the record of the job that was begun last, where that is another hash
    stop           what its holder runs of it and is to stop: `{holder} {job}`
    attempts       0 where clients have put it together of jobs that were new; a record counts in it
    jobs           how many jobs it has, where it is not one
    priority       that of its jobs, where it is not the usual one

and of a record, beside those of job_parts: began, when its run began, in microseconds; handed, how often
a holder that was told to end has handed it back while it ran it.
"""

from .of_clients import CANCEL, SUBMIT, SUBMIT_MANY, WATCH
from .of_jobs import BEGIN, FINISH, POSTPONE
from .of_operators import DROP, RETRY
from .of_replies import CLAIM_REPLIES, FORGET_REPLY, PUSH_REPLY, PUT_OFF_REPLY, RESEND_REPLY
from .of_units import ADOPT, CLOSE, REAP, RELEASE, RENEW, TAKE
from .script import DEAD_TTL_S, MAX_DEAD, MAX_UNDELIVERED, UNFINISHED_TTL_S, Script
from .share_parts import IN_HAND_S, MOST, MOST_BYTES, MOST_BYTES_EACH, MOST_EACH

OF_CLIENTS = (SUBMIT, SUBMIT_MANY, WATCH, CANCEL)
"""What a client has the server load when it connects."""

__all__ = [
    "ADOPT",
    "BEGIN",
    "CANCEL",
    "CLAIM_REPLIES",
    "CLOSE",
    "DEAD_TTL_S",
    "DROP",
    "FINISH",
    "FORGET_REPLY",
    "IN_HAND_S",
    "MAX_DEAD",
    "MAX_UNDELIVERED",
    "MOST",
    "MOST_BYTES",
    "MOST_BYTES_EACH",
    "MOST_EACH",
    "OF_CLIENTS",
    "POSTPONE",
    "PUSH_REPLY",
    "PUT_OFF_REPLY",
    "REAP",
    "RELEASE",
    "RENEW",
    "RESEND_REPLY",
    "RETRY",
    "SUBMIT",
    "SUBMIT_MANY",
    "TAKE",
    "UNFINISHED_TTL_S",
    "WATCH",
    "Script",
]
