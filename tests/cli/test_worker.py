"""`cellblock worker`: what it refuses, and how it ends."""

from cellblock_producer import Client
from cellblock_producer.keys import record_key
from redis import Redis

from tests.cli.test_run import cellblock_on_bare_host
from tests.support.stack import Stack, cellblock
from tests.worker.harness import wait_for


def test_a_host_without_the_required_layers_exits_3_before_a_job_is_taken() -> None:
    done = cellblock_on_bare_host("worker", "--redis", "redis://127.0.0.1:1/0")
    assert done.returncode == 3, done.stderr
    assert "the worker does not start" in done.stderr


def test_bad_settings_exit_2() -> None:
    done = cellblock("worker", "--concurrency", "0")
    assert done.returncode == 2
    assert "CONCURRENCY" in done.stderr


def test_sigterm_finishes_the_job_in_hand_and_exits_0() -> None:
    with Stack() as stack, Client(stack.url) as client:
        code = "import time\ndef main(s):\n    print('running')\n    time.sleep(s)\n    return {'slept': s}\n"
        assert client.run({"language": "python3", "code": code, "inputs": {"s": 0}}, timeout=30).outputs
        handle = client.submit({"language": "python3", "code": code, "inputs": {"s": 1.5}})
        with Redis.from_url(stack.url) as redis:
            wait_for(lambda: redis.hget(record_key(handle.name), "state") == b"running")
        assert stack.stop_worker() == 0
        assert handle.result(timeout=5).outputs == {"slept": 1.5}
