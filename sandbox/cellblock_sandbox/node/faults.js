// What went wrong, told in the node's own lines: its stack without a frame or a path of ours.
'use strict';

const { refusalBehind } = require('./refusals.js');
const { Array, Number, RegExp, String } = globalThis;
const apply = Reflect.apply;
const { slice, split, includes, startsWith, toWellFormed } = String.prototype;
const { exec } = RegExp.prototype;
const { isArray } = Array;
const { getPrototypeOf } = Object;

const NODE = 'node.js'; // the name under which the code stands in stacks
const MESSAGE_LENGTH = 4000;
const STACK_LENGTH = 16000;
const PLACE = /(?:^|[\s(@])node\.js:(\d+)(?::\d+)?/;
const OUT_OF_MEMORY = /^(?:Array buffer allocation failed|WebAssembly\.(?:Memory\(\): could not allocate memory|Memory\.grow\(\): Unable to grow))/;

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

// The fault behind what the code threw and did not catch, which need not be an Error.
function faultOf(thrown) {
  if (!isObject(thrown)) {
    const shown = typeof thrown === 'object' || thrown === undefined ? '' : `: ${text(() => String(thrown))}`;
    return fault('code_error', `the code threw ${describe(thrown)}${shown}`, { type: nameOf(thrown) });
  }
  const stack = text(() => thrown.stack);
  const name = text(() => thrown.name) || text(() => getPrototypeOf(thrown).constructor.name) || 'Object';
  const told = text(() => thrown.message);
  // Where it looked for a module is nothing to a code node.
  const message = text(() => thrown.code) === 'MODULE_NOT_FOUND' ? apply(split, told, ['\n'])[0] : told;
  const refusal = text(() => refusalBehind(thrown) ?? '');
  const memory = apply(exec, OUT_OF_MEMORY, [message]) !== null;
  return fault(refusal ? 'blocked' : memory ? 'memory_limit' : 'code_error', refusal || message || `the code threw ${describe(thrown)}`, {
    type: name,
    line: lineIn(stack),
    traceback: withoutOurs(stack),
  });
}

// The fault of code that does not compile: V8 puts the place first, then the line and its mark.
function syntaxFault(error) {
  const stack = text(() => error.stack);
  return fault('syntax_error', text(() => error.message), { type: 'SyntaxError', line: lineIn(stack), traceback: withoutOurs(stack) });
}

function lineIn(stack) {
  const found = apply(exec, PLACE, [stack]);
  return found === null ? null : Number(found[1]);
}

// Frames of the node's own code alone: those below it are ours or Node's own.
function withoutOurs(stack) {
  const lines = apply(split, stack, ['\n']);
  let kept = '';
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    if (apply(startsWith, line, ['    at ']) && !apply(includes, line, [NODE])) continue;
    kept += kept ? `\n${line}` : line;
  }
  return kept;
}

const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

function describe(value) {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

const nameOf = (value) => (value === null ? 'null' : isArray(value) ? 'Array' : typeof value);

// The text that `make` gives; the code's own getters may do anything, so it may also fail.
function text(make) {
  try {
    const made = make();
    return typeof made === 'string' ? made : '';
  } catch {
    return '';
  }
}

module.exports = { NODE, fault, faultOf, syntaxFault, describe, nameOf };
