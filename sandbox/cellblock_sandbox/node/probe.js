// Tries, in a cell, what code must not be able to do and what it must: the self-test of the Node.js runtime.
const fs = require('node:fs');
const net = require('node:net');
const zlib = require('node:zlib');
const { spawnSync } = require('node:child_process');
const { promisify } = require('node:util');

const REFUSED = new Set(['EPERM', 'EACCES', 'ENOSYS', 'ENOENT', 'EROFS', 'ERR_ACCESS_DENIED']);

function refused(attempt) {
  try {
    attempt();
  } catch (error) {
    return REFUSED.has(error.code);
  }
  return false;
}

function fails(emitter, done) {
  return new Promise((resolve) => {
    emitter.on('error', (error) => resolve(REFUSED.has(error.code)));
    emitter.on(done, () => resolve(false));
  });
}

async function main({ secret }) {
  const zipped = await promisify(zlib.deflate)('compute');
  return {
    'read a file of the host': refused(() => fs.readFileSync(secret)),
    "list the host's root": refused(() => fs.readdirSync('/')) || !fs.readdirSync('/').includes('etc'),
    'write a file': refused(() => fs.writeFileSync('/tmp/cellblock', '')),
    'make a folder': refused(() => fs.mkdirSync('/tmp/cellblock')),
    'open a socket': await fails(net.connect(9, '127.0.0.1'), 'connect'),
    'open a local socket': await fails(net.connect('/cellblock.sock'), 'connect'),
    'listen on a port': await fails(net.createServer().listen(0), 'listening'),
    'start a program': REFUSED.has(spawnSync(process.execPath).error?.code),
    'signal its zygote': refused(() => process.kill(process.ppid, 0)),
    'change its user': refused(() => process.setuid(0)),
    'start a worker thread': refused(() => new (require('node:worker_threads').Worker)('1', { eval: true })),
    'use the inspector': refused(() => require('node:inspector').open()),
    'see an environment': Object.keys(process.env).length === 0,
    '(allowed) compute off the main thread': zlib.inflateSync(zipped).toString() === 'compute',
    '(allowed) wait': await new Promise((resolve) => setTimeout(resolve, 0, true)),
    '(allowed) draw random numbers': require('node:crypto').randomBytes(8).length === 8,
    '(allowed) compile': (await WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))) !== null,
  };
}
