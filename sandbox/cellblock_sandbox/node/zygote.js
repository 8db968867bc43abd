// The warm Node.js that cells are forked from; it never sees a byte of anybody's code.
//
//   config ──> warm ──> addon.serve() ──fork──> a cell, in which that call returns ──> cell.serve()
//
// Run as: node FLAGS zygote.js. The control socket is descriptor 3.
'use strict';

const cell = require('./cell.js');

// V8 gathers what it needs to be quick in the first calls of a function: in every cell, if not here.
const REHEARSALS = 20;

const addon = (() => {
  const holder = { exports: {} };
  process.dlopen(holder, `${__dirname}/cell.node`);
  return holder.exports;
})();

const hands = cell.makeHands(addon.print, addon.ready, addon.job, addon.answer, addon.most);

async function main() {
  let config;
  try {
    config = JSON.parse(addon.receive());
    process.chdir(config.packages ?? '/'); // where import() looks from, as require() does
    cell.warm(addon, config);
    Object.defineProperty(process, 'pid', { get: addon.pid, configurable: true, enumerable: true }); // else the zygote's
    // Around the event loop it must not go here: that begins to turn in the cell.
    await cell.rehearse(addon.echo);
    addon.forget();
    for (let turn = 0; turn < REHEARSALS; turn++) await cell.rehearse(addon.echo);
    addon.send('{}');
  } catch (error) {
    addon.send(JSON.stringify({ error: String(error.stack).slice(0, 2000) }));
    addon.leave(1);
  }
  process.nextTick(fork, config);
}

// Comes back in each cell. Without a rehearsal there it is cheaper in all, and slower from the job's arrival on: for
// when that waits already.
function fork(config) {
  const [inherited, own] = [config.inherited_filter, config.filter].map((text) => Buffer.from(text, 'base64'));
  if (!addon.serve(inherited, own, config.self_marker, config.nested_landlock)) cell.serve(hands);
  else cell.rehearse(addon.echo).then(() => process.nextTick(cell.serve, hands));
}

main();
//# sourceURL=node:cell/zygote
