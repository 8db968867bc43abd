// Everything that can be walked to from here, as far as it goes: by properties, symbols, accessors, prototypes,
// what functions own, collections, call sites, listeners. Where something of the addon's, or of the wrapper's, is found, how.
const NAMES = ['receive', 'send', 'serve', 'ready', 'job', 'answer', 'print', 'pid', 'leave', 'forget'];
const { isMap, isSet } = require('util').types;
const MODULES = require('module').builtinModules.filter((name) => !/^(inspector|trace_events|wasi|_)/.test(name));

function found(value) {
  if (typeof value === 'function' && NAMES.includes(value.name))
    return Function.prototype.toString.call(value) === `function ${value.name}() { [native code] }` && `native ${value.name}`;
  return ['serve', 'ready', 'answer'].every((name) => Object.hasOwn(value, name)) && 'the addon';
}

function neighbours(value) {
  const next = [['[[Prototype]]', Object.getPrototypeOf(value)]];
  for (const key of Reflect.ownKeys(value)) {
    if (typeof value === 'object' && ArrayBuffer.isView(value)) break;
    const { value: held, get, set } = Object.getOwnPropertyDescriptor(value, key) ?? {};
    next.push([String(key), held], [`get ${String(key)}`, get], [`set ${String(key)}`, set]);
    if (get) try { next.push([`${String(key)}()`, value[key]]); } catch {}
  }
  if (isMap(value)) for (const [k, v] of value) next.push(['key', k], ['entry', v]);
  if (isSet(value)) for (const v of value) next.push(['entry', v]);
  return next;
}

function main() {
  const roots = { globalThis, require, module, exports, process, args: arguments, stack: [new Error().stack] };
  for (const name of MODULES) roots[name] = require(name);
  for (const event of process.eventNames()) roots[`listeners of ${String(event)}`] = process.rawListeners(event);
  Error.prepareStackTrace = (error, sites) => sites;
  roots.sites = new Error().stack.flatMap((site) => [site, site.getThis(), site.getFunction()]);
  roots.callers = [main.caller, main.arguments, arguments.callee];
  Error.prepareStackTrace = undefined;
  const seen = new Set();
  const queue = Object.entries(roots);
  const hits = [];
  for (let at = 0; at < queue.length && seen.size < 300000; at++) {
    const [path, value] = queue[at];
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue;
    seen.add(value);
    const hit = found(value);
    if (hit) hits.push(`${path}: ${hit}`);
    for (const [name, next] of neighbours(value)) queue.push([`${path}.${name}`, next]);
  }
  return { hits, seen: seen.size };
}
