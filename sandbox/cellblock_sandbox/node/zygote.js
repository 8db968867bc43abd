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

async function main() {
  let rehearse;
  try {
    const config = JSON.parse(addon.receive());
    process.chdir(config.packages ?? '/'); // where import() looks from, as require() does
    cell.warm(addon, config);
    Object.defineProperty(process, 'pid', { get: addon.pid, configurable: true, enumerable: true }); // else the zygote's
    // Around the event loop it must not go here: that begins to turn in the cell.
    await cell.rehearse();
    addon.forget();
    for (let turn = 0; turn < REHEARSALS; turn++) await cell.rehearse();
    addon.send('{}');
    const [inherited, own] = [config.inherited_filter, config.filter].map((text) => Buffer.from(text, 'base64'));
    rehearse = addon.serve(inherited, own, config.self_marker, config.nested_landlock);
  } catch (error) {
    addon.send(JSON.stringify({ error: String(error.stack).slice(0, 2000) }));
    addon.leave(1);
  }
  await cell.serve(addon, rehearse);
}

main();
