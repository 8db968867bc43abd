"""A Docker engine, ours for the time being where none runs, and an image that holds next to nothing."""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Self

_IMAGE = "cellblock-hosts"
_START_S = 60
_FOLDERS = {
    "etc": 0o755,
    "etc/ssl": 0o755,
    "tmp": 0o1777,
    "proc": 0o555,
    "sys": 0o555,
    "dev": 0o755,
    "usr": 0o755,
}
_FILES = ("etc/ld.so.cache", "etc/ssl/openssl.cnf")  # of this host, where it has them
_USERS = b"root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n"


class NoDocker(Exception):
    """There is no Docker here, or it does not work."""


class Engine:
    """Use it as a context manager; raises NoDocker."""

    def __enter__(self) -> Self:
        self.environ = dict(os.environ)
        with ExitStack() as stack:
            if shutil.which("docker") is None:
                raise NoDocker("there is no command docker; on Debian: apt-get install docker.io")
            if self._call("info", "--format", "{{.ServerVersion}}").returncode:
                self._start(stack)
            imported = self._call("import", "-", _IMAGE, input=_image())
            if imported.returncode:
                raise NoDocker(f"docker import fails: {imported.stderr.decode().strip()}")
            stack.callback(self._call, "image", "rm", _IMAGE)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, mounts: list[str], environ: dict[str, str], options: tuple[str, ...]) -> list[str]:
        """The command that runs what follows it in a container."""
        shown = [part for folder in mounts for part in ("--volume", f"{folder}:{folder}:ro")]
        told = [part for name, value in environ.items() for part in ("--env", f"{name}={value}")]
        # No network is set up for it: that takes changes to this host's.
        return [
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            *options,
            *shown,
            *told,
            "--workdir",
            "/",
            _IMAGE,
        ]

    def _call(self, *arguments: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:  # noqa: A002
        return subprocess.run(
            ["docker", *arguments], env=self.environ, input=input, capture_output=True, check=False
        )

    def _start(self, stack: ExitStack) -> None:
        """An engine of our own, which leaves the host's network alone."""
        if os.geteuid() != 0 or shutil.which("dockerd") is None:
            raise NoDocker("no Docker engine answers, and only root with dockerd at hand can start one")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        self.environ["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
        log = stack.enter_context((folder / "log").open("w+"))
        command = ["dockerd", "--host", self.environ["DOCKER_HOST"], "--pidfile", f"{folder}/pid"]
        command += [
            "--data-root",
            f"{folder}/data",
            "--exec-root",
            f"{folder}/exec",
            "--storage-driver",
            "vfs",
        ]
        command += ["--bridge", "none", "--iptables=false", "--ip6tables=false"]
        engine = subprocess.Popen(command, stdout=log, stderr=log)
        stack.callback(engine.wait)
        stack.callback(engine.terminate)
        pause = threading.Event()
        for _ in range(_START_S * 5):
            if engine.poll() is None and self._call("info").returncode == 0:
                return
            pause.wait(0.2)
        log.seek(0)
        raise NoDocker(f"the Docker engine does not start: {log.read()[-500:]}")


def _image() -> bytes:
    """Folders to mount on, two users, this host's links into /usr and files that libraries look for."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, mode in _FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        for path in (Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64")):
            if path.is_symlink():
                archive.add(path, path.name)
        for name in _FILES:
            if Path("/", name).exists():
                archive.add(f"/{name}", name)
        users = tarfile.TarInfo("etc/passwd")
        users.size = len(_USERS)
        archive.addfile(users, io.BytesIO(_USERS))
    return content.getvalue()
