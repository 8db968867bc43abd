// What every Node.js cell does, however it came to be: warm up, rehearse, say ready, take the one job.
'use strict';

const { createRequire } = require('node:module');
const path = require('node:path');
const randomness = require('./randomness.js');
const refusals = require('./refusals.js');
const harness = require('./harness.js');
const streams = require('./streams.js');

const { nextTick } = process;

// Load what jobs will want, and put in place what they are to meet. `hands` reaches the owner.
function warm(hands, config) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  streams.install(); // before a module looks for Node's own, which are made at the first look
  const load = createRequire(`${config.packages ?? ''}/node.js`);
  randomness.leavingNone(() => config.preload.forEach((name) => load(name)));
  refusals.install();
  harness.warm(hands, config.packages);
  process.argv.splice(1, Infinity, '/node.js');
  forgetOurselves();
}

// What is loaded can be walked to from any module; ours is reached by nobody. Packages stay: jobs find them loaded.
function forgetOurselves() {
  for (const file of Object.keys(require.cache).filter((file) => path.dirname(file) === __dirname)) {
    require.cache[file].children.length = 0;
    delete require.cache[file];
  }
  process.mainModule = undefined;
}

// What a cell has from outside, always of the same shape: V8's code is for shapes.
const makeHands = (print, ready, job, answer, most) => ({ print, ready, job, answer, most });

// Go through all that a cell does, with a job of our own, so that what every job needs is compiled, and its pages are
// copied, beforehand. What it prints and answers is for nobody.
function rehearse(echo) {
  return new Promise((resolve) => {
    const nothing = () => {};
    nextTick(serve, makeHands(nothing, nothing, () => echo(harness.rehearsal()), (text) => resolve(echo(text)), nothing));
  });
}

// Say ready and take the one job.
function serve(hands) {
  streams.goLive(hands.print);
  hands.ready();
  harness.run(hands.job(), hands);
}

module.exports = { makeHands, warm, rehearse, serve };
//# sourceURL=node:cell/cell
