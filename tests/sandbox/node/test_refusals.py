"""What a node may not do is refused by the kernel, told in its author's words, and may be caught."""

import pytest
from cellblock_sandbox import Sandbox, Verdict

from tests.sandbox.node.running import run_main
from tests.sandbox.running import fault, has_private_root

OPEN, REACH, LIST = "open the file {}", "reach the file {}", "list the folder {}"
NETWORK, LISTEN = "open a network connection", "listen on the network"
DATAGRAMS = "use the network"
LOOK_UP = "look up a host on the network"
PROCESS, SIGNAL = "start another process", "signal another process"
THREAD, WORKER = "start a thread", "start a worker thread"
TIMEOUT = f"{THREAD} (the timeout of vm)"
INSPECTOR, BINDINGS = "use the inspector", "reach Node's inner bindings"
USER = "change its user"
AWAIT = "await new Promise((resolve, reject) => { %s });"


def change(call: str) -> str:
    return f"change files ({call})"


def failing(expression: str) -> str:
    """An emitter of errors as a promise."""
    return AWAIT % f"({expression}).on('error', reject)"


# body -> what it tried; those that are tried while the line still runs name it
IN_LINE = {
    "require('fs').readFileSync('/etc/passwd')": OPEN.format('"/etc/passwd"'),
    "require('node:fs').openSync('/etc/passwd')": OPEN.format('"/etc/passwd"'),
    "require('fs').writeFileSync('/tmp/x', 'a')": OPEN.format('"/tmp/x"'),
    "require('fs').appendFileSync('x', 'a')": OPEN.format('"x"'),
    "await require('fs/promises').writeFile('/tmp/x', 'a')": OPEN.format('"/tmp/x"'),
    "await require('fs').promises.readFile('/etc/passwd')": OPEN.format('"/etc/passwd"'),
    "(await import('node:fs')).readFileSync('/etc/passwd')": OPEN.format('"/etc/passwd"'),
    "process.getBuiltinModule('fs').readFileSync('/etc/passwd')": OPEN.format('"/etc/passwd"'),
    "require('fs').statSync('/etc/passwd')": REACH.format('"/etc/passwd"'),
    "require('fs').lstatSync('/etc/passwd')": REACH.format('"/etc/passwd"'),
    "require('fs').accessSync('/etc/passwd')": REACH.format('"/etc/passwd"'),
    "require('fs').readlinkSync('/proc/self/exe')": REACH.format('"/proc/self/exe"'),
    "require('fs').readdirSync('/etc')": LIST.format('"/etc"'),
    "require('fs').mkdirSync('/tmp/x')": change("mkdir"),
    "require('fs').mkdtempSync('/tmp/x')": change("mkdtemp"),
    "require('fs').rmdirSync('/tmp')": change("rmdir"),
    "require('fs').unlinkSync('/tmp/x')": change("unlink"),
    "require('fs').renameSync('/tmp/x', '/tmp/y')": change("rename"),
    "require('fs').linkSync('/etc/passwd', '/tmp/y')": change("link"),
    "require('fs').symlinkSync('/etc/passwd', '/tmp/y')": change("symlink"),
    "require('fs').copyFileSync('/etc/passwd', '/tmp/y')": change("copyfile"),
    "require('fs').chmodSync('/tmp', 0o777)": change("chmod"),
    "require('fs').utimesSync('/tmp', 0, 0)": change("utime"),
    "require('fs').truncateSync('/tmp/x')": OPEN.format('"/tmp/x"'),
    "require('v8').writeHeapSnapshot('/tmp/x')": OPEN.format('"/tmp/x"'),
    "new (require('node:sqlite').DatabaseSync)('/tmp/x.db')": "open a database file",
    "process.loadEnvFile('/x')": OPEN.format('"/x"'),
    "process.report.writeReport()": "write a file",
    "process.chdir('/tmp')": 'enter the folder "/tmp"',
    "require('child_process').execSync('ls')": PROCESS,
    "require('child_process').spawnSync('ls').error && require('child_process').execFileSync('ls')": PROCESS,
    "require('child_process').spawn('ls')": PROCESS,
    "require('child_process').exec('ls')": PROCESS,
    "require('child_process').execFile('ls')": PROCESS,
    "require('child_process').fork('/x.js')": PROCESS,
    "await require('util').promisify(require('child_process').exec)('ls')": PROCESS,
    "require('cluster').setupPrimary({ exec: '/x.js' }); require('cluster').fork()": PROCESS,
    "process.execve('/bin/ls', ['ls'], {})": PROCESS,
    "process.kill(1, 9)": SIGNAL,
    "process.kill(process.ppid, 'SIGTERM')": SIGNAL,
    "process.kill(process.ppid, 0)": SIGNAL,
    "process.kill(-1, 9)": SIGNAL,
    "process.setuid(1)": USER,
    "process.setgid(1)": USER,
    "process.seteuid(1)": USER,
    "process.setegid(1)": USER,
    "process.setgroups([1])": USER,
    "process.initgroups('a', 1)": USER,
    "require('os').setPriority(0, 5)": "change the priority of a process",
    "require('os').networkInterfaces()": "look at the network",
    "require('os').homedir()": "look up its home folder",
    "require('os').userInfo()": "look up its user",
    "new (require('worker_threads').Worker)('1', { eval: true })": WORKER,
    "new (await import('node:worker_threads')).Worker('1', { eval: true })": WORKER,
    "require('module').register('data:text/javascript,')": THREAD,
    "require('vm').runInNewContext('1', {}, { timeout: 50 })": TIMEOUT,
    "new (require('vm').Script)('1').runInThisContext({ breakOnSigint: true })": TIMEOUT,
    "require('trace_events').createTracing({ categories: ['v8'] }).enable()": f"{THREAD} (of trace_events)",
    "require('v8').startCpuProfile?.() ?? require('vm').runInThisContext('1', { timeout: 1 })": THREAD,
    "require('inspector').open()": INSPECTOR,
    "new (require('inspector').Session)()": INSPECTOR,
    "new (require('inspector/promises').Session)()": INSPECTOR,
    "(await import('inspector')).waitForDebugger()": INSPECTOR,
    "process._debugProcess(process.pid)": INSPECTOR,
    "process.binding('fs')": BINDINGS,
    "process._linkedBinding('fs')": BINDINGS,
    "process.dlopen({ exports: {} }, '/x.node')": "load native code",
    "require('module')._extensions['.node']({ exports: {} }, '/x.node')": "load native code",
    AWAIT % "require('http').createServer().listen(80).on('error', reject)": LISTEN,
    AWAIT % "require('net').createServer().listen(8080).on('error', reject)": LISTEN,
    AWAIT % "require('net').createServer().listen('/tmp/x.sock').on('error', reject)": LISTEN,
}

# From a callback or an event there is no line of the code in Node's errors, often.
LATER = {
    AWAIT % "require('fs').readFile('/etc/passwd', (e, d) => (e ? reject(e) : resolve(d)))": OPEN.format(
        '"/etc/passwd"'
    ),
    "for await (const _ of require('fs').createReadStream('/etc/passwd'));": OPEN.format('"/etc/passwd"'),
    failing("require('fs').createWriteStream('/tmp/x')"): OPEN.format('"/tmp/x"'),
    failing("require('net').connect(80, '192.0.2.1')"): NETWORK,
    failing("require('net').connect('/run/redis.sock')"): NETWORK,
    failing("require('net').connect(80, 'example.com')"): LOOK_UP,
    failing("require('tls').connect(443, '192.0.2.1')"): NETWORK,
    failing("require('http').get('http://192.0.2.1/')"): NETWORK,
    failing("require('http').get('http://localhost:6379/')"): LOOK_UP,
    failing("require('https').get('https://example.com/')"): LOOK_UP,
    failing("require('http2').connect('http://192.0.2.1')"): NETWORK,
    "await fetch('http://192.0.2.1/')": NETWORK,
    AWAIT % "new WebSocket('ws://192.0.2.1/').onerror = (event) => reject(event.error)": NETWORK,
    AWAIT % "new WebSocket('wss://example.com/').onerror = (event) => reject(event.error)": LOOK_UP,
    "await fetch('https://example.com/')": LOOK_UP,
    "await require('dns').promises.lookup('example.com')": LOOK_UP,
    "await require('dns').promises.resolve4('example.com')": LOOK_UP,
    "await require('dns').promises.resolveTxt('example.com')": LOOK_UP,
    "await require('dns').promises.reverse('192.0.2.1')": LOOK_UP,
    "await require('dns').promises.lookupService('192.0.2.1', 80)": LOOK_UP,
    AWAIT % "require('dns').resolve('example.com', (e, d) => (e ? reject(e) : resolve(d)))": LOOK_UP,
    failing("require('dgram').createSocket('udp4').bind(5353)"): DATAGRAMS,
    "require('dgram').createSocket('udp4').send('', 53, '::1'); await new Promise(() => {})": DATAGRAMS,
}


# Landlock alone lets metadata be seen, and a file that is there is told from one that is not.
WANT_A_PRIVATE_ROOT = {
    "require('fs').statSync('/etc/passwd')",
    "require('fs').lstatSync('/etc/passwd')",
    "require('fs').accessSync('/etc/passwd')",
    "require('fs').readlinkSync('/proc/self/exe')",
    "await import('file:///etc/passwd')",
    "require('module').createRequire('/etc/')('./passwd')",
    "require('/etc/passwd')",
}


def skip_what_is_seen(sandbox: Sandbox, body: str) -> None:
    if body in WANT_A_PRIVATE_ROOT and not has_private_root(sandbox):
        pytest.skip("without a private root metadata of files is seen")


@pytest.mark.parametrize("body", IN_LINE)
def test_is_refused_with_its_line(sandbox: Sandbox, body: str) -> None:
    skip_what_is_seen(sandbox, body)
    outcome = run_main(sandbox, body)
    assert outcome.verdict is Verdict.BLOCKED, outcome.fault
    assert fault(outcome).message.startswith(f"this code node tried to {IN_LINE[body]}")
    assert fault(outcome).message.endswith(", which is not allowed")
    assert fault(outcome).line == 2, fault(outcome)


@pytest.mark.parametrize("body", LATER)
def test_is_refused_later(sandbox: Sandbox, body: str) -> None:
    outcome = run_main(sandbox, body)
    assert outcome.verdict is Verdict.BLOCKED, outcome.fault
    assert fault(outcome).message == f"this code node tried to {LATER[body]}, which is not allowed"


# The last one tells of its error by an event, to which nobody listens.
@pytest.mark.parametrize("body", [*IN_LINE, *LATER][:-1])
def test_caught_lets_the_node_go_on(sandbox: Sandbox, body: str) -> None:
    skip_what_is_seen(sandbox, body)
    outcome = run_main(sandbox, f"try {{ {body} }} catch (e) {{ return {{ caught: e instanceof Error }} }}")
    assert outcome.outputs == {"caught": True}, outcome.fault


def test_what_is_not_there_is_not_there(sandbox: Sandbox) -> None:
    if not has_private_root(sandbox):
        pytest.skip("without a private root it is there")
    body = """
    const fs = require('fs');
    return {
      exists: fs.existsSync('/etc/passwd'), stat: fs.statSync('/etc', { throwIfNoEntry: false }) ?? null,
      glob: fs.globSync('/*'), forced: fs.rmSync('/tmp/x', { force: true }) ?? null,
    };
    """
    nothing: dict[str, object] = {"exists": False, "stat": None, "glob": [], "forced": None}
    assert run_main(sandbox, body).outputs == nothing


@pytest.mark.parametrize(
    ("wrapped", "line"),
    [
        ("try { require('fs').readFileSync('/x') } catch (e) { throw new Error('o', { cause: e }) }", 2),
        ("await Promise.any([require('fs').promises.readFile('/x')])", None),
        ("await Promise.all([1, require('fs').promises.readFile('/x')])", None),
        (AWAIT % "new WebSocket('ws://192.0.2.1/').onerror = reject", None),
    ],
)
def test_a_refusal_that_is_wrapped_is_one(sandbox: Sandbox, wrapped: str, line: int | None) -> None:
    outcome = run_main(sandbox, wrapped)
    assert outcome.verdict is Verdict.BLOCKED, outcome.fault
    assert line in (None, fault(outcome).line)


@pytest.mark.parametrize(
    "body",
    [
        "try { require('fs').readFileSync('/etc/passwd') } catch {} throw new Error('mine')",
        "throw Object.assign(new Error('mine'), { code: 'EPERM' })",
        "throw new Error()",
        "throw Object.assign(new Error('mine'), { code: 5, syscall: {} })",
        "require('./mine')",
        "require('mine')",
        "await import('mine')",
        "await import('file:///etc/passwd')",
        "require('module').createRequire('/etc/')('./passwd')",
        "require('/etc/passwd')",
    ],
)
def test_what_was_not_refused_is_not_called_so(sandbox: Sandbox, body: str) -> None:
    skip_what_is_seen(sandbox, body)
    outcome = run_main(sandbox, body)
    assert outcome.verdict is Verdict.CODE_ERROR, outcome.fault


def test_modules_that_are_not_there_are_told_without_where_they_were_sought(sandbox: Sandbox) -> None:
    assert fault(run_main(sandbox, "require('lodash')")).message == "Cannot find module 'lodash'"
    assert fault(run_main(sandbox, "await import('lodash')")).message.startswith(
        "Cannot find package 'lodash'"
    )
