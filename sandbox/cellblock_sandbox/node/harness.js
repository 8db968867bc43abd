// Runs one program in its cell: the job comes in as JSON, one answer goes out.
//
//   compile ──> main(inputs), awaited ──> JSON ──> end        (script: run it, until nothing is left to do)
//      └── syntax fault       └── thrown, exit, never settled ──> fault ──> end
//
// The code shares this realm. It may patch whatever it finds there; so what is used here after it has run was
// taken before, and all that it can change is its own answer. `end` does not return in a cell.
'use strict';

const { createRequire } = require('node:module');
const vm = require('node:vm');
const { NODE, fault, faultOf, syntaxFault, describe, noRecord, nameOf } = require('./faults.js');
const { Buffer, Error, JSON, Object, Array, Promise } = globalThis;
const bytes = Buffer.from;
const apply = Reflect.apply;
const { parse, stringify } = JSON;
const { keys } = Object;
const { isArray } = Array;
const { compileFunction, constants } = vm;
const { emit, listenerCount, on, removeListener } = process;
const { startsWith, slice } = String.prototype;

const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname'];
const OPTIONS = {
  __proto__: null,
  filename: NODE,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
};
// On lines of their own, so that no comment swallows them and no line of the code moves. Of several names, the last counts.
const NAMED = `\n//# sourceURL=${NODE}`;
const HAND_OVER_MAIN = `\n;return typeof main === 'undefined' ? undefined : main;${NAMED}`;
const REHEARSAL = `
const { x } = { x: 1 };
async function main({ a }) {
  await null;
  console.log('');
  return { a: [...Array(a).keys()].map(String), b: { c: x } };
}`;

let addon;
let rehearsals = 0;
let root;
let codesRequire; // the code's own; made in a rehearsal, since it takes a tenth of a job's time
let end; // called with the answer, at most once a cell
let script = false;
let draining = false;

function warm(given, packages) {
  addon = given;
  root = packages ?? '';
  apply(on, process, ['uncaughtException', failUnlessHandled]);
  apply(on, process, ['beforeExit', drained]);
  apply(on, process, ['exit', exited]);
  process.reallyExit = left;
  apply(on, process, ['unhandledRejection', sayRejection]);
  importOnce();
}

// Node warns at the first import() that our way of compiling is an experiment: nothing to a code node.
function importOnce() {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  compileFunction("import('node:path')", [], OPTIONS)();
  process.emitWarning = emitWarning;
}

// A job of our own. V8 would take a text that it knows from its cache, and the compiler would be cold: so each is new.
const rehearsal = () => stringify({ code: `${REHEARSAL}//${++rehearsals}`, mode: 'main', inputs: { a: 3 } });

// Call it from a tick and not amid promises: ticks of the code come before its promises, as in any script.
function run(text, hands) {
  const { answer, most } = hands;
  end = (body) => {
    const size = answer(body, false);
    if (size !== undefined) answer(failed(fault('output_limit', `the answer has ${size} bytes; ${most()} are allowed`)), true);
  };
  const { code, mode, inputs } = parse(text);
  script = mode === 'script';
  if (script) apply(removeListener, process, ['unhandledRejection', sayRejection]);
  let program;
  try {
    program = compile(code);
  } catch (error) {
    end(failed(syntaxFault(error)));
    return;
  }
  start(program, inputs);
}

function compile(source) {
  const code = apply(startsWith, source, ['#!']) ? `//${apply(slice, source, [2])}` : source;
  try {
    return compileFunction(code + (script ? NAMED : HAND_OVER_MAIN), PARAMETERS, OPTIONS);
  } catch (error) {
    compileFunction(code, PARAMETERS, OPTIONS); // the error without our lines
    throw error;
  }
}

async function start(program, inputs) {
  let body;
  try {
    codesRequire ??= createRequire(`${root}/${NODE}`);
    const module = { exports: {} };
    const main = apply(program, module.exports, [module.exports, codesRequire, module, `/${NODE}`, '/']);
    if (script) return; // what is left of it goes on until `drained`
    body = await outputs(main, inputs);
  } catch (error) {
    if (script && isHandled('uncaughtException')) return apply(emit, process, ['uncaughtException', error, 'uncaughtException']);
    body = failed(faultOf(error));
  }
  end(body);
}

async function outputs(main, inputs) {
  if (typeof main !== 'function')
    return failed(fault('code_error', 'the code defines no function main', { type: 'ReferenceError' }));
  return encoded(await main(inputs));
}

function encoded(value) {
  if (typeof value !== 'object' || value === null || isArray(value) || noRecord(value)) return notAnObject(value);
  let body;
  try {
    body = stringify(value);
  } catch (error) {
    const { type, message } = faultOf(error);
    return failed(fault('invalid_output', `${culprit(value)} is not JSON: ${message}`, { type }));
  }
  // A toJSON of the code's own may have made anything of it.
  return typeof body === 'string' && body[0] === '{' ? `{"outputs":${body}}` : notAnObject(body && parse(body));
}

function notAnObject(value) {
  const message = `main must return an object with its outputs, but it returned ${describe(value)}`;
  return failed(fault('invalid_output', message, { type: nameOf(value) }));
}

function culprit(value) {
  const names = keys(value);
  for (let at = 0; at < names.length; at++) {
    try {
      stringify(value[names[at]]);
    } catch {
      return `output ${stringify(names[at])}`;
    }
  }
  return 'the answer';
}

function failed(described, exitCode) {
  const status = script ? (exitCode ?? 1) : undefined;
  return stringify({ __proto__: null, error: described, exit_code: status });
}

// ---- ends that main does not bring about ----

// Whether the code listens itself, besides us.
const isHandled = (event) => apply(listenerCount, process, [event]) > 1;

function failUnlessHandled(error) {
  if (!isHandled('uncaughtException')) end(failed(faultOf(error)));
}

function sayRejection(reason) {
  if (isHandled('unhandledRejection')) return;
  const { type, message, line } = faultOf(reason);
  const place = line === null ? '' : ` (line ${line})`;
  addon.print(2, bytes(`Unhandled rejection: ${type}: ${message}${place}\n`));
}

// Nothing is left to do. Listeners of the code's own come first at the exit.
function drained() {
  draining = true;
  apply(removeListener, process, ['exit', exited]);
  apply(on, process, ['exit', exited]);
}

function exited(code) {
  if (draining) left(process.exitCode ?? code, 'main returned a promise that never settles: nothing is left to do that could settle it');
}

// In the place of process.reallyExit, which process.exit() calls in the end.
function left(code, message = 'the code called process.exit before main returned') {
  const status = (code ?? process.exitCode ?? 0) & 0xff;
  if (script && status === 0) end('{"outputs":{},"exit_code":0}');
  const described = faultOf(new Error(script ? `the code exited: ${status}` : message));
  described.type = script || !draining ? 'process.exit' : 'Promise';
  end(failed(described, status));
}

module.exports = { warm, rehearsal, run };
//# sourceURL=node:cell/harness
