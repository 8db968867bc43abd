"""Attacks on and by other processes and threads."""

from cellblock_sandbox import Limits, Verdict

from tests.escape.attack import EPERM, REFUSED, Attack

ONLY_EPERM: frozenset[int | str] = frozenset({EPERM})

SPAWN = Attack(
    name="start a process",
    code="""
async function attack() {
  const processes = require('node:child_process');
  for (const [file, ...given] of [['/bin/sh', '-c', 'true'], [process.execPath, '-e', '1'], ['/nowhere']]) {
    await tried('spawnSync', () => {
      const { error, status } = processes.spawnSync(file, given);
      if (error) throw error;
      return status;
    });
    await tried('spawn', () => emitted(processes.spawn(file, given), 'spawn'));
    const apart = { detached: true, stdio: 'ignore' };
    await tried('detached', () => emitted(processes.spawn(file, given, apart), 'spawn'));
    await tried('file', () => processes.execFileSync(file, given));
  }
  await tried('shell', () => processes.execSync('true'));
  await tried('fork', () => emitted(processes.fork('/x.js'), 'spawn'));
  await tried('cluster', () => {
    require('node:cluster').setupPrimary({ exec: '/x.js' });
    return emitted(require('node:cluster').fork(), 'online');
  });
}
""",
    proofs=15,
)

SIGNALS = Attack(
    name="catch its own signals",
    code="""
async function attack() {
  setInterval(() => {}, 1000);  // to wait for a signal keeps nothing alive
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGXCPU', 'SIGUSR1', 'SIGUSR2', 'SIGCHLD', 'SIGPIPE']) {
    const heard = new Promise((resolve) => process.once(name, resolve));
    process.kill(process.pid, name);
    await heard;
  }
  for (;;);
}
""",
    verdict=Verdict.CPU_LIMIT,
    limits=Limits(wall_ms=20_000, cpu_ms=200),
)

PROMISED_INSPECTOR = Attack(
    name="the inspector by its promises",
    code="""
async function attack() {
  for (const it of [require('node:inspector/promises'), await import('node:inspector/promises')]) {
    await tried('session', () => new it.Session());
    await tried('wait', () => it.waitForDebugger());
    await tried('open', () => it.open(0));
  }
}
""",
    proofs=6,
)

PROCESSES = [
    Attack(
        name="become another program",
        code="async function attack() { process.execve('/bin/sh', ['sh'], {}); }",
        verdict=Verdict.BLOCKED,  # by a word of ours: Node.js itself ends the process where that fails
    ),
    Attack(
        name="signal others",
        code="""
async function attack() {
  for (const [name, pid] of [['parent', process.ppid], ['group', 0], ['all', -1], ['zygote', w.zygote],
    ['owner', w.owner], ['stranger', w.stranger], ['first', 1]]) {
    await tried(name, () => process.kill(pid, 'SIGKILL'));
    await tried(name, () => process.kill(pid, 0));
    by(name, process._kill(pid, 9));
  }
}
""",
        errnos=ONLY_EPERM,
        proofs=21,
    ),
    Attack(
        name="change others",
        code="""
async function attack() {
  const os = require('node:os');
  for (const pid of [0, process.ppid, w.zygote, w.stranger]) await tried(pid, () => os.setPriority(pid, 19));
}
""",
        errnos=ONLY_EPERM,
        proofs=4,
    ),
    Attack(
        name="another identity",
        code="""
async function attack() {
  await tried('uid', () => process.setuid(0));
  await tried('euid', () => process.seteuid(0));
  await tried('gid', () => process.setgid(0));
  await tried('egid', () => process.setegid(0));
  await tried('groups', () => process.setgroups([0]));
  await tried('initgroups', () => process.initgroups('root', 0));
}
""",
        errnos=ONLY_EPERM,
        proofs=6,
    ),
    Attack(
        name="wake the inspector of another process",
        code="""
async function attack() {
  for (const pid of [process.ppid, w.zygote, w.stranger]) {
    await tried(pid, () => process._debugProcess(pid));
    await tried(pid, () => process.kill(pid, 'SIGUSR1'));
  }
}
""",
        errnos=ONLY_EPERM,
        proofs=6,
    ),
]

THREADS = [
    Attack(
        name="worker threads",
        code="""
async function attack() {
  const given = ['1', { eval: true }];
  const workers = [require('node:worker_threads'), process.getBuiltinModule('worker_threads'),
    await import('node:worker_threads'), (await import('worker_threads')).default,
    require('node:vm').runInThisContext("process.getBuiltinModule('worker_threads')")];
  for (const { Worker } of workers) await tried('worker', () => new Worker(...given));
  for (const { Worker } of workers)
    await tried('prototype', () => new Worker.prototype.constructor(...given));
  await tried('hooks', () => require('node:module').register('data:text/javascript,'));
}
""",
        errnos=REFUSED | {"ERR_WORKER_INIT_FAILED"},
        proofs=11,
    ),
    Attack(
        name="a thread that traces",
        code="""
async function attack() {
  require('node:trace_events').createTracing({ categories: ['node'] }).enable();
}
""",
        verdict=Verdict.BLOCKED,  # by a word of ours: Node.js itself ends the process where it gets no thread
    ),
    Attack(
        name="the inspector",
        code="""
async function attack() {
  const named = 'node:inspector';
  for (const it of [require(named), process.getBuiltinModule('inspector'), await import(named),
    (await import(named)).default, require('node:vm').runInThisContext('process').getBuiltinModule(named)]) {
    await tried('session', () => new it.Session());
    await tried('open', () => it.open(0));
    await tried('wait', () => it.waitForDebugger());
    proof('address', it.url() === undefined, it.url());
  }
  process.kill(process.pid, 'SIGUSR1');
  await wait(50);
  proof('by a signal', require(named).url() === undefined);
}
""",
        errnos=REFUSED,
        proofs=21,
    ),
]

BINDINGS = [
    Attack(
        name="inner bindings and native code",
        code="""
async function attack() {
  const Module = require('node:module');
  const addon = process.report.getReport().sharedObjects.find((path) => path.endsWith('cell.node'));
  const holder = { exports: {} };
  const imported = await import('node:process');
  const processes = [process, require('node:process'), imported, imported.default,
    globalThis.process, require('node:vm').runInThisContext('process'), Object.create(process)];
  for (const it of processes) {
    await tried('binding', () => it.binding('spawn_sync'));
    await tried('linked', () => it._linkedBinding('fs'));
    await tried('dlopen', () => it.dlopen(holder, addon));
  }
  await tried('require', () => require(addon));
  await tried('extension', () => Module._extensions['.node'](holder, addon));
  await tried('load', () => Module._load(addon));
  await tried('create', () => Module.createRequire('/')(addon));
  await tried('import', () => import('file://' + addon));
  for (const name of ['internal/bootstrap/realm', 'internal/test/binding', 'internal/worker',
    'node:internal/worker'])
    await tried(name, () => process.getBuiltinModule(name) ?? require(name));
}
""",
        errnos=REFUSED | {"MODULE_NOT_FOUND", "ERR_UNKNOWN_BUILTIN_MODULE"},
        proofs=30,
    ),
    Attack(
        name="other realms",
        code="""
async function attack() {
  const vm = require('node:vm');
  require('node:v8').setFlagsFromString('--harmony-shadow-realm');
  const bare = vm.createContext({});
  for (const name of ['process', 'require', 'module', 'native', 'internalBinding', 'primordials', 'Buffer'])
    proof(name, vm.runInContext(`typeof ${name}`, bare) === 'undefined');
  await tried('shadow', () => vm.runInNewContext("new ShadowRealm().evaluate('typeof process')"));
  const moved = require('node:worker_threads').moveMessagePortToContext(new MessageChannel().port1, bare);
  const outer = moved.constructor.constructor('return typeof process')();
  proof('port', outer === 'undefined', outer);
}
""",
        errnos=REFUSED | {"Error"},
        proofs=9,
    ),
    Attack(
        name="hooks of the loader",
        code="""
async function attack() {
  const Module = require('node:module');
  Module.registerHooks({ resolve: (name, context, next) => next(name, context) });
  const wrapped = Module.wrap;
  Module.wrapper[0] = 'globalThis.taken = [internalBinding, process];' + wrapped('');
  await tried('inner', () => { require('node:net'); return taken; });
  for (const name of ['internal/process/execution', 'internalBinding'])
    await tried(name, () => import(name));
  await tried('patched', () => Module.prototype.require.call({ paths: ['/'], id: '/' }, 'internal/util'));
}
""",
        errnos=REFUSED | {"ReferenceError", "ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"},
        proofs=4,
    ),
    Attack(
        name="a library by SQLite",
        code="""
async function attack() {
  const { DatabaseSync } = require('node:sqlite');
  const database = new DatabaseSync(':memory:', { allowExtension: true });
  await tried('enable', () => { database.enableLoadExtension(true); throw { errno: -1 }; });
  for (const path of process.report.getReport().sharedObjects.filter((path) => path.startsWith('/')))
    await tried(path, () => database.loadExtension(path));
}
""",
        errnos=REFUSED | {"ERR_LOAD_SQLITE_EXTENSION"},  # it opens them, and finds no such entry in them
        proofs=5,
    ),
]
