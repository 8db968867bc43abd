"""Spells every Redis key and channel of Cellblock; no other file does.

    cellblock:job:{tenant}:{id}      hash: the record of a job, see ledger.py
    cellblock:result:{tenant}:{id}   string: the Result as JSON, written once
    cellblock:message:{id}           hash: a message that is not one job of a client of ours
    cellblock:reply:{client id}      channel: where a client hears of finished jobs
    cellblock:outgoing:{id}          hash: a Result that is to be sent on, see outbox.py
    cellblock:quota:{key}            string: jobs that a key of the gateway has submitted within a minute
    cellblock:stop:{worker}          channel: where a worker hears of cancelled jobs that it runs

and for each queue, `cellblock` by default; leases.py says how they are used:

    {queue}                          list that Celery workers pop: wake-ups of ours, messages of stock senders
    {queue}:tenants                  sorted set: the tenants for whom something waits, by whose turn it is
    {queue}:shares                   hash: what tenants have waiting, in hand and used; the queue's bounds
    {queue}:waiting:{tenant}         sorted set: what waits for one tenant, by its place in the line
    {queue}:leases                   sorted set: what workers have in hand, by when they lose it
    {queue}:delayed                  sorted set: what is to wait no sooner than at some time, by that time
    {queue}:dead                     sorted set: the jobs that took their workers down, by when
    {queue}:reaper                   hash: when leases were last looked at
    {queue}:outbox                   sorted set: what is to be sent on, by when; a channel, too
    {queue}:undelivered              sorted set: what could not be sent, by when it was given up

What waits, is delayed or is in hand are *units*: keys of hashes with a message in them, which is either the
record of a job or a `cellblock:message:…`. Ids and tenants hold neither ':' nor a space, so that names can be
joined and split without quoting.
"""

import re
from dataclasses import dataclass
from typing import Self

DEFAULT_QUEUE = "cellblock"
TOKEN = "take"  # noqa: S105 - no secret
"""What lies on the queue's list for a unit that waits: a wake-up and no more. Messages are JSON."""
RECORD_PREFIX = "cellblock:job:"
MESSAGE_PREFIX = "cellblock:message:"
OUTGOING_PREFIX = "cellblock:outgoing:"
STOP_PREFIX = "cellblock:stop:"
TENANTS, WAITING, LEASES, DEAD, REAPER = ":tenants", ":waiting:", ":leases", ":dead", ":reaper"
DELAYED, SHARES = ":delayed", ":shares"
OUTBOX, UNDELIVERED = ":outbox", ":undelivered"
"""What follows the queue's name in its other keys."""
DEFAULT_TENANT = "default"
DEFAULT_PRIORITY = 5
ID_PATTERN = r"^[A-Za-z0-9._-]{1,128}$"
TENANT_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"

# fullmatch below: `$` alone would let a trailing newline pass.
_ID = re.compile(ID_PATTERN)
_TENANT = re.compile(TENANT_PATTERN)


@dataclass(frozen=True, slots=True)
class JobName:
    """The full name of a job: two tenants may use the same id for different jobs."""

    tenant: str
    id: str

    def __post_init__(self) -> None:
        if not _TENANT.fullmatch(self.tenant):
            raise ValueError(f"a tenant is 1 to 64 of the characters A-Z a-z 0-9 . _ -, not {self.tenant!r}")
        if not _ID.fullmatch(self.id):
            raise ValueError(f"a job id is 1 to 128 of the characters A-Z a-z 0-9 . _ -, not {self.id!r}")

    def __str__(self) -> str:
        return f"{self.tenant}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str()` wrote. Raises ValueError."""
        tenant, _, job_id = text.partition(":")
        return cls(tenant, job_id)

    @property
    def task_id(self) -> str:
        """The id of the job's Celery task: the job's own id for the default tenant."""
        return self.id if self.tenant == DEFAULT_TENANT else str(self)

    @classmethod
    def from_task_id(cls, task_id: str) -> Self:
        """Read the name back from a Celery task id. Raises ValueError."""
        return cls.parse(task_id) if ":" in task_id else cls(DEFAULT_TENANT, task_id)


def record_key(name: JobName) -> str:
    """Return the key of the job's record."""
    return f"{RECORD_PREFIX}{name.tenant}:{name.id}"


def message_key(message_id: str) -> str:
    """Return the key of a message that waits or is in hand as one."""
    return f"{MESSAGE_PREFIX}{message_id}"


def outgoing_key(entry_id: str) -> str:
    """Return the key of a Result that is to be sent on."""
    return f"{OUTGOING_PREFIX}{entry_id}"


def result_key(name: JobName) -> str:
    """Return the key of the job's Result."""
    return f"cellblock:result:{name.tenant}:{name.id}"


def reply_channel(client_id: str) -> str:
    """Return the channel on which one client hears of its finished jobs."""
    return f"cellblock:reply:{client_id}"


def quota_key(name: str) -> str:
    """Return the key of what a key of the gateway has spent of its quota."""
    return f"cellblock:quota:{name}"


def stop_channel(worker: str) -> str:
    """Return the channel on which a worker hears of cancelled jobs, whose holders are `{worker}-{number}`."""
    return f"{STOP_PREFIX}{worker}"
