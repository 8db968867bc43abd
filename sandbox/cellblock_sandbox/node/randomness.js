// Random numbers while packages are loaded ahead of all jobs.
//
// V8 and Node draw some in advance and keep a state. What a package draws at that time would leave one that every cell
// inherits: the same numbers, and the same UUIDs, in all of them. So until the packages are loaded all is drawn from
// OpenSSL, each time anew, which knows of forks; and so it stays for a package that kept one of these functions.
'use strict';

const crypto = require('node:crypto');
const { syncBuiltinESMExports } = require('node:module');

const { randomBytes, randomInt } = crypto;
const { apply } = Reflect;
const { isSafeInteger } = Number;
const { nextTick } = process;
const BITS = 48; // those of Node's own randomInt
const ALL = 2 ** BITS;

const freshInt = () => randomBytes(BITS / 8).readUIntBE(0, BITS / 8);
const freshNumber = () => (freshInt() * 32 + (randomBytes(1)[0] & 31)) / 2 ** 53;
const freshUUID = (draw) => (options) => draw({ ...options, disableEntropyCache: true });

const UUIDS = ['randomUUID', 'randomUUIDv7'].filter((name) => name in crypto);
const fresh = [
  [Math, 'random', freshNumber],
  [crypto, 'randomInt', freshRandomInt],
  ...UUIDS.map((name) => [crypto, name, freshUUID(crypto[name])]),
  [globalThis.crypto.constructor.prototype, 'randomUUID', freshUUID(crypto.randomUUID)],
];

function freshRandomInt(...given) {
  const [from, to, callback] = typeof given[1] === 'number' ? given : [0, ...given];
  const range = to - from;
  const called = callback === undefined || typeof callback === 'function';
  if (!isSafeInteger(from) || !isSafeInteger(to) || !(range > 0 && range < ALL) || !called) return apply(randomInt, crypto, given); // it throws
  let drawn;
  do drawn = freshInt();
  while (drawn >= ALL - (ALL % range));
  const number = from + (drawn % range);
  if (callback === undefined) return number;
  nextTick(callback, undefined, number);
}

// Call `load`, in which nothing that is drawn leaves a trace.
function leavingNone(load) {
  const own = fresh.map(([holder, name]) => holder[name]);
  fresh.forEach(([holder, name, draw]) => (holder[name] = draw));
  syncBuiltinESMExports();
  load();
  fresh.forEach(([holder, name], at) => (holder[name] = own[at]));
  syncBuiltinESMExports();
}

module.exports = { leavingNone };
//# sourceURL=node:cell/randomness
