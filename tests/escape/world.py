"""What is worth attacking around a cell: files, sockets and processes, and whether they suffered."""

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from cellblock_sandbox import python_runtime
from cellblock_sandbox.runtime import Runtime

SECRET = "what no cell may learn"

# Calls that attacks make by number; a machine's numbers are known outside only.
CALLS = """
    accept4 add_key bind bpf chmod clock_getres clock_gettime clock_nanosleep clone clone3 connect execve
    execveat exit fallocate fcntl flock fork ftruncate futex getpgid getpriority getsid getsockopt
    init_module inotify_init1 io_setup io_uring_enter io_uring_register io_uring_setup ioctl ioprio_set
    kcmp keyctl kill landlock_create_ruleset landlock_restrict_self listen memfd_create memfd_secret
    mincore mknodat mlock mlockall mmap mount move_mount mprotect mq_notify mq_open mq_unlink msgget
    msgrcv msgsnd open_by_handle_at openat openat2 perf_event_open personality pidfd_getfd pidfd_open
    pidfd_send_signal pipe2 pivot_root pkey_mprotect prctl prlimit64 process_madvise process_mrelease
    process_vm_readv process_vm_writev ptrace quotactl_fd reboot recvmsg remap_file_pages request_key
    rt_sigqueueinfo rt_tgsigqueueinfo sched_getaffinity sched_getscheduler sched_setaffinity sched_setattr
    sched_setscheduler seccomp semget semop sendmsg sendto setns setpgid setpriority setresuid setsid
    setsockopt setuid shmat shmctl shmget signalfd4 socket socketpair splice swapon sync tgkill
    timer_create tkill umount2 unshare uselib userfaultfd utimensat vfork vmsplice wait4 waitid write
"""


class World:
    """Made before the attacks, looked at after each; `runtime` is the Python one where none is given."""

    def __init__(self, runtime: Runtime | None = None) -> None:
        self._runtime = runtime or python_runtime()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self.folder.chmod(0o777)
            self.file = self.folder / "secret"
            self.file.write_text(SECRET)
            self.file.chmod(0o666)
            self._before = self._files()
            self._sockets = self._listen(stack)
            self._stranger = stack.enter_context(_stranger())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def keep(self, thing: AbstractContextManager[object]) -> None:
        """Have something closed when all of it is."""
        self._stack.enter_context(thing)

    def inputs(self, zygote: int | None) -> dict[str, Any]:
        """What an attacker may be assumed to know."""
        return {
            "secret_file": str(self.file),
            "folder": str(self.folder),
            "folders": _folders_of_the_host(self._runtime),
            "tcp_port": self._tcp.getsockname()[1],
            "stream_path": self._path("stream"),
            "datagram_path": self._path("datagram"),
            "abstract": self._abstract.getsockname().decode("latin-1"),
            "owner": os.getpid(),
            "zygote": zygote,
            "stranger": self._stranger.pid,
            "nr": numbers(),
        }

    def damage(self) -> list[str]:
        """What is not as it was; empty when all is well."""
        found = []
        if self._files() != self._before:
            found.append(f"files changed from {self._before} to {self._files()}")
        if self._stranger.poll() is not None:
            found.append("a process of the host died")
        for name, listening in self._sockets.items():
            with suppress(BlockingIOError):
                if listening.type == socket.SOCK_STREAM:
                    listening.accept()[0].close()
                else:
                    listening.recv(100)
                found.append(f"something reached the {name} socket")
        return found

    def _files(self) -> list[object]:
        names = sorted(path.name for path in self.folder.iterdir() if path == self.file or "new" in path.name)
        if "secret" not in names:
            return [names]
        status = self.file.stat()
        facts = (status.st_mode, status.st_uid, status.st_mtime_ns, status.st_nlink)
        return [names, self.file.read_text(), *facts]

    def _path(self, name: str) -> str:
        return str(self.folder / name)

    def _listen(self, stack: ExitStack) -> dict[str, socket.socket]:
        self._tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stream = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        stream.bind(self._path("stream"))
        datagram = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        datagram.bind(self._path("datagram"))
        self._abstract = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        self._abstract.bind(b"")
        for path in ("stream", "datagram"):
            (self.folder / path).chmod(0o777)
        for listening in (self._tcp, stream, self._abstract):
            listening.listen()
        sockets = {"tcp": self._tcp, "stream": stream, "datagram": datagram, "abstract": self._abstract}
        for one in sockets.values():
            one.setblocking(False)
        return sockets


def _folders_of_the_host(runtime: Runtime) -> list[str]:
    """Folders that a root of our own has no reason to have: none of them leads to the runtime's files."""
    used = {Path(tree.path).parts[1] for tree in runtime.trees}
    names = ("etc", "tmp", "home", "proc", "dev", "sys", "boot", "var", "media", "srv")
    return [f"/{name}" for name in names if name not in used]


def numbers() -> dict[str, int]:
    """This machine's number of each call, -1 where it has none."""
    import pyseccomp

    architecture = pyseccomp.system_arch()
    return {name: pyseccomp.resolve_syscall(architecture, name) for name in CALLS.split()}


class _stranger(subprocess.Popen[bytes]):  # noqa: N801 - stands for a function
    """A process of the same user that waits until it is closed."""

    def __init__(self) -> None:
        super().__init__(
            [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
        )
