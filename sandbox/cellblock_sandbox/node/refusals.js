// What a code node tried and was refused, in its author's words; and the three things refused here.
//
// The kernel refuses files, network, processes and signals. Threads, the inspector and Node's inner bindings
// need no system call that tells them apart: they are taken out here, for a clear word. What they could do
// the kernel stops all the same: a cell starts no thread once its code is there.
'use strict';

const { subscribe } = require('node:diagnostics_channel');
const modules = require('node:module');
const os = require('node:os');
const traces = require('node:trace_events');
const v8 = require('node:v8');
const vm = require('node:vm');
const { WeakSet, Error, String, JSON, Set } = globalThis;
const apply = Reflect.apply;
const { add, has } = WeakSet.prototype;
const hasName = Set.prototype.has;
const slice = String.prototype.slice;
const startsWith = String.prototype.startsWith;
const stringify = JSON.stringify;
const defineProperty = Object.defineProperty;

const NETWORK = 'open a network connection';
const PROCESS = 'start another process';
const LOOK_UP = 'look up a host on the network';
const USER = 'change its user';
const THREAD = 'start a thread';
// By the name that libuv gives to what was tried.
const FILES = {
  __proto__: null,
  open: 'open the file',
  stat: 'reach the file',
  lstat: 'reach the file',
  access: 'reach the file',
  readlink: 'reach the file',
  realpath: 'reach the file',
  statfs: 'reach the file',
  scandir: 'list the folder',
  opendir: 'list the folder',
  chdir: 'enter the folder',
  uv_cwd: 'look up its folder',
  cp: 'change files',
  watch: 'watch the file',
};
const ATTEMPTS = {
  __proto__: null,
  ...FILES,
  kill: 'signal another process',
  setuid: USER,
  seteuid: USER,
  setgid: USER,
  setegid: USER,
  setgroups: USER,
  initgroups: USER,
  uv_os_setpriority: 'change the priority of a process',
  uv_os_homedir: 'look up its home folder',
  uv_os_get_passwd: 'look up its user',
  listen: 'listen on the network',
  bind: 'use the network',
  getaddrinfo: LOOK_UP,
  getnameinfo: LOOK_UP,
  getHostByAddr: LOOK_UP,
  connect: NETWORK,
  socket: NETWORK,
  uv_interface_addresses: 'look at the network',
};
const CHANGES = new Set([
  ...['mkdir', 'mkdtemp', 'rmdir', 'unlink', 'rename', 'link', 'symlink', 'copyfile', 'chmod', 'fchmod', 'lchmod'],
  ...['chown', 'fchown', 'lchown', 'utime', 'futime', 'lutime', 'ftruncate', 'rm', 'fsync', 'fdatasync'],
]);
const REFUSED = new Set(['EPERM', 'EACCES', 'ENOSYS', 'EROFS']);
const MISSING = new Set(['ENOENT', 'ENOTDIR']); // where the cell has a root of its own, the host's files are not there
const NAME_LOOKUPS = new Set(['EAI_AGAIN', 'EAI_FAIL', 'EAI_NONAME', 'EAI_SYSTEM', 'ENOTFOUND', 'ECONNREFUSED', 'ETIMEOUT']);

const SQLITE_CANTOPEN = 14;

const ours = new WeakSet();
let ofSocket = null; // the last refusal of a WebSocket, whose own error says nothing

// Take out what no system call tells apart. Done in the zygote, before anything else can hold on to it.
function install() {
  const workers = require('node:worker_threads');
  workers.Worker = refuse('start a worker thread');
  // Both are loaded before what the second is made of is gone.
  for (const inspector of [require('node:inspector/promises'), require('node:inspector')])
    for (const name of ['open', 'Session', 'waitForDebugger']) inspector[name] = refuse('use the inspector');
  for (const name of ['binding', '_linkedBinding', 'dlopen'])
    process[name] = refuse(name === 'dlopen' ? 'load native code' : "reach Node's inner bindings");
  for (const name of ['_debugProcess', '_debugEnd', '_startProfilerIdleNotifier', '_stopProfilerIdleNotifier'])
    process[name] = refuse('use the inspector');
  process.report.writeReport = refuse('write a file');
  refuseThreads();
  memoryUsageWithoutProc();
  processorsWithoutProc();
  subscribe('undici:client:connectError', (told) => (ofSocket = refusalOf(told.error)));
  modules.syncBuiltinESMExports();
}

// Node and V8 abort where they want a thread and get none, or a program that they do not get.
function refuseThreads() {
  const { runInContext, runInThisContext } = vm.Script.prototype;
  const unwatched = (run) =>
    function (...given) {
      const options = given[given.length - 1];
      if (options?.timeout !== undefined || options?.breakOnSigint) fail(`${THREAD} (the timeout of vm)`);
      return apply(run, this, given);
    };
  vm.Script.prototype.runInContext = unwatched(runInContext);
  vm.Script.prototype.runInThisContext = unwatched(runInThisContext);
  traces.createTracing = refuse(`${THREAD} (of trace_events)`);
  for (const name of ['startCpuProfile', 'startHeapProfile']) if (name in v8) v8[name] = refuse(`${THREAD} (of a profiler)`);
  modules.register = refuse(THREAD);
  process.execve = refuse(PROCESS);
}

// libuv reads the resident size from /proc, which is not there: the largest that it ever was stands for it.
function memoryUsageWithoutProc() {
  const { getHeapStatistics } = v8;
  const { resourceUsage } = process;
  const rss = () => resourceUsage().maxRSS * 1024;
  const memoryUsage = () => {
    const heap = getHeapStatistics();
    return {
      rss: rss(),
      heapTotal: heap.total_heap_size,
      heapUsed: heap.used_heap_size,
      external: heap.external_memory,
      arrayBuffers: 0,
    };
  };
  memoryUsage.rss = rss;
  defineProperty(process, 'memoryUsage', { value: memoryUsage, configurable: true, writable: true, enumerable: true });
}

// Node counts them in /proc, and finds none; code divides by their number.
function processorsWithoutProc() {
  const { availableParallelism } = os;
  const { from } = Array;
  const times = () => ({ user: 0, nice: 0, sys: 0, idle: 0, irq: 0 });
  os.cpus = () => from({ length: availableParallelism() }, () => ({ model: 'unknown', speed: 0, times: times() }));
}

function refuse(attempt) {
  return function refused() {
    fail(attempt);
  };
}

function fail(attempt) {
  const error = new Error(sentence(attempt));
  error.code = 'ERR_ACCESS_DENIED';
  apply(add, ours, [error]);
  throw error;
}

const sentence = (attempt) => `this code node tried to ${attempt}, which is not allowed`;
const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

// What a refusal that surfaced as `error` was of, as a sentence; null where it was none.
function refusalBehind(error, depth = 0) {
  if (!isObject(error) || depth > 4) return null;
  if (apply(has, ours, [error])) return `${error.message}`;
  const own = refusalOf(error);
  if (own) return own;
  const parts = isObject(error.errors) ? [error.cause, error.errors[0]] : [error.cause]; // fetch, happy eyeballs
  for (let at = 0; at < parts.length; at++) {
    const found = refusalBehind(parts[at], depth + 1);
    if (found) return found;
  }
  return error.message === '' ? ofSocket : null;
}

function refusalOf(error) {
  const { code, syscall = error.info?.syscall } = error;
  if (code === 'ERR_SQLITE_ERROR' && error.errcode === SQLITE_CANTOPEN) return sentence('open a database file');
  const path = error.dest ?? error.path; // chdir has where it was as its path
  if (typeof code !== 'string' || typeof syscall !== 'string') return null;
  if (apply(startsWith, syscall, ['spawn'])) return sentence(PROCESS);
  if (apply(startsWith, syscall, ['query'])) return sentence(LOOK_UP); // c-ares: queryA, queryTxt
  const ofFiles = typeof path === 'string' || syscall in FILES || apply(hasName, CHANGES, [syscall]);
  const refused = apply(hasName, REFUSED, [code]) || (ofFiles && apply(hasName, MISSING, [code]));
  const unknown = code === 'ERR_SYSTEM_ERROR' && syscall in ATTEMPTS; // libuv has no name for each errno
  if (!refused && !unknown && !apply(hasName, NAME_LOOKUPS, [code])) return null;
  if (apply(hasName, CHANGES, [syscall])) return sentence(`change files (${syscall})`);
  const attempt = ATTEMPTS[syscall] ?? `do something (${apply(slice, syscall, [0, 50])})`;
  return sentence(typeof path === 'string' && ofFiles ? `${attempt} ${stringify(apply(slice, path, [0, 200]))}` : attempt);
}

module.exports = { install, refusalBehind, fail };
//# sourceURL=node:cell/refusals
