// What went wrong, told in the node's own lines: its stack without a frame or a path of ours.
'use strict';

const { inspect, types } = require('node:util');
const { refusalBehind } = require('./refusals.js');
const { Array, Number, RegExp, Set, String } = globalThis;
const apply = Reflect.apply;
const { slice, split, includes, indexOf, startsWith, toWellFormed } = String.prototype;
const { exec } = RegExp.prototype;
const { has } = Set.prototype;
const isPlainArray = Array.isArray;
const { isDate, isGeneratorObject, isMap, isNativeError, isRegExp, isSet } = types;

const NODE = 'node.js'; // the name under which the code stands in stacks
const MESSAGE_LENGTH = 4000;
const STACK_LENGTH = 16000;
const FRAMES_LENGTH = 100_000; // of them, ours are left out
const PLACE = /(?:^|[\s(@])node\.js:(\d+)(?::\d+)?/;
const OUT_OF_MEMORY = /^(?:Array buffer allocation failed|WebAssembly\.(?:Memory\(\): could not allocate memory|Memory\.grow\(\): Unable to grow|\w+\(\): Out of memory))/;
const OUT_OF_MEMORY_CODES = new Set(['ENOMEM', 'ERR_MEMORY_ALLOCATION_FAILED', 'Z_MEM_ERROR']);

// Array's own throws at a proxy that was revoked.
function isArray(value) {
  try {
    return isPlainArray(value);
  } catch {
    return false;
  }
}

const cut = (text, length) => apply(slice, apply(toWellFormed, text, []), [0, length]);

function fault(kind, message, { type = '', line = null, traceback = '' } = {}) {
  return {
    __proto__: null,
    kind,
    type: cut(type, 200),
    message: cut(message, MESSAGE_LENGTH),
    line,
    traceback: cut(traceback, STACK_LENGTH),
  };
}

const SHOWN = { __proto__: null, depth: 1, breakLength: Infinity, customInspect: false, getters: false };
const CAUSES = 4;

// The fault behind what the code threw and did not catch, which need not be an Error; this never throws itself.
function faultOf(thrown) {
  try {
    return looked(thrown);
  } catch {
    return fault('code_error', 'the code threw what cannot be looked at', { type: isObject(thrown) ? 'Object' : typeof thrown });
  }
}

function looked(thrown) {
  if (!isObject(thrown)) {
    const shown = typeof thrown === 'object' || thrown === undefined ? '' : `: ${text(() => String(thrown))}`;
    return fault('code_error', `the code threw ${describe(thrown)}${shown}`, { type: nameOf(thrown) });
  }
  const stack = stackOf(thrown);
  const told = text(() => thrown.message);
  // Where it looked for a module is nothing to a code node.
  const code = text(() => thrown.code);
  const message = code === 'MODULE_NOT_FOUND' ? apply(split, told, ['\n'])[0] : told;
  const refusal = text(() => refusalBehind(thrown) ?? '');
  const memory = apply(has, OUT_OF_MEMORY_CODES, [code]) || apply(exec, OUT_OF_MEMORY, [message]) !== null;
  const [title, frames] = parted(stack, told);
  const caused = causes(thrown);
  return fault(refusal ? 'blocked' : memory ? 'memory_limit' : 'code_error', refusal || message || unsaid(thrown), {
    type: typeName(thrown),
    line: lineIn(frames) ?? lineIn(caused), // Promise.any() and fetch() make errors that have no frames
    traceback: withoutOurs(title) + withoutOurs(frames) + caused,
  });
}

// Most classes of the code's own set no name: theirs is that of Error, or of what else they extend.
function typeName(thrown) {
  if (typeof thrown === 'function') return 'function';
  const named = text(() => thrown.name);
  const made = text(() => thrown.constructor.name);
  return named && named !== 'Error' ? named : made || named || 'Object';
}

function unsaid(thrown) {
  if (isNativeError(thrown)) return `the code threw ${typeName(thrown)} without a message`;
  const shown = text(() => inspect(thrown, SHOWN));
  return `the code threw ${describe(thrown)}${shown && `: ${shown}`}`;
}

const stackOf = (thrown) => text(() => thrown.stack);

// The message comes first in a stack, and it may read as a frame. The code may have made both parts as long as it likes.
function parted(stack, message) {
  const at = message ? apply(indexOf, stack, [message]) : -1;
  const end = at < 0 ? 0 : at + message.length;
  return [apply(slice, stack, [0, end < STACK_LENGTH ? end : STACK_LENGTH]), apply(slice, stack, [end, end + FRAMES_LENGTH])];
}

function causes(thrown) {
  let told = '';
  for (let at = 0, error = thrown; at < CAUSES; at++) {
    try {
      error = error.cause ?? error.errors?.[0];
    } catch {
      break;
    }
    if (!isObject(error)) break;
    const stack = apply(slice, stackOf(error), [0, FRAMES_LENGTH]);
    if (stack) told += `\ncaused by: ${withoutOurs(stack)}`;
  }
  return told;
}

// The fault of code that does not compile: V8 puts the place first, then the line and its mark.
function syntaxFault(error) {
  const stack = text(() => error.stack);
  return fault('syntax_error', text(() => error.message), { type: text(() => error.name), line: lineIn(stack), traceback: withoutOurs(stack) });
}

function lineIn(stack) {
  const found = apply(exec, PLACE, [stack]);
  return found === null ? null : Number(found[1]);
}

// Frames of the node's own code alone: those below it are ours or Node's own.
function withoutOurs(stack) {
  const lines = apply(split, stack, ['\n']);
  let kept;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    if (apply(startsWith, line, ['    at ']) && !apply(includes, line, [NODE])) continue;
    kept = kept === undefined ? line : `${kept}\n${line}`;
  }
  return kept ?? '';
}

const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

// What is an object and holds no outputs: JSON makes nothing of it, or a string.
function noRecord(value) {
  if (isMap(value)) return 'Map';
  if (isSet(value)) return 'Set';
  if (isDate(value)) return 'Date';
  if (isRegExp(value)) return 'RegExp';
  if (isGeneratorObject(value)) return 'generator';
  return isNativeError(value) && typeof value.toJSON !== 'function' ? 'Error' : '';
}

function describe(value) {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (isArray(value)) return 'an array';
  const name = noRecord(value);
  if (name) return `${name === 'Error' ? 'an' : 'a'} ${name}`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function nameOf(value) {
  if (value === null) return 'null';
  if (isArray(value)) return 'Array';
  return noRecord(value) || typeof value;
}

// The text that `make` gives; the code's own getters may do anything, so it may also fail.
function text(make) {
  try {
    const made = make();
    return typeof made === 'string' ? made : '';
  } catch {
    return '';
  }
}

module.exports = { NODE, fault, faultOf, syntaxFault, describe, noRecord, nameOf };
//# sourceURL=node:cell/faults
