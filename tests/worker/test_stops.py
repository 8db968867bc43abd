"""The memory in which a main process tells its pool processes what is to stop."""

import os

from cellblock_producer.keys import JobName
from cellblock_producer.leases import Lease
from cellblock_worker.stops import Stop, Stops, is_revoked

LEASE = Lease("unit", "7-ab-1")
ONE, OTHER = JobName("acme", "one"), JobName("acme", "other")


def test_a_job_or_all_that_a_holder_has() -> None:
    stops = Stops()
    one, other = Stop(stops, LEASE, ONE), Stop(stops, LEASE, OTHER)
    later = Stop(stops, Lease("unit", "7-ab-11"), ONE)
    assert not one()
    stops.post(f"{LEASE.holder} {ONE}")
    assert (one(), other(), later(), is_revoked(stops, LEASE)) == (True, False, False, False)
    stops.post(LEASE.holder)
    assert (one(), other(), later(), is_revoked(stops, LEASE)) == (True, True, False, True)


def test_the_last_are_kept() -> None:
    stops = Stops()
    for number in range(300):
        stops.post(f"{LEASE.holder} acme:{number}")
    told = [Stop(stops, LEASE, JobName("acme", str(number)))() for number in range(300)]
    assert not told[0]
    assert all(told[-256:])


def test_it_is_seen_in_processes_that_were_forked_before() -> None:
    stops = Stops()
    posted, seen = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(seen[1], b"0" if not Stop(stops, LEASE, ONE)() else b"1")
            os.read(posted[0], 1)
            code = 0 if Stop(stops, LEASE, ONE)() else 2
        finally:
            os._exit(code)
    assert os.read(seen[0], 1) == b"0"
    stops.post(f"{LEASE.holder} {ONE}")
    os.write(posted[1], b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for descriptor in (*posted, *seen):
        os.close(descriptor)
