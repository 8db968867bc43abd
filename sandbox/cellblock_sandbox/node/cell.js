// What every Node.js cell does, however it came to be: warm up, rehearse, say ready, take the one job.
'use strict';

const { createRequire } = require('node:module');
const path = require('node:path');
const randomness = require('./randomness.js');
const refusals = require('./refusals.js');
const harness = require('./harness.js');
const streams = require('./streams.js');

// Load what jobs will want, and put in place what they are to meet. `hands` reaches the owner.
function warm(hands, config) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  streams.install(hands.print); // before a module looks for Node's own, which are made at the first look
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

// Without a rehearsal it is cheaper in all, and slower from the job's arrival on: for when the job waits already.
async function serve(hands, rehearse) {
  if (rehearse) await harness.rehearse();
  streams.goLive();
  hands.ready();
  const { text, most } = hands.job();
  harness.run(text, most);
}

module.exports = { warm, rehearse: harness.rehearse, serve };
//# sourceURL=node:cell/cell
