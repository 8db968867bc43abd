import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from cellblock_worker.embedded import EmbeddedServer

from tests.support.processes import seen
from tests.worker.harness import wait_for

# Starts a server, says where, and then is killed or interrupted.
OWNER = """
import signal
from cellblock_worker.embedded import EmbeddedServer
with EmbeddedServer() as server:
    print(server.pid, server.url, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("tcp", [False, True])
def test_serves_and_leaves_nothing(tcp: bool) -> None:
    with EmbeddedServer(tcp=tcp) as server:
        with redis.Redis.from_url(server.url) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        process, folder = seen(server.pid), Path(f"/proc/{server.pid}/cwd").resolve()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not process.lives
    assert not folder.exists()


def test_tcp_wants_the_password() -> None:
    with EmbeddedServer(tcp=True) as server:
        port = int(server.url.rsplit(":", 1)[1].split("/")[0])
        with redis.Redis(port=port) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_password_is_in_no_argument_list() -> None:
    with EmbeddedServer(tcp=True) as server:
        password = server.url.split(":")[2].split("@")[0]
        assert password not in Path(f"/proc/{server.pid}/cmdline").read_text()


@pytest.mark.parametrize("crash", [False, True])
def test_append_only_file_survives_a_restart(crash: bool) -> None:
    with EmbeddedServer(append_only=True) as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        server.restart(crash=crash)
        assert client.get("key") == b"value"


def test_refuses_writes_above_maxmemory() -> None:
    with EmbeddedServer(maxmemory_mb=8) as server, redis.Redis.from_url(server.url) as client:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            for number in range(100):
                client.set(f"key {number}", b"x" * 1_000_000)
        assert client.get("key 0") is not None


def test_folder_with_a_long_path_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with EmbeddedServer() as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_dies_with_its_owner(signum: int) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert owner.stdout is not None
    with owner.stdout as out:
        pid, url = out.readline().decode().split()
    server = seen(int(pid))
    owner.send_signal(signum)
    owner.wait()
    assert wait_for(lambda: not server.lives)
    folder = Path(url.removeprefix("unix://")).parent
    assert folder.exists() == (signum != signal.SIGINT)
    shutil.rmtree(folder, ignore_errors=True)
