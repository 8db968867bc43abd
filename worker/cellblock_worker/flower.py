"""How Flower is started beside a worker: what it may see, who may see it, and what it keeps.

It knows the tasks by their events, which hold a job's id, language, tenant and labels and no more of it.
"""

from pathlib import Path

from .urls import backend_url

_COLUMNS = "name,state,args,result,received,runtime,worker,uuid"
_SAVE_MS = 10_000


def environ_of(
    redis_url: str, queue: str, auth: str, state: Path, address: tuple[str, int]
) -> dict[str, str]:
    """The environment for `celery flower`; by it, since arguments show passwords to everyone.

    Args:
        redis_url: of the queue.
        queue: its name.
        auth: `user:password` of those who may look, and cancel.
        state: file in which Flower keeps what it has seen.
        address: where it listens.

    Raises ValueError where `auth` names no user or no password.
    """
    user, _, password = auth.partition(":")
    if not user or not password:
        raise ValueError("Flower shows and cancels jobs: give it user:password")
    return {
        "CELERY_BROKER_URL": backend_url(redis_url),
        "CELERY_DEFAULT_QUEUE": queue,
        "FLOWER_BASIC_AUTH": auth,
        "FLOWER_ADDRESS": address[0],
        "FLOWER_PORT": str(address[1]),
        "FLOWER_PERSISTENT": "true",
        "FLOWER_DB": str(state),
        "FLOWER_STATE_SAVE_INTERVAL": str(_SAVE_MS),
        "FLOWER_TASKS_COLUMNS": _COLUMNS,
    }
