"""What the client does when the connection, or the server, is not what it should be."""

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cellblock_producer import Client, ClientClosed, Job, JobUnknown, Refused, Unreachable, link
from redis import Redis

from tests.producer.fake_worker import FakeWorker, answer, take
from tests.support.valkey import ValkeyServer, running_valkey

WAIT_S = 60.0
SHORT_S = 0.3


def job(number: int = 0) -> Job:
    return Job.model_validate({"language": "python3", "code": "x", "inputs": {"n": number}})


def cut_connections(redis: "Redis") -> None:
    """Kill every connection that is subscribed."""
    redis.client_kill_filter(_type="pubsub")


@contextlib.contextmanager
def silent_server(directory: Path) -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "silent.sock"))
        listener.listen()
        yield f"unix://{directory / 'silent.sock'}"


def test_results_arrive_although_the_connection_was_cut(
    client: Client, server: ValkeyServer, redis: Redis
) -> None:
    handles = client.submit_many(job(number) for number in range(300))
    cut_connections(redis)
    with FakeWorker(server):
        assert [handle.result(WAIT_S).outputs["n"] for handle in handles] == list(range(300))


def test_results_written_while_nobody_listened_are_fetched(client: Client, redis: Redis) -> None:
    handle = client.submit(job(1))
    taken = take(redis)
    # In one transaction: the connection is gone when the Result is published.
    result = answer(taken)
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.client_kill_filter(_type="pubsub")
        pipeline.set(f"cellblock:result:default:{taken.id}", result.to_json())
        pipeline.execute()
    assert handle.result(WAIT_S) == result


def test_cutting_the_connection_again_and_again_loses_nothing(
    client: Client, server: ValkeyServer, redis: Redis
) -> None:
    handles = client.submit_many(job(number) for number in range(2000))
    with FakeWorker(server):
        for handle in handles[::200]:
            cut_connections(redis)
            handle.result(WAIT_S)
        assert [handle.result(WAIT_S).outputs["n"] for handle in handles] == list(range(2000))


def test_calls_go_through_after_the_connection_was_cut(client: Client, redis: Redis) -> None:
    client.submit(job(1))
    cut_connections(redis)
    with contextlib.suppress(Unreachable):  # a call that was under way when it was cut
        client.submit(job(2))
    client.submit(job(3))


def test_a_server_that_has_forgotten_the_jobs_is_noticed(own_server: ValkeyServer) -> None:
    with Client(own_server.url) as client:
        handle = client.submit(job(1))
        own_server.stop()
        own_server.start()
        with pytest.raises(JobUnknown, match="submit it again"):
            handle.result(WAIT_S)
        with FakeWorker(own_server):
            assert client.run(job(2), timeout=WAIT_S).outputs == {"n": 2}


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with Client(f"unix://{tmp_path}/none.sock", timeout=SHORT_S) as client:
        with pytest.raises(Unreachable, match=r"none\.sock"):
            client.submit(job(1))
        with pytest.raises(ConnectionError):
            client.get("one")


def test_a_server_that_stops_is_unreachable_and_found_again(own_server: ValkeyServer) -> None:
    with Client(own_server.url, timeout=SHORT_S) as client:
        client.submit(job(1))
        own_server.stop()
        with pytest.raises(Unreachable):
            client.submit(job(2))
        own_server.start()
        with Client(own_server.url) as patient, FakeWorker(own_server):
            assert patient.run(job(3), timeout=WAIT_S).outputs == {"n": 3}


def test_a_call_waits_for_a_server_that_comes_back_in_time(own_server: ValkeyServer) -> None:
    own_server.stop()
    with Client(own_server.url, timeout=WAIT_S) as client:
        caller = threading.Thread(target=client.submit, args=(job(1),))
        caller.start()
        own_server.start()
        caller.join()
    with own_server.connect() as redis:
        assert redis.llen("cellblock") == 1


def test_a_server_that_never_answers_is_unreachable(tmp_path: Path) -> None:
    with (
        silent_server(tmp_path) as url,
        Client(url, timeout=SHORT_S) as client,
        pytest.raises(Unreachable),
    ):
        client.submit(job(1))


def test_a_server_that_stops_answering_is_unreachable(own_server: ValkeyServer) -> None:
    with Client(own_server.url, timeout=SHORT_S) as client:
        client.submit(job(1))
        with own_server.connect() as redis:
            redis.client_pause(int(WAIT_S * 1000))
        with pytest.raises(Unreachable, match="not answered"):
            client.submit(job(2))


def test_a_server_that_falls_silent_is_noticed_while_jobs_are_outstanding(
    own_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "HEARTBEAT_S", 0.05)
    with Client(own_server.url, timeout=SHORT_S) as client:
        handle = client.submit(job(1))
        os.kill(own_server.pid, signal.SIGSTOP)
        # The client has given the connection up when it makes another.
        with socket.socket(socket.AF_UNIX) as listener:
            own_server.socket.rename(own_server.directory / "aside")
            listener.bind(str(own_server.socket))
            listener.listen()
            listener.accept()[0].close()
        (own_server.directory / "aside").rename(own_server.socket)
        os.kill(own_server.pid, signal.SIGCONT)
        with FakeWorker(own_server):
            assert handle.result(WAIT_S).outputs == {"n": 1}


def test_scripts_that_the_server_lost_are_sent_again(
    client: Client, worker: FakeWorker, redis: Redis
) -> None:
    client.run(job(0), timeout=WAIT_S)
    redis.script_flush()
    handles = client.submit_many(job(number) for number in range(300))
    assert [handle.result(WAIT_S).outputs["n"] for handle in handles] == list(range(300))


def test_a_wrong_password_is_said_at_once() -> None:
    with running_valkey("--requirepass", "right") as server:
        wrong, right = (f"unix://:{word}@{server.socket}" for word in ("wrong", "right"))
        with (
            Client(wrong, timeout=WAIT_S) as client,
            pytest.raises(Refused, match="invalid username-password"),
        ):
            client.submit(job(1))
        with Client(right) as client:
            client.submit(job(1))


def test_a_server_without_memory_refuses_and_the_client_says_so(own_server: ValkeyServer) -> None:
    with Client(own_server.url) as client, own_server.connect() as redis:
        client.submit(job(1))
        redis.config_set("maxmemory", "1")
        with pytest.raises(Refused, match="maxmemory"):
            client.submit(job(2))


def test_a_user_without_the_right_to_subscribe_is_refused(server: ValkeyServer, redis: Redis) -> None:
    redis.acl_setuser("deaf", enabled=True, nopass=True, keys="*", commands=["+@all"], reset=True)
    url = f"unix://deaf:x@{server.socket}"
    with Client(url, timeout=WAIT_S) as client, pytest.raises(Refused, match=r"(?i)no permissions"):
        client.submit(job(1))


def test_a_forgotten_client_gives_up_its_connection(server: ValkeyServer, redis: Redis) -> None:
    client = Client(server.url)
    client.submit(job(1))
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "cellblock-client")
    del client
    gc.collect()
    thread.join()


def test_a_forgotten_client_does_not_keep_a_program_from_ending(server: ValkeyServer) -> None:
    program = """
        import sys
        from cellblock_producer import Client
        client = Client(sys.argv[1])
        handle = client.submit({"language": "python3", "code": "x"})
        print(handle.done())
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), server.url],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_forked_process_must_make_its_own_client(client: Client, worker: FakeWorker) -> None:
    client.run(job(1), timeout=WAIT_S)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            client.submit(job(2))
        except ClientClosed:
            client.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    # The child's end has not touched the parent's connection.
    assert client.run(job(3), timeout=WAIT_S).outputs == {"n": 3}
