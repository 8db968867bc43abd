"""How attacks in JavaScript gather evidence, in the form of `tests.escape.attack`."""

from cellblock_sandbox import Limits, Program

from tests.escape.attack import Dialect

PRELUDE = """\
const fs = require('node:fs');
const { constants } = require('node:os');
const evidence = [];
let w;
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
// Node numbers errors below zero; what comes from a callback or a fetch lies behind others.
function numberOf(error) {
  if (error === null || typeof error !== 'object') return `threw ${error}`;
  if (error.code === 'ERR_ACCESS_DENIED') return constants.errno.EPERM;
  const inner = error.info?.errno ?? error.errno;
  if (Number.isInteger(inner) && inner > -1000) return Math.abs(inner);
  return constants.errno[error.code] ?? (error.cause ? numberOf(error.cause) : `${error.code || error.name}`);
}
async function tried(what, attempt) {
  try {
    evidence.push([what, 'got', String(await attempt()).slice(0, 200)]);
  } catch (error) {
    evidence.push([what, 'errno', numberOf(error)]);
  }
}
// Of an emitter that tells by `event` that it succeeded.
const emitted = (emitter, event) => new Promise((resolve, reject) => {
  emitter.on('error', reject);
  emitter.on(event, resolve);
});
function by(what, came) {
  evidence.push(came >= 0 ? [what, 'got', String(came)] : [what, 'errno', -came]);
}
function call(name, ...given) {
  if (w.nr[name] >= 0) by(name, native.syscall(w.nr[name], ...given));
}
function proof(what, failed, came = 'it') {
  evidence.push(failed ? [what, 'errno', 1] : [what, 'got', String(came)]);
}
function frame(body) {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, Buffer.from(body, 'latin1')]);
}
async function main(world) {
  w = world;
  await attack();
  return { evidence };
}
"""

JAVASCRIPT = Dialect(prelude=PRELUDE, nothing=Program(code="function main() { return {}; }"))

LIMITS = Limits(wall_ms=5_000, cpu_ms=3_000, memory_mb=64)
SHORT = Limits(wall_ms=600, cpu_ms=400, memory_mb=64)
