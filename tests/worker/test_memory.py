"""The server refuses to write for a while: nothing is lost, and no attempt is charged for it."""

import time

import redis
from cellblock_producer import Client
from cellblock_producer.contract import Job
from cellblock_producer.keys import record_key
from cellblock_worker.embedded import EmbeddedServer

from tests.worker.harness import WorkerProcess, wait_for


def test_a_result_waits_for_memory(server: EmbeddedServer, client: redis.Redis) -> None:
    with WorkerProcess(server.url).wait_until_ready(), Client(server.url) as producer:
        running = producer.submit(Job.model_validate({"language": "python3", "code": "slow"}))
        waiting = producer.submit_many([{"language": "python3", "code": "slow"}] * 4)
        wait_for(lambda: client.hget(record_key(running.name), "state") == b"running")
        client.config_set("maxmemory", "1")
        time.sleep(3)  # the job ends meanwhile
        assert client.zcard("cellblock:leases") == 2
        client.config_set("maxmemory", "0")
        results = [handle.result(60) for handle in (running, *waiting)]
    assert [(result.error, result.attempts) for result in results] == [(None, 1)] * 5
