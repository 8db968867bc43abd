"""Attacks of somebody who broke V8: any system call, any memory, any machine code. See `native.c`."""

from cellblock_sandbox import Limits, Verdict

from tests.escape.attack import EACCES, EBADF, ENOSYS, EPERM, Attack
from tests.escape.attacks_calls import DEADLY

ONLY_EPERM: frozenset[int | str] = frozenset({EPERM})
_SMALL = Limits(wall_ms=9_000, cpu_ms=9_000, memory_mb=64)

CALLS = [
    Attack(
        name=f"native: call {name}",
        code=f"async function attack() {{ call('{name}', 0, 0, 0, 0, 0); }}",
        verdict=Verdict.BLOCKED,
    )
    for name in DEADLY.split()
]

NATIVE = [
    *CALLS,
    Attack(
        name="native: calls that are newer than the table",
        code="""
async function attack() {
  for (const name of ['io_uring_setup', 'io_uring_enter', 'io_uring_register', 'clone3', 'openat2',
    'process_madvise', 'process_mrelease', 'quotactl_fd', 'pkey_mprotect']) call(name, 0, 0, 0, 0, 0);
  by('far beyond', native.syscall(100_000));
}
""",
        errnos=frozenset({ENOSYS}),
        proofs=10,
    ),
    Attack(
        name="native: a call of the x32 interface",
        code="async function attack() { by('x32 getpid', native.syscall(0x40000000 + 39)); }",
        verdict=Verdict.BLOCKED,
    ),
    Attack(
        name="native: a call of the 32-bit interface",
        code="""
async function attack() {
  const code = Buffer.alloc(4096);
  Buffer.from('b814000000cd80c3', 'hex').copy(code);  // mov eax, 20 (getpid); int 0x80; ret
  by('int 0x80', native.run(code));
}
""",
        verdict=Verdict.BLOCKED,
    ),
    Attack(
        name="native: processes and threads",
        code="""
async function attack() {
  call('fork');
  call('vfork');
  // SIGCHLD alone, beside oneself, as vfork does, in a user namespace; three kinds of threads
  for (const flags of [17, 0x8011, 0x4111, 0x10000011, 0x12900, 0x7d0f00, 0x3d0f00])
    call('clone', flags, 0, 0, 0, 0);
  call('execve', Buffer.from(process.execPath + '\\0'), 0, 0);
  call('execveat', 3, Buffer.alloc(8), 0, 0, 0x1000);
}
""",
        errnos=ONLY_EPERM,
        proofs=11,
    ),
    Attack(
        name="native: signal others",
        code="""
async function attack() {
  const info = Buffer.alloc(128);
  for (const pid of [process.ppid, w.zygote, w.stranger, w.owner]) {
    for (const one of [pid, -pid, BigInt(pid) + (1n << 32n)]) call('kill', one, 9);
    call('tgkill', pid, pid, 9);
    call('tkill', pid, 9);
    call('rt_sigqueueinfo', pid, 9, info);
    call('rt_tgsigqueueinfo', pid, pid, 9, info);
    call('pidfd_open', pid, 0);
    call('pidfd_send_signal', 3, 9, 0, 0);
    call('pidfd_getfd', 3, 0, 0);
  }
  call('tkill', process.pid, 9);
  call('kill', 0, 9);
  call('kill', -1, 9);
}
""",
        errnos=ONLY_EPERM,
        proofs=43,
    ),
    Attack(
        name="native: signal every number",
        code="""
async function attack() {
  const came = new Set();
  for (let pid = -5000; pid < 5000; pid++)
    for (const name of ['kill', 'tkill'])
      if (pid !== process.pid) came.add(native.syscall(w.nr[name], pid, 9));
  for (const one of came) by('kill', one);
}
""",
        errnos=ONLY_EPERM,
    ),
    Attack(
        name="native: change others",
        code="""
async function attack() {
  const room = Buffer.alloc(128);
  for (const pid of [process.ppid, w.zygote, w.stranger]) {
    call('prlimit64', pid, 0, room, 0);
    call('sched_setaffinity', pid, 8, room);
    call('sched_setscheduler', pid, 5, room);
    call('sched_setattr', pid, room, 0);
    call('setpriority', 0, pid, 19);
    call('ioprio_set', 1, pid, 0);
    call('setpgid', pid, 0);
  }
}
""",
        errnos=ONLY_EPERM,
        proofs=21,
    ),
    Attack(
        name="native: loosen the locks",
        code="""
async function attack() {
  for (const [option, value] of [[1, 0], [4, 1], [8, 1], [22, 2], [23, 0], [26, 1], [28, 0], [35, 1], [36, 1],
    [47, 2], [53, 1], [0x59616d61, -1], [0x53564d41, 0]]) call('prctl', option, value, 0, 0, 0);
  call('seccomp', 1, 0, Buffer.alloc(16));
  call('seccomp', 1, 8, Buffer.alloc(16));
  call('landlock_create_ruleset', 0, 0, 1);
  call('landlock_restrict_self', 3, 0);
  call('personality', 0x0400000);
  call('setuid', 0);
  call('setresuid', 0, 0, 0);
  call('setsid');
}
""",
        errnos=ONLY_EPERM,
        proofs=21,
    ),
    Attack(
        name="native: raise its own limits",
        code="""
async function attack() {
  const limits = Buffer.alloc(16);
  for (const resource of [0, 1, 2, 3, 4, 7, 8, 11, 12]) {
    native.syscall(w.nr.prlimit64, 0, resource, 0, limits);
    const hard = limits.readBigUInt64LE(8);
    for (const wanted of [hard + 1n, 2n ** 64n - 1n]) {
      limits.writeBigUInt64LE(BigInt.asUintN(64, wanted), 8);
      call('prlimit64', 0, resource, limits, 0);
    }
  }
}
""",
        errnos=ONLY_EPERM,
        proofs=18,
    ),
    Attack(
        name="native: sockets",
        code="""
async function attack() {
  for (const family of [1, 2, 10, 16, 17, 21, 31, 38, 40, 44])
    for (const kind of [1, 2, 3, 5]) call('socket', family, kind, 0);
  const pair = Buffer.alloc(8);
  for (const kind of [2, 3, 5, 2 | 0o4000]) call('socketpair', 1, kind, 0, pair);
  for (const family of [2, 10, 30]) call('socketpair', family, 1, 0, pair);
}
""",
        errnos=ONLY_EPERM,
        proofs=47,
    ),
    Attack(
        name="native: redirect the channel or a pair, and send descriptors",
        code="""
async function attack() {
  const pair = Buffer.alloc(8);
  native.syscall(w.nr.socketpair, 1, 1, 0, pair);
  const message = Buffer.alloc(64);
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(w.datagram_path), Buffer.alloc(8)]);
  const option = Buffer.from([4, 0, 0, 0]);
  for (const fd of [3, pair.readInt32LE(0)]) {
    call('connect', fd, address, address.length);
    call('bind', fd, address, address.length);
    call('listen', fd, 1);
    call('accept4', fd, 0, 0, 0);
    call('sendto', fd, message, 1, 0, address, address.length);
    call('sendmsg', fd, message, 0);
    call('recvmsg', fd, message, 0);
    call('setsockopt', fd, 1, 16, option, 4);
    for (const name of [17, 59, 77]) call('getsockopt', fd, 1, name, message, option);  // ids, groups, pidfd
  }
}
""",
        errnos=ONLY_EPERM,
        proofs=22,
    ),
    Attack(
        name="native: files",
        code="""
async function attack() {
  const secret = Buffer.from(w.secret_file + '\\0');
  for (const flags of [1, 2, 3, 0o100, 0o1000, 0o20200000 | 2]) call('openat', -100, secret, flags, 0o666);
  for (const flags of [0, 0o10000000 | 0o4000, 0o200000]) {
    const got = native.syscall(w.nr.openat, -100, secret, flags, 0);
    if (got < 0) by('openat', got);
  }
  call('utimensat', -100, secret, 0, 0);
  call('chmod', secret, 0);
  call('mknodat', -100, Buffer.from(w.folder + '/new\\0'), 0o20666, 0x103);
  const own = fs.openSync(process.execPath);
  call('flock', own, 1);
  for (const command of [5, 6, 7, 8, 10, 1024, 1026, 1031, 1033])
    call('fcntl', own, command, Buffer.alloc(64));
  call('ftruncate', own, 0);
  call('fallocate', own, 0, 0, 1);
  call('splice', own, 0, 1, 0, 1, 0);
  call('vmsplice', 1, Buffer.alloc(16), 1, 0);
  call('inotify_init1', 0);
  call('sync');
}
""",
        errnos=frozenset({EPERM, EACCES, 2, 20}),
        proofs=23,
    ),
    Attack(
        name="native: a path's descriptor",
        code="""
async function attack() {
  const fd = native.syscall(w.nr.openat, -100, Buffer.from(w.secret_file + '\\0'), 0o10000000, 0);
  if (fd < 0) return by('O_PATH', fd);
  await tried('read', () => fs.readSync(fd, Buffer.alloc(10)));
  call('openat', fd, Buffer.alloc(8), 0, 0);
  call('execveat', fd, Buffer.alloc(8), 0, 0, 0x1000);
}
""",
        errnos=frozenset({EPERM, EACCES, 2, EBADF, 20}),
    ),
    Attack(
        name="native: memory that no limit counts",
        code="""
async function attack() {
  for (const flags of [0x21, 0x20, 0x23, 0x10021]) call('mmap', 0, 1 << 20, 3, flags, -1, 0);
  call('mmap', 0, 4096, 1, 1, fs.openSync(process.execPath), 0);
  call('memfd_create', Buffer.alloc(8), 0);
  call('shmget', 0, 1 << 20, 0o1600);
  call('shmat', 0, 0, 0);
  call('semget', 0, 1, 0o1600);
  call('msgget', 0, 0o1600);
  call('mq_open', Buffer.from('new\\0'), 0o102, 0o600, 0);
  call('mlock', Buffer.alloc(4096), 4096);
  call('mlockall', 3);
  call('timer_create', 0, 0, Buffer.alloc(8));
  call('io_setup', 1, Buffer.alloc(8));
  call('signalfd4', -1, Buffer.alloc(8), 8, 0);
  call('remap_file_pages', 0, 4096, 0, 0, 0);
  call('mincore', Buffer.alloc(4096), 4096, Buffer.alloc(8));
}
""",
        errnos=ONLY_EPERM,
        proofs=18,
    ),
    Attack(
        name="native: take memory and make it read-only",
        code="async function attack() { for (;;) native.fill(1 << 24, 0, 1); }",
        verdict=Verdict.MEMORY_LIMIT,
        limits=_SMALL,
    ),
    Attack(
        name="native: take memory as a stack that grows, or in huge pages",
        code="""
async function attack() {
  for (const flag of [0x100, 0x40000, 0x40100])
    by(flag, native.syscall(w.nr.mmap, 0, 1 << 21, 3, 0x22 | flag, -1, 0));
}
""",
        proofs=3,
    ),
    Attack(
        name="native: take memory in one call",
        code="""
async function attack() {
  const place = native.syscall(w.nr.mmap, 0, 2 ** 37, 1, 0x4022, -1, 0);
  native.syscall(28, place, 2 ** 37, 22);  // MADV_POPULATE_READ: page tables
  for (;;) native.fill(1 << 24, 0, 1);
}
""",
        verdict=Verdict.MEMORY_LIMIT,
        limits=_SMALL,
    ),
    Attack(
        name="native: ignore every signal and loop",
        code="""
async function attack() {
  const ignore = Buffer.alloc(32);
  ignore.writeBigUInt64LE(1n);
  for (let number = 1; number < 65; number++) native.syscall(13, number, ignore, 0, 8);
  native.syscall(14, 0, Buffer.alloc(8, 255), 0, 8);
  for (;;);
}
""",
        verdict=Verdict.CPU_LIMIT,
        limits=Limits(wall_ms=20_000, cpu_ms=200),
    ),
    Attack(
        name="native: a crash",
        code="async function attack() { native.peek(0, 100); }",
        verdict=Verdict.CRASHED,
    ),
]

# On a large range MADV_GUARD_INSTALL fills page tables for as long as it takes, and no signal ends that.
ADVICE = Attack(
    name="native: advice that no interpreter needs",
    code="""
async function attack() {
  const place = native.syscall(w.nr.mmap, 0, 1 << 22, 3, 0x22, -1, 0);
  // mergeable, wiped on fork, populated to read and to write, collapsed, poisoned, guarded; some both ways
  for (const advice of [12, 13, 18, 19, 22, 23, 25, 100, 101, 102, 103])
    by(advice, native.syscall(28, place, 1 << 21, advice));
}
""",
    errnos=frozenset({EPERM, ENOSYS, 22}),
    proofs=11,
)

# The first thread ends and another goes on: /proc/PID/status, where the owner looks, is that of the first.
# The owner, who sees nothing any more, ends it.
LEFT_BEHIND = [
    Attack(
        name="native: loop in the other thread alone",
        code="async function attack() { native.leaveBehind(0); }",
        verdict=Verdict.CRASHED,
        limits=Limits(wall_ms=60_000, cpu_ms=60_000),
    ),
    Attack(
        name="native: take memory in the other thread alone",
        code="async function attack() { native.leaveBehind(1); }",
        verdict=Verdict.CRASHED,
        limits=Limits(wall_ms=60_000, cpu_ms=60_000),
    ),
]
