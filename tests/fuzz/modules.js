// What a Node.js cell does that is fuzzed.
function generator(seed) {
  return () => { // mulberry32
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

async function main(w) {
  const random = generator(w.seed);
  const one = (list) => list[Math.floor(random() * list.length)];
  const names = require('node:module').builtinModules.filter((name) => !w.besides.includes(name));
  const roots = [globalThis, process, process, ...(w.swarm ? Array.from({ length: w.swarm }, () => one(names)) : names)];
  const got = [];
  const swallow = (value) => {
    if (value && typeof value.then === 'function') value.then(swallow, () => {});
    else if (value && typeof value.on === 'function') { try { value.on('error', () => {}); } catch {} }
    if (value !== null && (typeof value === 'object' || typeof value === 'function') && got.length < 200) got.push(value);
    return value;
  };
  process.on('uncaughtException', () => {});
  process.on('unhandledRejection', () => {});
  const values = [
    () => undefined, () => null, () => 0, () => 1, () => -1, () => Math.floor(random() * 10), () => 2 ** Math.floor(random() * 53),
    () => NaN, () => '', () => 'utf8', () => w.secret_file, () => w.folder, () => `${w.folder}/new`, () => w.stream_path, () => w.abstract,
    () => w.tcp_port, () => '127.0.0.1', () => w.owner, () => w.zygote, () => w.stranger, () => 'SIGKILL', () => 9, () => process.execPath,
    () => Buffer.alloc(Math.floor(random() * 5000), 'x'), () => new Uint8Array(16), () => new SharedArrayBuffer(64), () => true, () => 10n,
    () => () => one(got), () => ({}), () => [], () => [one(got)], () => Symbol.iterator, () => new Proxy({}, {}), () => '\0', () => '-c',
    () => ({ path: w.stream_path }), () => ({ port: w.tcp_port, host: '127.0.0.1' }), () => ({ fd: Math.floor(random() * 10) }),
    () => ({ env: {}, stdio: 'inherit', shell: true, cwd: '/' }), () => ({ eval: true, signal: one(got) }), () => `file://${w.secret_file}`,
    () => one(got), () => one(got), () => require(one(names)), () => process, () => globalThis,
  ];
  const arguments_ = () => Array.from({ length: Math.floor(random() * 5) }, () => one(values)());
  const step = () => {
    let holder = random() < 0.3 && got.length ? one(got) : one(roots);
    if (typeof holder === 'string') holder = require(holder);
    for (let depth = 0; depth < 4; depth++) {
      let owner = holder;
      const keys = [];
      for (let level = 0; owner && level < 3; level++, owner = Object.getPrototypeOf(owner)) keys.push(...Reflect.ownKeys(owner));
      const key = one(keys);
      if (w.harmless.includes(key)) return;
      const value = holder[key];
      if (typeof value === 'function') {
        const chance = random();
        if (chance < 0.75) swallow(Reflect.apply(value, holder, arguments_()));
        else if (chance < 0.95) swallow(new value(...arguments_()));
        else holder[key] = one(values)();
        if (random() < 0.7) return;
      }
      if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return;
      holder = value;
    }
  };
  for (let made = 0; made < w.calls; made++) {
    try { step(); } catch {}
    if (made % 16 === 0) await new Promise((done) => queueMicrotask(done));
    if (made % 64 === 0) await null;
  }
  return { made: w.calls };
}
