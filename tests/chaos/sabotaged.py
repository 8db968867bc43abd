"""A worker without leases: what it takes is in its memory only. Chaos must find it out."""

from collections.abc import Sequence
from typing import Any

from cellblock_producer.keys import LEASES
from cellblock_producer.leases import Delivery, Lease, Leases
from cellblock_worker.cli.main import main

_take = Leases.take


def take(self: Leases, queue: str, holder: str) -> Delivery | None:
    delivery = _take(self, queue, holder)
    if delivery is None:
        return None
    self.redis.zrem(queue + LEASES, delivery.lease.unit)
    return Delivery(Lease("", ""), delivery.message, 0)


def keep(self: Leases, leases: Sequence[Lease], queue: str, *, pause_ms: int) -> tuple[set[Lease], int]:
    return set(), 0


if __name__ == "__main__":
    patched: Any = Leases
    patched.take, patched.keep = take, keep
    import sys

    sys.argv[1:] = ["worker"]
    main()
