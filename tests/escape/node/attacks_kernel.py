"""More attacks of somebody who broke V8: on what the kernel tells of others, and what outlives a process."""

from cellblock_sandbox import Limits, Verdict

from tests.escape.attack import CLOSED, ENOSYS, EPERM, Attack

ONLY_ENOSYS: frozenset[int | str] = frozenset({ENOSYS})
ONLY_EPERM: frozenset[int | str] = frozenset({EPERM})

KERNEL = [
    Attack(
        name="native: tell from clocks what others do",
        code="""
async function attack() {
  const room = Buffer.alloc(16);
  for (const pid of [process.ppid, w.zygote, w.owner, w.stranger, 1])
    for (const kind of [0, 1, 2, 4, 6])
      for (const clock of [(~pid << 3) | kind, ((~pid << 3) | kind) >>> 0]) {
        call('clock_gettime', clock, room);
        call('clock_getres', clock, room);
        call('clock_nanosleep', clock, 0, Buffer.alloc(16), 0);
      }
}
""",
        errnos=ONLY_ENOSYS,
        proofs=150,
    ),
    Attack(
        name="native: tell who is there by a lock that names its holder",
        code="""
async function attack() {
  const word = Buffer.alloc(4);
  for (const pid of [process.ppid, w.zygote, w.owner, w.stranger, 1, 4_000_000])
    for (const operation of [6, 8, 13, 6 | 128, 13 | 128, 6 | 256]) {
      word.writeInt32LE(pid);
      call('futex', word, operation, 0, Buffer.alloc(16), 0, 0);
    }
  for (const operation of [2, 7, 11, 12]) call('futex', word, operation, 1, Buffer.alloc(16), word, 0);
}
""",
        errnos=ONLY_ENOSYS,
        proofs=40,
    ),
    Attack(
        name="native: ask for the rank of others",
        code="""
async function attack() {
  for (const pid of [process.ppid, w.zygote, w.owner, w.stranger, 1n << 32n]) {
    for (const name of ['getpgid', 'getsid', 'sched_getaffinity', 'sched_getscheduler'])
      call(name, pid, 8, Buffer.alloc(8));
    for (const kind of [0, 1, 2]) call('getpriority', kind, pid);
  }
  for (const kind of [1, 2]) call('getpriority', kind, 0);
}
""",
        errnos=ONLY_EPERM,
        proofs=37,
    ),
    Attack(
        name="native: calls that the newest kernels have",
        code="""
async function attack() {
  for (let number = 451; number < 480; number++) by(number, native.syscall(number, 0, 0, 0, 0, 0, 0));
}
""",
        errnos=ONLY_ENOSYS,
        proofs=29,
    ),
    Attack(
        name="native: shared memory, and a program made in memory",
        code="""
async function attack() {
  for (const flags of [0x21, 0x23, 0x28, 0x4021, 0x8021]) call('mmap', 0, 400 << 20, 3, flags, -1, 0);
  for (const flags of [0, 1, 2, 8, 16]) call('memfd_create', Buffer.from('program\\0'), flags);
  call('execveat', 3, Buffer.alloc(1), 0, 0, 0x1000);
  call('uselib', Buffer.from('/bin/sh\\0'));
}
""",
        errnos=frozenset({EPERM, ENOSYS}),
        proofs=11,
    ),
    Attack(
        name="native: objects of System V and POSIX that outlive a process",
        code="""
async function attack() {
  const room = Buffer.alloc(64);
  for (const key of [0, 0x5eed]) {
    call('shmget', key, 4096, 0o1666);
    call('semget', key, 1, 0o1666);
    call('msgget', key, 0o1666);
  }
  call('shmat', 0, 0, 0);
  call('shmctl', 0, 0, 0);
  call('semop', 0, room, 1);
  call('msgsnd', 0, room, 1, 0);
  call('msgrcv', 0, room, 1, 0, 0);
  call('mq_unlink', Buffer.from('new\\0'));
  call('mq_notify', 3, 0);
}
""",
        errnos=ONLY_EPERM,
        proofs=13,
    ),
    Attack(
        name="native: locks, signals and controls by descriptors",
        code="""
async function attack() {
  const own = fs.openSync(process.execPath);
  const room = Buffer.alloc(256);
  for (const fd of [own, 0, 1, 3]) {
    for (const command of [5, 6, 7, 8, 10, 15, 36, 37, 38, 1024, 1026, 1031, 1032, 1033])
      call('fcntl', fd, command, room);
    for (const request of [0x5412, 0x541c, 0x5411, 0x5452, 0x5460, 1, 2, 0x40049409, 0x40086602, 0x89e0,
      0xb701, 0x5760, 0x8902]) call('ioctl', fd, request, room);
  }
  for (const flags of [0x80, 0x80 | 0o2000000]) call('pipe2', room, flags);
}
""",
        errnos=frozenset({EPERM, ENOSYS}),
        proofs=110,
    ),
    Attack(
        name="native: wait for processes that are not its children",
        code="""
async function attack() {
  const room = Buffer.alloc(256);
  for (const pid of [-1, 0, process.ppid, w.zygote, w.owner, w.stranger])
    for (const options of [0, 1, 0x40000000]) call('wait4', pid, room, options, room);
  for (const kind of [0, 1, 2, 3])
    for (const ident of [0, 3, process.ppid, w.zygote]) call('waitid', kind, ident, room, 5, room);
}
""",
        errnos=frozenset({10, 22, 9, 3}),
        proofs=34,
    ),
    Attack(
        name="native: links in /proc",
        code="""
async function attack() {
  for (const pid of [process.ppid, w.zygote, w.owner, w.stranger])
    for (const name of ['fd/0', 'fd/1', 'fd/3', 'ns/net', 'ns/user', 'exe', 'root/etc/passwd', 'cwd', 'maps'])
      call('openat', -100, Buffer.from(`/proc/${pid}/${name}\\0`), 0, 0);
  for (const name of ['self/fd/3', 'self/mem', 'self/environ', 'thread-self/mem', 'self/attr/current'])
    for (const flags of [0, 1, 2]) call('openat', -100, Buffer.from(`/proc/${name}\\0`), flags, 0);
}
""",
        errnos=CLOSED | {6, 20},
        proofs=51,
    ),
    Attack(
        name="native: page tables in one call",
        code="""
async function attack() {
  for (const bits of [37, 35, 33]) native.syscall(w.nr.mmap, 0, 2 ** bits, 1, 0xc022, -1, 0);  // MAP_POPULATE
  for (;;) native.fill(1 << 24, 0, 1);
}
""",
        verdict=Verdict.MEMORY_LIMIT,
        limits=Limits(wall_ms=9_000, cpu_ms=9_000, memory_mb=64),
    ),
]
