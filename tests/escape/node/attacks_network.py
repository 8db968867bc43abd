"""Attacks on sockets, of the network and of the host."""

from tests.escape.attack import REFUSED, Attack

# c-ares and libc tell of a failed socket in words of their own.
_LOOKUPS: frozenset[int | str] = REFUSED | {
    "EAI_AGAIN",
    "EAI_FAIL",
    "ECONNREFUSED",
    111,
    "ENOTFOUND",
    "ETIMEOUT",
}

NETWORK = [
    Attack(
        name="connect",
        code="""
async function attack() {
  const net = require('node:net');
  const url = `127.0.0.1:${w.tcp_port}/`;
  for (const to of [{ port: w.tcp_port, host: '127.0.0.1' }, { port: w.tcp_port, host: '::1' },
    { path: w.stream_path }, { path: w.datagram_path }, { path: w.abstract }])
    await tried(JSON.stringify(to), () => emitted(net.connect(to), 'connect'));
  await tried('tls', () => emitted(require('node:tls').connect(w.tcp_port, '127.0.0.1'), 'secureConnect'));
  await tried('http', () => emitted(require('node:http').get(`http://${url}`), 'response'));
  await tried('http2', () => emitted(require('node:http2').connect(`http://${url}`), 'connect'));
  await tried('fetch', () => fetch(`http://${url}`));
  await tried('web socket', () => new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${url}`);
    socket.onopen = resolve;
    socket.onerror = (event) => reject(event.error?.cause ?? event.error ?? { errno: 'nothing' });
  }));
}
""",
        errnos=REFUSED | {"TypeError", "Error", "nothing"},  # a web socket does not say why
        proofs=10,
    ),
    Attack(
        name="listen",
        code="""
async function attack() {
  const net = require('node:net');
  for (const at of [{ port: 0 }, { port: 0, host: '127.0.0.1' }, { path: w.folder + '/new' },
    { path: '\\0new' }]) {
    const server = net.createServer();
    await tried(JSON.stringify(at), () => emitted(server.listen(at), 'listening'));
  }
  await tried('http', () => emitted(require('node:http').createServer().listen(0), 'listening'));
}
""",
        proofs=5,
    ),
    Attack(
        name="datagrams",
        code="""
async function attack() {
  const dgram = require('node:dgram');
  for (const [kind, host] of [['udp4', '127.0.0.1'], ['udp6', '::1']]) {
    const one = dgram.createSocket(kind);
    await tried(kind, () => emitted(one.bind(0), 'listening'));
    const other = dgram.createSocket(kind);
    await tried(kind, () => new Promise((resolve, reject) => {
      other.on('error', reject);
      other.send('x', w.tcp_port, host, (error) => (error ? reject(error) : resolve()));
    }));
  }
}
""",
        proofs=4,
    ),
    Attack(
        name="look up names",
        code="""
async function attack() {
  const { promises } = require('node:dns');
  await tried('lookup', () => promises.lookup('localhost'));
  await tried('service', () => promises.lookupService('127.0.0.1', 80));
  await tried('resolve', () => promises.resolve('localhost'));
  const resolver = new promises.Resolver({ timeout: 100, tries: 1 });
  resolver.setServers([`127.0.0.1:${w.tcp_port}`]);
  await tried('by a server', () => resolver.resolveTxt('example.com'));
}
""",
        errnos=_LOOKUPS,
        proofs=4,
    ),
    Attack(
        name="make the channel something else",
        code="""
async function attack() {
  const net = require('node:net');
  const { Socket } = net;
  const Pipe = new Socket({ fd: 3 })._handle.constructor;
  for (const server of [false, true]) {
    const pipe = new Pipe(server ? 1 : 2);  // of servers; of descriptors that are passed
    by('open', pipe.open(3) || -1);
    by('bind', pipe.bind(w.folder + '/new'));
    by('listen', pipe.listen(1));
  }
}
""",
        errnos=REFUSED | {17, 22},  # it is open, and no server
        proofs=6,
    ),
    Attack(
        name="look at the network",
        code="""
async function attack() {
  await tried('interfaces', () => require('node:os').networkInterfaces());
  const { header } = process.report.getReport();
  proof('report', !header.networkInterfaces?.length, JSON.stringify(header.networkInterfaces));
}
""",
        proofs=2,
    ),
]
