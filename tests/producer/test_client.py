"""What the client does for an engine, against a real server."""

import threading
from collections.abc import Iterator
from itertools import count, islice

import pytest
from cellblock_producer import (
    Cancellation,
    Client,
    ClientClosed,
    InvalidJob,
    Job,
    JobConflict,
    JobUnknown,
    ResultTimeout,
    UnreadableResult,
    WorkerFailed,
)
from cellblock_producer.keys import JobName, record_key, result_key
from cellblock_producer.ledger import Ledger
from redis import Redis

from tests.producer.fake_worker import FakeWorker, answer, take
from tests.support.valkey import ValkeyServer

WAIT_S = 60.0


def job(number: int = 0, **fields: object) -> Job:
    given = {"language": "python3", "code": "def main(n): return {'n': n}", "inputs": {"n": number}}
    return Job.model_validate(given | fields)


def connections(redis: "Redis") -> int:
    return len(redis.client_list())


def test_run_submits_a_job_and_returns_its_result(client: Client, worker: FakeWorker) -> None:
    result = client.run(job(7, labels={"node": "a"}), timeout=WAIT_S)
    assert (result.branch, result.outputs, result.labels) == ("success", {"n": 7}, {"node": "a"})
    assert (result.attempts, result.worker) == (1, "fake")


def test_a_mapping_will_do_for_a_job(client: Client, worker: FakeWorker) -> None:
    result = client.run({"language": "javascript", "code": "x", "inputs": {"n": 1}}, timeout=WAIT_S)
    assert result.outputs == {"n": 1}


def test_what_is_called_when_a_job_is_done_and_raises_harms_no_other(
    client: Client, worker: FakeWorker, caplog: pytest.LogCaptureFixture
) -> None:
    handle = client.submit(job())
    handle.when_done(lambda: 1 / 0)
    assert handle.result(WAIT_S).branch == "success"
    assert client.run(job(7), timeout=WAIT_S).outputs == {"n": 7}
    assert str(handle.name) in caplog.text


def test_a_failed_node_is_a_result_and_no_exception(client: Client, worker: FakeWorker) -> None:
    failing = job(labels={"fail": "code_error"}, on_error={"strategy": "branch"})
    assert client.run(failing, timeout=WAIT_S).branch == "fail"


def test_a_failed_worker_is_an_exception_that_carries_the_result(client: Client, worker: FakeWorker) -> None:
    handle = client.submit(job(labels={"fail": "internal"}))
    with pytest.raises(WorkerFailed, match="asked to") as caught:
        handle.result(WAIT_S)
    assert caught.value.result.name == handle.name


def test_ten_thousand_jobs_are_neither_lost_nor_confused(
    client: Client, worker: FakeWorker, redis: Redis
) -> None:
    handles = client.submit_many(job(number) for number in range(10_000))
    assert [handle.result(WAIT_S).outputs["n"] for handle in handles] == list(range(10_000))
    assert [handle.result().job_id for handle in handles] == [handle.job_id for handle in handles]
    assert len(worker.ran) == len(set(worker.ran)) == 10_000


def test_a_client_has_one_connection_and_one_thread_however_many_jobs(client: Client, redis: Redis) -> None:
    before, threads = connections(redis), threading.active_count()
    handles = [client.submit(job(number)) for number in range(100)]
    handles += client.submit_many(job(number) for number in range(1000))
    assert connections(redis) == before + 1
    assert threading.active_count() == threads + 1
    assert not any(handle.done() for handle in handles)
    client.close()
    assert threading.active_count() == threads


def test_nothing_is_sent_when_one_of_many_jobs_is_invalid(client: Client, redis: Redis) -> None:
    with pytest.raises(InvalidJob, match="code"):
        client.submit_many([job(1), {"language": "python3"}])
    assert redis.keys() == []


def test_the_same_job_submitted_twice_runs_once(client: Client, server: ValkeyServer, redis: Redis) -> None:
    first, second = client.submit_many([job(1, id="one")] * 2)
    with Client(server.url) as other:
        third = other.submit(job(1, id="one"))
        assert redis.llen("cellblock") == 1
        with FakeWorker(server) as worker:
            assert first.result(WAIT_S) == second.result(WAIT_S) == third.result(WAIT_S)
            # And once more, when it is long finished.
            assert client.run(job(1, id="one"), timeout=WAIT_S) == first.result()
    assert worker.ran == ["default:one"]


def test_another_job_with_the_same_id_is_a_conflict(client: Client, redis: Redis) -> None:
    handle = client.submit(job(1, id="one"))
    with pytest.raises(JobConflict, match="default:one"):
        client.submit(job(2, id="one"))
    with pytest.raises(JobConflict):
        client.submit_many([job(3), job(2, id="one"), job(4)])
    assert redis.llen("cellblock") == 3
    assert not handle.done()


def test_tenants_do_not_see_each_others_jobs(client: Client, worker: FakeWorker) -> None:
    mine = client.submit(job(1, id="one", tenant="mine"))
    yours = client.submit(job(2, id="one", tenant="yours"))
    assert (mine.result(WAIT_S).outputs, yours.result(WAIT_S).outputs) == ({"n": 1}, {"n": 2})
    with pytest.raises(JobUnknown):
        client.get("one")


def test_waiting_may_end_before_the_job_does(client: Client, server: ValkeyServer) -> None:
    handle = client.submit(job(1))
    for _ in range(3):
        with pytest.raises(ResultTimeout, match="goes on"):
            handle.result(timeout=0.001)
    assert not handle.done()
    with FakeWorker(server):
        assert handle.result(WAIT_S).outputs == {"n": 1}
    assert handle.done()


def test_get_tells_result_waiting_and_unknown_apart(client: Client, server: ValkeyServer) -> None:
    handle = client.submit(job(1, id="one", tenant="acme"))
    assert client.get("one", "acme") is None
    with FakeWorker(server):
        result = handle.result(WAIT_S)
    assert client.get("one", "acme") == result
    with pytest.raises(JobUnknown, match="acme:two"):
        client.get("two", "acme")
    with pytest.raises(ValueError, match="job id"):
        client.get("no such:id")


def test_attach_finds_jobs_of_other_clients(client: Client, server: ValkeyServer) -> None:
    with Client(server.url) as other:
        other.submit(job(1, id="one"))
    waiting = client.attach("one")
    with FakeWorker(server):
        assert waiting.result(WAIT_S).outputs == {"n": 1}
    assert client.attach("one").done()
    with pytest.raises(JobUnknown):
        client.attach("two")


def test_a_job_that_has_not_started_can_be_cancelled(
    client: Client, server: ValkeyServer, redis: Redis
) -> None:
    handle = client.submit(job(1, labels={"node": "a"}))
    assert handle.cancel() is Cancellation.CANCELLED
    result = handle.result(WAIT_S)
    assert result.error is not None
    assert (result.status, result.error.kind, result.labels) == ("failed", "cancelled", {"node": "a"})
    assert handle.cancel() is Cancellation.FINISHED
    with FakeWorker(server) as worker:
        client.run(job(2), timeout=WAIT_S)
    assert handle.job_id not in str(worker.ran)


def test_a_running_job_can_be_cancelled(client: Client, redis: Redis) -> None:
    handle = client.submit(job(1))
    taken = take(redis)
    ledger = Ledger(redis, ttl_s=60)
    ledger.begin(taken.name, taken.digest())
    assert handle.cancel() is Cancellation.CANCELLED
    late = ledger.finish(taken.name, answer(taken))
    result = handle.result(WAIT_S)
    assert late == result
    assert result.error is not None
    assert (result.status, result.error.kind, result.attempts) == ("failed", "cancelled", 1)
    assert handle.cancel() is Cancellation.FINISHED


def test_a_job_that_another_cancels_has_its_labels(client: Client, server: ValkeyServer) -> None:
    labels = {"node": "a/b", "ü": '"\\\n\u2028'}
    one = client.submit(job(1, labels=labels, inputs={"deep": [[[{"labels": {}}]]]}))
    many = client.submit_many([job(2, labels=labels), job(3)], per_message=2)
    with Client(server.url) as another:
        for handle in (one, *many):
            assert another.attach(handle.job_id).cancel() is Cancellation.CANCELLED
    assert one.result(WAIT_S).labels == labels
    assert many[1].result(WAIT_S).labels == {}


def test_who_gives_up_may_have_the_job_cancelled(client: Client, server: ValkeyServer, redis: Redis) -> None:
    patient, impatient = client.submit_many([job(1, id="patient"), job(2, id="impatient")])
    with pytest.raises(ResultTimeout, match="the job goes on") as goes_on:
        patient.result(0)
    with pytest.raises(
        ResultTimeout, match="impatient has no result after 0 s; the job was cancelled"
    ) as ended:
        impatient.result(0, cancel=True)
    assert (goes_on.value.cancelled, ended.value.cancelled) == (False, True)
    with FakeWorker(server) as worker:
        assert patient.result(WAIT_S, cancel=True).status == "succeeded"
        assert client.run(job(3), WAIT_S, cancel=True).status == "succeeded"
    assert "default:impatient" not in worker.ran
    kept = client.get("impatient")
    assert kept is not None
    assert kept.error is not None
    assert kept.error.kind == "cancelled"


def test_a_job_whose_record_is_gone_cannot_be_cancelled(client: Client, redis: Redis) -> None:
    handle = client.submit(job(1))
    redis.flushall()
    with pytest.raises(JobUnknown):
        handle.cancel()


def test_a_result_of_a_newer_version_is_not_guessed_at(client: Client, redis: Redis) -> None:
    name = JobName("default", "one")
    redis.set(result_key(name), '{"v": 2}')
    with pytest.raises(UnreadableResult, match="upgrade"):
        client.get("one")
    with pytest.raises(UnreadableResult):
        client.attach("one").result()


def test_results_and_records_are_kept_as_long_as_the_client_asks(server: ValkeyServer, redis: Redis) -> None:
    with Client(server.url, ttl_s=1234) as client, FakeWorker(server):
        name = client.run(job(1), timeout=WAIT_S)
    assert 1200 < redis.ttl(result_key(name.name)) <= 1234
    assert 1200 < redis.ttl(record_key(name.name)) <= 1234


def test_map_yields_every_result(client: Client, worker: FakeWorker) -> None:
    results = client.map((job(number) for number in range(300)), timeout=WAIT_S, in_flight=70)
    assert sorted(result.outputs["n"] for result in results) == list(range(300))


def test_map_takes_endless_jobs_and_keeps_few_under_way(
    client: Client, worker: FakeWorker, redis: Redis
) -> None:
    made = 0

    def endless() -> Iterator[Job]:
        nonlocal made
        for made in count(1):
            yield job(made)

    for seen, _ in enumerate(islice(client.map(endless(), timeout=WAIT_S, in_flight=10), 200), start=1):
        assert made - seen < 10


def test_map_of_nothing_is_nothing(client: Client) -> None:
    assert list(client.map([])) == []
    with pytest.raises(ValueError, match="in_flight"):
        next(client.map([job(1)], in_flight=0))


def test_map_gives_up_waiting_when_asked_to(client: Client) -> None:
    with pytest.raises(ResultTimeout):
        next(client.map([job(1)], timeout=0.001))


def test_threads_share_a_client(client: Client, worker: FakeWorker) -> None:
    answers: dict[int, int] = {}

    def use(start: int) -> None:
        for number in range(start, start + 100):
            answers[number] = client.run(job(number), timeout=WAIT_S).outputs["n"]

    threads = [threading.Thread(target=use, args=(start * 100,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(400)}


def test_queues_are_apart(server: ValkeyServer, redis: Redis) -> None:
    with Client(server.url, queue="other") as client, FakeWorker(server, queue="other") as worker:
        client.run(job(1), timeout=WAIT_S)
    assert len(worker.ran) == 1


def test_a_large_job_arrives_whole(client: Client, worker: FakeWorker) -> None:
    handles = client.submit_many(job(inputs={"text": "é" * 1_000_000, "n": n}) for n in range(3))
    for number, handle in enumerate(handles):
        assert handle.result(WAIT_S).outputs == {"text": "é" * 1_000_000, "n": number}


def test_who_waits_when_the_client_is_closed_is_told(server: ValkeyServer) -> None:
    client = Client(server.url)
    handle = client.submit(job(1))
    heard: list[BaseException] = []
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        try:
            handle.result(WAIT_S)
        except ClientClosed as closed:
            heard.append(closed)

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait()
    client.close()
    thread.join()
    assert len(heard) == 1
    with pytest.raises(ClientClosed, match="closed"):
        client.submit(job(2))
    client.close()


def test_results_that_came_before_the_close_can_still_be_read(
    server: ValkeyServer, worker: FakeWorker
) -> None:
    with Client(server.url) as client:
        handle = client.submit(job(1))
        handle.result(WAIT_S)
    assert handle.result().outputs == {"n": 1}


def test_a_client_that_was_never_used_closes_without_a_connection() -> None:
    with Client("redis://localhost:1"):
        pass


@pytest.mark.parametrize("options", [{"timeout": 0}, {"ttl_s": 0}])
def test_options_without_sense_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Client(**options)  # type: ignore[arg-type]


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="scheme"):
        Client("http://localhost")


def test_neither_repr_nor_errors_tell_the_password() -> None:
    client = Client("redis://user:hunter2@localhost:1/0", timeout=0.01)
    assert repr(client) == "Client('localhost:1')"
