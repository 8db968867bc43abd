// A Node.js booted ahead of its one job, where it cannot be forked; locked before it was started.
//
// Run as: node oneshot.js CONFIG. The channel is descriptor 3. It speaks as cell.c does, in JavaScript.
'use strict';

const { readSync, writeSync } = require('node:fs');
const cell = require('./cell.js');

const CHANNEL = 3;
const HEADER_BYTES = 40; // data, address space, CPU s, answer bytes, job bytes: the owner sees to the first three
const { cpuUsage, reallyExit } = process;
const { from } = Buffer; // as it is before the code could change it
const length = Buffer.alloc(4);
const FAULT_BYTES = 1 << 20; // what an answer in place of one that is too large may have
let most; // bytes that the answer may have

function read(size) {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; ) {
    const got = readSync(CHANNEL, bytes, at, size - at);
    if (got === 0) reallyExit(0); // the owner has no job for us any more
    at += got;
  }
  return bytes;
}

function write(descriptor, bytes) {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error; // the code made it non-blocking, and nobody has read yet
    }
  }
}

const hands = {
  ready() {
    const { user, system } = cpuUsage();
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(user + system) * 1000n);
    write(CHANNEL, bytes);
  },
  job() {
    const header = read(HEADER_BYTES);
    most = Number(header.readBigUInt64BE(24));
    return read(Number(header.readBigUInt64BE(32))).toString();
  },
  most: () => most,
  print: write,
  answer(text, instead) {
    const body = from(text);
    if (body.length > (instead ? FAULT_BYTES : most)) return body.length;
    length[0] = body.length >>> 24;
    length[1] = body.length >>> 16;
    length[2] = body.length >>> 8;
    length[3] = body.length;
    write(CHANNEL, length);
    write(CHANNEL, body);
    read(1); // the owner looks at what we used, and kills us
    return reallyExit(0);
  },
};

cell.warm(hands, JSON.parse(process.argv[2]));
cell.serve(hands);
