"""Attacks on files: to read, to change, to watch, to reach them by another way."""

from tests.escape.attack import CLOSED, Attack

FILES = [
    Attack(
        name="read files of the host",
        code="""
def attack():
    for path in ("/etc/passwd", "/etc/shadow", "/etc/hostname", "/proc/self/environ", "/proc/self/maps",
                 "/proc/self/mem", "/proc/1/environ", f"/proc/{w['owner']}/environ",
                 f"/proc/{w['owner']}/mem", f"/proc/{w['zygote']}/environ", f"/proc/{os.getppid()}/maps",
                 "/sys/kernel/notes", "/dev/zero", "/dev/tty", "/dev/urandom", w["secret_file"],
                 "/proc/self/root" + w["secret_file"]):
        tried(path, lambda: open(path, "rb").read(10))
""",
        errnos=CLOSED,
        proofs=17,
    ),
    Attack(
        name="list folders of the host",
        code="""
def attack():
    for path in (*w["folders"][:6], w["folder"]):
        tried(path, os.listdir, path)
    of_host = {path.strip("/") for path in w["folders"]}  # a root of our own has none of them
    tried("/", lambda: of_host & set(os.listdir("/")) or os.listdir("/nowhere"))
    tried("chdir", os.chdir, w["folder"])
    tried("chroot", os.chroot, w["folder"])
""",
        errnos=CLOSED,
        proofs=10,
    ),
    Attack(
        name="reach a file by a descriptor of its path",
        code="""
def attack():
    try:
        fd = os.open(w["secret_file"], os.O_PATH)
    except OSError as error:
        evidence.append(["O_PATH", "errno", error.errno])
        return
    tried("by /proc", lambda: os.read(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY), 10))
    tried("execve", os.execve, fd, ["x"], {})
    tried("read", os.read, fd, 10)
    tried("fchmod", os.fchmod, fd, 0)
""",
        errnos=CLOSED | {9},
    ),
    Attack(
        name="change the file",
        code="""
def attack():
    path = w["secret_file"]
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_TRUNC,
                  os.O_RDONLY | os.O_TRUNC, os.O_RDONLY | os.O_CREAT, 3):
        tried(f"open {flags:o}", os.open, path, flags)
    tried("truncate", os.truncate, path, 0)
    tried("chmod", os.chmod, path, 0)
    tried("chown", os.chown, path, 1, 1)
    tried("utime", os.utime, path, (1, 1))
    tried("setxattr", os.setxattr, path, "user.x", b"1")
    tried("rename", os.rename, path, path + "-new")
    tried("unlink", os.unlink, path)
    tried("link", os.link, path, path + "-new")
    tried("symlink", os.symlink, path, path + "-new")
""",
        errnos=CLOSED,
        proofs=16,
    ),
    Attack(
        name="make files",
        code="""
def attack():
    for folder in (w["folder"], "/tmp", "/dev/shm", "/var/tmp", ".", "/", os.path.dirname(os.__file__)):
        tried(folder, lambda: open(folder + "/new", "w"))
        tried(folder, os.mkdir, folder + "/new")
        tried(folder, os.mkfifo, folder + "/new")
        tried(folder, os.open, folder, os.O_TMPFILE | os.O_RDWR)
        tried(folder, os.symlink, "x", folder + "/new")
    call("mknodat", -100, (w["folder"] + "/new").encode(), 0o20666, 0x103)
""",
        errnos=CLOSED,
        proofs=36,
    ),
    Attack(
        name="change the runtime's own files",
        code="""
def attack():
    import json
    for path in (os.__file__, json.__file__, sys.executable):
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
            tried(path, os.open, path, flags)
        tried("chmod", os.chmod, path, 0o777)
        tried("utime", os.utime, path)
        tried("unlink", os.unlink, path)
""",
        errnos=CLOSED,
        proofs=18,
    ),
    Attack(
        name="lock, watch and flush what may be read",
        code="""
def attack():
    import fcntl
    fd = os.open(os.__file__, os.O_RDONLY)
    tried("flock", fcntl.flock, fd, fcntl.LOCK_SH)
    tried("lock", fcntl.lockf, fd, fcntl.LOCK_SH)
    tried("lease", fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    tried("notify", fcntl.fcntl, fd, fcntl.F_NOTIFY, 1)
    tried("owner", fcntl.fcntl, fd, fcntl.F_SETOWN, os.getppid())
    by_libc("inotify", libc.inotify_init())
    tried("drop its cache", os.posix_fadvise, fd, 0, 0, os.POSIX_FADV_DONTNEED)
    call("sync")
    tried("fsync", os.fsync, fd)
""",
        errnos=CLOSED,
        proofs=9,
    ),
    Attack(
        name="look through /proc",
        code="""
def attack():
    for pid in (w["owner"], w["zygote"], w["stranger"], os.getppid()):
        for name in ("exe", "cwd", "root", "fd/0", "fd/3", "ns/pid"):
            tried(f"{pid}/{name}", os.readlink, f"/proc/{pid}/{name}")
        for name in ("cmdline", "status", "stat", "io", "fdinfo/3"):
            tried(f"{pid}/{name}", lambda: open(f"/proc/{pid}/{name}").read())
""",
        errnos=CLOSED | {20},
        proofs=44,
    ),
]
