// stdout and stderr that pass everything on at once: what was printed survives a kill.
'use strict';

const { Writable } = require('node:stream');
const { format } = require('node:util');
const { from } = Buffer;

let print = () => {}; // until a job is there, what is printed is for nobody

// In the place of Node's own, which are made when they are first used, for whatever the descriptor is then.
function install() {
  for (const [descriptor, name] of [[1, 'stdout'], [2, 'stderr']]) {
    const stream = new Writable({
      decodeStrings: true,
      write(chunk, _, done) {
        print(descriptor, chunk);
        done();
      },
    });
    stream.fd = descriptor;
    stream._type = 'pipe';
    stream._isStdio = true;
    stream.destroySoon = stream.destroy;
    stream._destroy = (error, done) => done(error);
    Object.defineProperty(process, name, { value: stream, configurable: true, enumerable: true, writable: true });
  }
  // Node says by it what threw in a hook of async_hooks, before it exits; its own writes to where nobody reads.
  process._rawDebug = (...told) => print(2, from(`${format(...told)}\n`));
  // It binds its streams at first use.
  console.log('');
  console.error('');
}

function goLive(given) {
  print = given;
}

module.exports = { install, goLive };
//# sourceURL=node:cell/streams
