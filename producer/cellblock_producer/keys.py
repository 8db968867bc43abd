"""Spells every Redis key and channel of Cellblock; no other file does.

    cellblock                        list: the queue that Celery workers pop (the default name)
    cellblock:job:{tenant}:{id}      hash: the record of a job, see ledger.py
    cellblock:result:{tenant}:{id}   string: the Result as JSON, written once
    cellblock:reply:{client id}      channel: where a client hears of finished jobs

Ids and tenants hold neither ':' nor a space, so that names can be joined and split without quoting.
"""

import re
from dataclasses import dataclass
from typing import Self

DEFAULT_QUEUE = "cellblock"
DEFAULT_TENANT = "default"
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
    return f"cellblock:job:{name.tenant}:{name.id}"


def result_key(name: JobName) -> str:
    """Return the key of the job's Result."""
    return f"cellblock:result:{name.tenant}:{name.id}"


def reply_channel(client_id: str) -> str:
    """Return the channel on which one client hears of its finished jobs."""
    return f"cellblock:reply:{client_id}"
