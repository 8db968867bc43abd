"""The delivery guarantee, tried on the real scripts: any order of steps, a crash between any two of them.

Clients, main processes, pool processes and the reaper are played here, one step at a time; hypothesis picks
the steps. Time is played, too: leases last an hour, and `time_passes` ends those that nobody renews.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from cellblock_producer import JobConflict
from cellblock_producer.calls import Step, call
from cellblock_producer.contract import Job, Result, settle_cancelled, settle_success
from cellblock_producer.keys import DEFAULT_QUEUE, JobName, message_key, record_key, result_key
from cellblock_producer.leases import Delivery, Lease, Leases, Released, Stray
from cellblock_producer.ledger import Begun, Grave, JobBusy, LeaseLost, Ledger, Turn
from cellblock_producer.outbox import Outbox, reply_to
from cellblock_producer.scripts import CANCEL, SUBMIT, SUBMIT_MANY
from cellblock_producer.wire import batch_message, batch_part, task_message
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from tests.producer.fake_worker import jobs_in
from tests.producer.shares import check_shares
from tests.support.valkey import running_valkey

HOUR_MS = 3_600_000
MAX_ATTEMPTS = 2
JOBS = [
    Job.model_validate(
        {
            "id": f"job{n}",
            "tenant": f"t{n % 2}",
            "language": "python3",
            "code": "x" * 1000**n,  # of sizes that nobody could mistake for each other's
            "priority": 5 + n % 3,
            "reply": reply,
            "retry": {"max_retries": (1, 2, 0)[n], "interval_ms": 60_000},
            "deadline_ms": (None, 2**53 - 1, None)[n],
        }
    )
    for n, reply in enumerate((None, {"kind": "celery", "task": "resume", "queue": "engine"}, None))
]

indexes = st.integers(0, 7)


@dataclass(eq=False)
class Child:
    """A pool process with a message: which job it is at, and whether that one is being run."""

    delivery: Delivery
    jobs: list[Job]
    place: int = 0
    running: Result | None = None
    put_off: bool = False  # some job of it, until later

    @property
    def lease(self) -> Lease:
        return self.delivery.lease

    @property
    def job(self) -> Job:
        return self.jobs[self.place]

    @property
    def turn(self) -> Turn:
        return Turn(self.lease, last=self.place == len(self.jobs) - 1 and not self.put_off)


@dataclass(eq=False)
class Main:
    """A main process: what it renews. A stopped one does nothing until it goes on."""

    children: list[Child] = field(default_factory=list)
    stopped: bool = False


class Model(RuleBasedStateMachine):
    redis: "Redis"

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushall()
        self.leases = Leases(self.redis, HOUR_MS)
        self.ledger = Ledger(self.redis, ttl_s=600, lease_ms=HOUR_MS, max_attempts=MAX_ATTEMPTS)
        self.accepted: set[JobName] = set()
        self.seen: dict[JobName, bytes] = {}
        self.mains = [Main(), Main()]
        self.orphans: list[Child] = []
        self.ended: set[str] = set()
        self.count = 0
        self.clock = 0

    # What clients do.

    @rule(job=st.sampled_from(JOBS))
    def submit(self, job: Job) -> None:
        keys = (record_key(job.name), result_key(job.name), DEFAULT_QUEUE)
        args = (
            job.digest(),
            "",
            600,
            task_message(job, DEFAULT_QUEUE),
            job.tenant,
            job.priority,
            reply_to(DEFAULT_QUEUE, job.reply),
        )
        assert call(self.redis, Step(SUBMIT, keys, args))[0] in (b"queued", b"known", b"done")
        self.accepted.add(job.name)

    @rule(jobs=st.lists(st.sampled_from(JOBS), min_size=1, max_size=4))
    def submit_batch(self, jobs: list[Job]) -> None:
        keys = [key for job in jobs for key in (record_key(job.name), result_key(job.name))]
        message_id = self.new_name()
        head, tail = batch_message(jobs, DEFAULT_QUEUE, message_id)
        parts = [
            part
            for job in jobs
            for part in (
                job.digest(),
                batch_part(job.to_json()),
                reply_to(DEFAULT_QUEUE, job.reply),
            )
        ]
        step = Step(
            SUBMIT_MANY,
            (*keys, message_key(message_id), DEFAULT_QUEUE),
            ("", 600, jobs[0].tenant, jobs[0].priority, head, tail, *parts),
        )
        self.redis.eval(step.script.text, len(step.keys), *step.keys, *step.args)
        self.accepted |= {job.name for job in jobs}

    @rule(job=st.sampled_from(JOBS))
    def cancel(self, job: Job) -> None:
        keys = (record_key(job.name), result_key(job.name))
        result = settle_cancelled(job.name, {}).to_json()
        call(self.redis, Step(CANCEL, keys, (str(job.name), result, 600)))

    # What the operator does with jobs that took their workers down.

    @rule(job=st.sampled_from(JOBS))
    def retry(self, job: Job) -> None:
        if self.ledger.retry(job.name):
            self.seen.pop(job.name, None)

    @rule(job=st.sampled_from(JOBS))
    def drop(self, job: Job) -> None:
        self.ledger.drop(job.name)

    # What main processes do.

    @rule(which=indexes)
    def take(self, which: int) -> None:
        main = self.main(which)
        delivery = None if main.stopped else self.leases.take(DEFAULT_QUEUE, self.new_name())
        if delivery is not None:
            main.children.append(Child(delivery, jobs_in(delivery.message)))

    @rule()
    def take_and_die_before_the_answer_comes(self) -> None:
        self.leases.take(DEFAULT_QUEUE, self.new_name())

    @rule(which=indexes, job=st.sampled_from(JOBS))
    def adopt(self, which: int, job: Job) -> None:
        main = self.main(which)
        if not main.stopped:
            stray = Stray(job.tenant, task_message(job, DEFAULT_QUEUE), priority=job.priority)
            self.accepted.add(job.name)
            delivery = self.leases.adopt(DEFAULT_QUEUE, stray, self.new_name())
            assert delivery is not None, "it waits itself"
            main.children.append(Child(delivery, jobs_in(delivery.message)))

    @rule(which=indexes)
    def main_dies(self, which: int) -> None:
        """Its pool processes go on with what they have."""
        main = self.main(which)
        self.orphans += main.children
        self.mains[self.mains.index(main)] = Main()

    @rule(which=indexes)
    def main_stops_or_goes_on(self, which: int) -> None:
        main = self.main(which)
        main.stopped = not main.stopped

    @rule(which=indexes, child=indexes)
    def give_back(self, which: int, child: int) -> None:
        """The connection is lost: what the pool has not begun goes back, and Celery forgets it."""
        main = self.main(which)
        if main.children and not main.stopped:
            given = main.children[child % len(main.children)]
            if self.leases.release(given.lease, unless_begun=True) is not Released.BEGUN:
                self.ended.add(given.lease.holder)
                main.children.remove(given)
                self.orphans.append(given)  # it may reach the pool nevertheless

    @rule(which=indexes, child=indexes)
    def hand_back(self, which: int, child: int) -> None:
        """It is told to end: what it has goes back, whatever becomes of the pool process meanwhile."""
        main = self.main(which)
        if main.children and not main.stopped:
            given = main.children[child % len(main.children)]
            handed = self.handed(given.job)
            self.leases.release(given.lease, handed=True)
            assert handed <= self.handed(given.job) <= handed + (given.running is not None)
            self.ended.add(given.lease.holder)
            main.children.remove(given)
            self.orphans.append(given)

    # What pool processes do.

    @precondition(lambda self: self.children)
    @rule(which=indexes, hand_over=st.booleans())
    def child_does_its_next_step(self, which: int, hand_over: bool) -> None:
        self.advance(self.child(which), hand_over=hand_over)

    def advance(self, child: Child, *, hand_over: bool = False) -> None:
        if child.running is None:
            self.begin(child)
        elif hand_over and not child.turn.last:
            self.hand_over(child)
        else:
            self.ledger.finish(child.job.name, child.running, child.turn)
            self.move_on(child)

    @precondition(lambda self: self.children)
    @rule(which=indexes, twice=st.booleans())
    def child_has_run_its_job_in_vain(self, which: int, twice: bool) -> None:
        """It says so again where the answer gets lost."""
        child = self.child(which)
        if child.running is not None:
            self.fail(child, times=1 + twice)

    def fail(self, child: Child, times: int = 1, grave: Grave | None = None) -> None:
        assert child.running is not None
        retries = self.retries(child.job)
        try:
            for _ in range(times):
                put_off = self.postpone(child)
        except LeaseLost:
            self.forget(child)
            return
        assert retries <= self.retries(child.job) <= min(retries + 1, child.job.retry.max_retries)
        if put_off is None:
            self.ledger.finish(child.job.name, child.running, child.turn, grave)
        child.put_off |= isinstance(put_off, int)
        self.move_on(child)

    def postpone(self, child: Child) -> int | Result | None:
        return self.ledger.postpone(child.job.name, child.job.retry, child.lease, child.job.deadline_ms)

    @precondition(lambda self: self.children)
    @rule(which=indexes)
    def child_begins_twice_since_the_answer_got_lost(self, which: int) -> None:
        child = self.child(which)
        if child.running is None:
            self.begin(child)
            if child.running is not None:
                before = child.running.attempts
                self.begin(child)
                assert child.running is None or child.running.attempts == before

    @precondition(lambda self: self.children)
    @rule(which=indexes)
    def child_dies(self, which: int) -> None:
        """Its main process, if it has one that is awake, gives the message back."""
        self.kill(self.child(which))

    def kill(self, child: Child) -> None:
        main = self.parent(child)
        if main is None or not main.stopped:
            self.forget(child)
        if main is not None and not main.stopped:
            self.leases.release(child.lease)
            self.ended.add(child.lease.holder)

    # What else happens.

    @rule()
    def a_wake_up_gets_lost(self) -> None:
        self.redis.rpop(DEFAULT_QUEUE)

    @rule()
    def time_passes(self) -> None:
        """Whoever lives and is awake renews; whoever does not loses what it has. Delays are over."""
        for unit in self.units("cellblock:delayed"):
            self.redis.zadd("cellblock:delayed", {unit: 1})
        for job in JOBS:
            self.redis.hdel(record_key(job.name), "due_ms")
        living = [child.lease for main in self.mains if not main.stopped for child in main.children]
        renewed = {lease.unit for lease in living if lease not in self.leases.renew(living).lost}
        for unit in self.units("cellblock:leases"):
            if unit not in renewed:
                self.redis.zadd("cellblock:leases", {unit: 1})
                holder: Any = self.redis.hget(unit, "holder")
                self.ended.add((holder or b"").decode())

    @rule()
    def reap(self) -> None:
        self.look()

    @rule()
    def time_passes_and_somebody_looks(self) -> None:
        self.time_passes()
        self.look()

    # What must be true, always.

    @invariant()
    def no_job_is_lost(self) -> None:
        places = {job.name for unit in self.all_units() for job in self.jobs_of(unit)}
        missing = [name for name in self.accepted - places if not self.redis.exists(result_key(name))]
        assert not missing, "neither Result nor place"

    @invariant()
    def no_result_changes(self) -> None:
        for job in JOBS:
            result: Any = self.redis.get(result_key(job.name))
            assert result is not None or job.name not in self.seen
            if result is not None:
                assert self.seen.setdefault(job.name, result) == result

    @invariant()
    def each_result_of_a_job_with_a_reply_is_in_the_outbox_once(self) -> None:
        results = [result_key(job.name) for job in JOBS if job.reply is not None]
        assert self.redis.zcard("cellblock:outbox") == self.redis.exists(*results)

    @invariant()
    def no_job_is_run_by_two_whose_leases_live(self) -> None:
        living = [child for child in self.children if child.lease.holder not in self.ended]
        running = [child.job.name for child in living if child.running is not None]
        assert len(running) == len(set(running))

    @invariant()
    def each_unit_is_in_one_place(self) -> None:
        units = self.all_units()
        assert len(units) == len(set(units))
        assert all(self.redis.hexists(unit, "message") for unit in units)

    @invariant()
    def attempts_are_bounded(self) -> None:
        for job in JOBS:
            attempts = int(self.redis.hget(record_key(job.name), "attempts") or 0)
            assert attempts <= MAX_ATTEMPTS + self.retries(job) + self.handed(job)
            assert self.retries(job) <= job.retry.max_retries

    @invariant()
    def shares_are_true(self) -> None:
        before, self.clock = self.clock, check_shares(self.redis, lambda unit: len(self.jobs_of(unit)))
        assert before <= self.clock

    def check(self) -> None:
        """Look at all of that."""
        self.shares_are_true()
        self.no_job_is_lost()
        self.no_result_changes()
        self.each_result_of_a_job_with_a_reply_is_in_the_outbox_once()
        self.no_job_is_run_by_two_whose_leases_live()
        self.each_unit_is_in_one_place()
        self.attempts_are_bounded()

    def teardown(self) -> None:
        """Everybody dies; one worker comes and is left alone: then all is answered and nothing is left."""
        self.mains, self.orphans = [Main()], []
        for _ in range(100):
            self.time_passes()
            self.look()
            if not self.all_units():
                break
            assert self.redis.llen(DEFAULT_QUEUE) > 0, "nobody would be woken"
            self.redis.rpop(DEFAULT_QUEUE)
            self.take(0)
            while self.mains[0].children:
                self.child_does_its_next_step(0, hand_over=False)
        for name in self.accepted:
            assert self.redis.exists(result_key(name)), "no Result"
        self.shares_are_true()  # nothing waits, nothing is counted
        self.no_result_changes()
        for unsent in Outbox(self.redis, DEFAULT_QUEUE).unsent(10):
            assert Outbox(self.redis, DEFAULT_QUEUE).forget(unsent.id)
        left = {key.decode().rsplit(":", 1)[0] for key in self.redis.scan_iter()}
        assert left <= {"cellblock", "cellblock:job:t0", "cellblock:job:t1", "cellblock:result:t0"} | {
            "cellblock:result:t1"
        }
        for job in JOBS:
            assert not self.redis.hexists(record_key(job.name), "message")

    # How it is played.

    def begin(self, child: Child) -> None:
        try:
            to = reply_to(DEFAULT_QUEUE, child.job.reply)
            begun = self.ledger.begin(child.job.name, child.job.digest(), child.turn, reply_to=to)
        except LeaseLost:
            self.forget(child)
            return
        except JobBusy as busy:
            self.wait_for_others(child, busy)
            return
        self.go_on(child, begun)

    def hand_over(self, child: Child) -> None:
        assert child.running is not None
        following = child.jobs[child.place + 1]
        turn = Turn(child.lease, last=child.place + 2 == len(child.jobs))
        to = reply_to(DEFAULT_QUEUE, following.reply)
        finished = child.running, None
        _, begun = self.ledger.begin_soon(
            following.name, following.digest(), turn, reply_to=to, finished=finished
        ).read()
        assert not isinstance(begun, JobConflict)
        self.move_on(child)
        if isinstance(begun, Begun):
            self.go_on(child, begun)
        else:
            if isinstance(begun, JobBusy):
                self.wait_for_others(child, begun)
            else:
                self.forget(child)

    def wait_for_others(self, child: Child, busy: JobBusy) -> None:
        if busy.for_ms:  # it was put off: the others of the message first
            child.put_off = True
            self.move_on(child)
        else:
            self.forget(child)
            self.leases.release(child.lease, delay_ms=1)

    def go_on(self, child: Child, begun: Begun) -> None:
        self.count += 1
        outputs = {"run": self.count}
        if begun.result is not None:
            self.move_on(child)
            return
        answer = settle_success(child.job, outputs).model_copy(update={"attempts": begun.attempts})
        child.running = answer
        if begun.exhausted:
            self.fail(child, grave=Grave(DEFAULT_QUEUE, task_message(child.job, DEFAULT_QUEUE)))
        else:
            assert not self.redis.hexists(record_key(child.job.name), "due_ms"), "it was not due"

    def move_on(self, child: Child) -> None:
        child.running = None
        child.place += 1
        if child.place == len(child.jobs):
            main = self.parent(child)
            self.forget(child)
            child.place -= 1
            if (
                child.put_off and main is not None and not main.stopped
            ):  # else it is found when its lease is over
                self.leases.release(child.lease, delay_ms=HOUR_MS)
                self.ended.add(child.lease.holder)

    def first_has_run_in_vain(self) -> None:
        main = self.mains[0]
        main.stopped = False
        if main.children and main.children[0].running is not None:
            self.fail(main.children[0])
        main.stopped = True

    def first_gives_back(self, *, dies: bool) -> None:
        main = self.mains[0]
        main.stopped = False
        if main.children and dies:
            self.kill(main.children[0])
        elif main.children:
            self.hand_back(0, 0)
            main.stopped = True

    def forget(self, child: Child) -> None:
        main = self.parent(child)
        if main is not None:
            main.children.remove(child)
        elif child in self.orphans:
            self.orphans.remove(child)

    def look(self) -> None:
        now = self.redis.time()
        self.redis.hset(
            "cellblock:reaper", mapping={"last_ms": now[0] * 1000 + now[1] // 1000 - 1, "grace_ms": 0}
        )
        self.leases.reap(DEFAULT_QUEUE, pause_ms=0)

    @property
    def children(self) -> list[Child]:
        return [child for main in self.mains for child in main.children] + self.orphans

    def child(self, which: int) -> Child:
        return self.children[which % len(self.children)]

    def main(self, which: int) -> Main:
        return self.mains[which % len(self.mains)]

    def parent(self, child: Child) -> Main | None:
        return next((main for main in self.mains if child in main.children), None)

    def new_name(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def units(self, key: str) -> list[str]:
        found: Any = self.redis.zrange(key, 0, -1)
        return [unit.decode() for unit in found]

    def all_units(self) -> list[str]:
        tenants = self.units("cellblock:tenants")
        waiting = [unit for tenant in tenants for unit in self.units(f"cellblock:waiting:{tenant}")]
        return waiting + self.units("cellblock:leases") + self.units("cellblock:delayed")

    def retries(self, job: Job) -> int:
        return int(self.redis.hget(record_key(job.name), "retries") or 0)

    def handed(self, job: Job) -> int:
        return int(self.redis.hget(record_key(job.name), "handed") or 0)

    def jobs_of(self, unit: str) -> Sequence[Job]:
        message: Any = self.redis.hget(unit, "message")
        return jobs_in(message) if message else ()


@pytest.fixture
def machine() -> Iterator[type[Model]]:
    with ExitStack() as stack:
        server = stack.enter_context(running_valkey())
        redis = stack.enter_context(server.connect())
        yield type("DeliveryOnServer", (Model,), {"redis": redis})


def interleavings(steps: str) -> Iterator[str]:
    """Yield each order of these letters once."""
    if not steps:
        yield ""
    for letter in sorted(set(steps)):
        for order in interleavings(steps.replace(letter, "", 1)):
            yield letter + order


@pytest.mark.timeout(300)
@pytest.mark.parametrize("steps", ["aaabbbxx", "aaabbxc", "aaabbxd", "aarbbx", "aarbcx", "aabbxh"])
def test_every_order_of_two_workers_that_lose_one_job_to_each_other(machine: type[Model], steps: str) -> None:
    """Each takes, begins, finishes (a, b); both lose what they have in between (x); a client cancels (c).

    And a pool process of the first dies, and what it had is given back (d), whoever has it by then; or it has
    run the job in vain, which is put off (r); or it ends and hands back what it has (h).
    """
    for order in interleavings(steps):
        model = machine()
        model.submit(JOBS[0])
        for letter in order:
            match letter:
                case "a" | "b":
                    main = model.mains["ab".index(letter)]
                    main.stopped = False
                    if main.children:
                        model.advance(main.children[0])
                    else:
                        model.take("ab".index(letter))
                    main.stopped = True
                case "x":
                    model.time_passes_and_somebody_looks()
                case "r":
                    model.first_has_run_in_vain()
                case "c":
                    model.cancel(JOBS[0])
                case "d" | "h":
                    model.first_gives_back(dies=letter == "d")
            model.check()
        model.teardown()


@pytest.mark.timeout(300)
def test_any_order_of_steps_and_crashes(machine: type[Model]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
