"""What the asyncio client does when the connection, or the server, is not what it should be."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cellblock_producer import AsyncClient, JobUnknown, Refused, Unreachable, async_wire
from redis import Redis

from tests.producer.aio import SHORT_S, WAIT_S, in_loop, is_idle, job, until
from tests.producer.fake_worker import FakeWorker, answer, take
from tests.support.valkey import ValkeyServer, running_valkey


def cut_connections(redis: "Redis") -> None:
    """Kill every connection that is subscribed."""
    redis.client_kill_filter(_type="pubsub")


@in_loop
async def test_results_arrive_although_the_connection_was_cut(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        handles = await client.submit_many(job(number) for number in range(300))
        waiting = asyncio.gather(*(handle.result(WAIT_S) for handle in handles))
        await asyncio.sleep(0)
        cut_connections(redis)
        with FakeWorker(server):
            assert [result.outputs["n"] for result in await waiting] == list(range(300))
        assert is_idle(client)


@in_loop
async def test_results_written_while_nobody_listened_are_fetched(server: ValkeyServer, redis: Redis) -> None:
    async with AsyncClient(server.url) as client:
        handle = await client.submit(job(1))
        result = answer(taken := take(redis))
        # In one transaction: the connection is gone when the Result is published.
        with redis.pipeline(transaction=True) as pipeline:
            pipeline.client_kill_filter(_type="pubsub")
            pipeline.set(f"cellblock:result:default:{taken.id}", result.to_json())
            pipeline.execute()
        assert await handle.result(WAIT_S) == result


@in_loop
async def test_cutting_the_connection_again_and_again_loses_nothing(
    server: ValkeyServer, redis: Redis
) -> None:
    async with AsyncClient(server.url) as client:
        handles = await client.submit_many(job(number) for number in range(2000))
        with FakeWorker(server):
            for handle in handles[::200]:
                cut_connections(redis)
                await handle.result(WAIT_S)
            answers = [(await handle.result(WAIT_S)).outputs["n"] for handle in handles]
        assert answers == list(range(2000))
        with suppress(Unreachable):  # a call that was under way when the connection was cut
            await client.submit(job(2))
        await client.submit(job(3))


@in_loop
async def test_a_server_that_restarts_while_a_job_is_awaited_is_found_again() -> None:
    with running_valkey("--appendonly", "yes", "--appendfsync", "always") as server:
        async with AsyncClient(server.url) as client:
            waiting = asyncio.create_task((await client.submit(job(1))).result(WAIT_S))
            await asyncio.sleep(0)
            server.stop()
            server.start()
            with FakeWorker(server):
                assert (await waiting).outputs == {"n": 1}


@in_loop
async def test_a_server_that_has_forgotten_the_jobs_is_noticed(own_server: ValkeyServer) -> None:
    async with AsyncClient(own_server.url) as client:
        handle = await client.submit(job(1))
        own_server.stop()
        own_server.start()
        with pytest.raises(JobUnknown, match="submit it again"):
            await handle.result(WAIT_S)
        with FakeWorker(own_server):
            assert (await client.run(job(2), timeout=WAIT_S)).outputs == {"n": 2}


@in_loop
async def test_a_server_that_is_not_there_is_unreachable_in_time(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncClient(f"unix://{tmp_path}/none.sock", timeout=SHORT_S) as client:
        start = loop.time()
        calls = [client.submit(job(number)) for number in range(1000)]
        failures = await asyncio.gather(*calls, return_exceptions=True)
        taken = loop.time() - start
        assert {type(failure) for failure in failures} == {Unreachable}
        assert "none.sock" in str(failures[0])
        assert SHORT_S <= taken + 0.01 < WAIT_S
        with pytest.raises(ConnectionError):
            await client.get("one")
        assert is_idle(client)


@in_loop
async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{bound.getsockname()[1]}"
        async with AsyncClient(url, timeout=SHORT_S) as client:
            with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
                await client.submit(job(1))


@in_loop
async def test_a_server_that_stops_is_unreachable_and_found_again(own_server: ValkeyServer) -> None:
    async with AsyncClient(own_server.url, timeout=SHORT_S) as client:
        await client.submit(job(1))
        own_server.stop()
        with pytest.raises(Unreachable):
            await client.submit(job(2))
        own_server.start()
    async with AsyncClient(own_server.url, timeout=WAIT_S) as client:
        with FakeWorker(own_server):
            assert (await client.run(job(3), timeout=WAIT_S)).outputs == {"n": 3}


@in_loop
async def test_a_call_waits_for_a_server_that_comes_back_in_time(own_server: ValkeyServer) -> None:
    own_server.stop()
    async with AsyncClient(own_server.url, timeout=WAIT_S) as client:
        call = asyncio.create_task(client.submit(job(1)))
        await asyncio.sleep(0.01)
        own_server.start()
        await call
    with own_server.connect() as redis:
        assert redis.llen("cellblock") == 1


@in_loop
async def test_a_server_that_never_answers_is_unreachable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "silent.sock"))
        listener.listen()
        async with AsyncClient(f"unix://{tmp_path}/silent.sock", timeout=SHORT_S) as client:
            with pytest.raises(Unreachable):
                await client.submit(job(1))


@in_loop
async def test_a_server_that_stops_answering_is_unreachable(own_server: ValkeyServer) -> None:
    async with AsyncClient(own_server.url, timeout=SHORT_S) as client:
        await client.submit(job(1))
        with own_server.connect() as redis:
            redis.client_pause(int(WAIT_S * 1000))
        with pytest.raises(Unreachable, match="not answered"):
            await client.submit(job(2))


@in_loop
async def test_a_server_that_falls_silent_is_noticed_while_jobs_are_outstanding(
    own_server: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_wire, "HEARTBEAT_S", 0.05)
    async with AsyncClient(own_server.url, timeout=SHORT_S) as client:
        handle = await client.submit(job(1))
        os.kill(own_server.pid, signal.SIGSTOP)
        # The client has given the connection up when it makes another.
        connected = asyncio.Event()
        own_server.socket.rename(own_server.directory / "aside")

        def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()
            connected.set()

        stand_in = await asyncio.start_unix_server(note, str(own_server.socket))
        await connected.wait()
        stand_in.close()
        await stand_in.wait_closed()
        (own_server.directory / "aside").rename(own_server.socket)
        os.kill(own_server.pid, signal.SIGCONT)
        with FakeWorker(own_server):
            assert (await handle.result(WAIT_S)).outputs == {"n": 1}


@in_loop
async def test_an_idle_connection_is_kept_alive(
    server: ValkeyServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_wire, "HEARTBEAT_S", 0.01)
    async with AsyncClient(server.url) as client:
        await client.submit(job(1))
        await until(lambda: "ping" in {each["cmd"] for each in redis.client_list(_type="pubsub")})


@in_loop
async def test_scripts_that_the_server_lost_are_sent_again(
    server: ValkeyServer, worker: FakeWorker, redis: Redis
) -> None:
    async with AsyncClient(server.url) as client:
        await client.run(job(0), timeout=WAIT_S)
        redis.script_flush()
        handles = await client.submit_many(job(number) for number in range(300))
        assert [(await handle.result(WAIT_S)).outputs["n"] for handle in handles] == list(range(300))


@in_loop
async def test_a_wrong_password_is_said_at_once() -> None:
    with running_valkey("--requirepass", "right") as server:
        wrong, right = (f"unix://:{word}@{server.socket}?db=3" for word in ("wrong", "right"))
        async with AsyncClient(wrong, timeout=WAIT_S) as client:
            with pytest.raises(Refused, match="invalid username-password"):
                await client.submit(job(1))
        async with AsyncClient(f"{right}&client_name=engine") as client:
            await client.submit(job(1))
            with Redis.from_url(right) as redis:
                assert redis.llen("cellblock") == 1
                assert "engine" in {each["name"] for each in redis.client_list()}


@in_loop
async def test_a_server_without_memory_refuses_and_the_client_says_so(own_server: ValkeyServer) -> None:
    async with AsyncClient(own_server.url) as client:
        await client.submit(job(1))
        with own_server.connect() as redis:
            redis.config_set("maxmemory", "1")
        with pytest.raises(Refused, match="maxmemory"):
            await client.submit(job(2))


@in_loop
async def test_a_user_without_the_right_to_subscribe_is_refused(server: ValkeyServer, redis: Redis) -> None:
    redis.acl_setuser("deaf", enabled=True, nopass=True, keys="*", commands=["+@all"], reset=True)
    async with AsyncClient(f"unix://deaf:x@{server.socket}", timeout=WAIT_S) as client:
        with pytest.raises(Refused, match=r"(?i)no permissions"):
            await client.submit(job(1))


@asynccontextmanager
async def tls_in_front_of(server: ValkeyServer, directory: Path) -> AsyncIterator[str]:
    """Run a TLS server with a certificate of its own that passes everything on. Yields the URL."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    command = (
        f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {certificate}"
    )
    command += " -addext subjectAltName=DNS:localhost"
    await asyncio.to_thread(subprocess.run, ["openssl", *command.split()], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(server.socket))
        await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))

    proxy = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    async with proxy:
        port = proxy.sockets[0].getsockname()[1]
        yield f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}"


@in_loop
async def test_tls_checks_the_certificate(server: ValkeyServer, worker: FakeWorker, tmp_path: Path) -> None:
    async with tls_in_front_of(server, tmp_path) as url:
        async with AsyncClient(url) as client:
            results = client.map((job(number) for number in range(300)), timeout=WAIT_S)
            assert sorted([result.outputs["n"] async for result in results]) == list(range(300))
        async with AsyncClient(url.partition("?")[0], timeout=SHORT_S) as client:
            with pytest.raises(Unreachable, match="certificate"):
                await client.submit(job(1))


@in_loop
async def test_a_server_that_hangs_up_on_everyone_is_unreachable_in_time(tmp_path: Path) -> None:
    def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    path = str(tmp_path / "rude.sock")
    async with (
        await asyncio.start_unix_server(hang_up, path),
        AsyncClient(f"unix://{path}", timeout=SHORT_S) as client,
    ):
        calls = [client.submit(job(number)) for number in range(10)]
        failures = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(failure) for failure in failures} == {Unreachable}


@in_loop
async def test_what_is_no_redis_server_is_unreachable(tmp_path: Path) -> None:
    def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    path = str(tmp_path / "web.sock")
    async with (
        await asyncio.start_unix_server(talk, path),
        AsyncClient(f"unix://{path}", timeout=SHORT_S) as client,
    ):
        with pytest.raises(Unreachable, match="Protocol error"):
            await client.submit(job(1))


@in_loop
async def test_a_user_without_the_right_to_load_scripts_is_served(
    server: ValkeyServer, worker: FakeWorker, redis: Redis
) -> None:
    redis.script_flush()
    commands = ["+@all", "-script"]
    redis.acl_setuser(
        "plain", enabled=True, nopass=True, keys="*", channels="*", commands=commands, reset=True
    )
    async with AsyncClient(f"unix://plain:x@{server.socket}") as client:
        handles = await client.submit_many(job(number) for number in range(300))
        assert [(await handle.result(WAIT_S)).outputs["n"] for handle in handles] == list(range(300))
