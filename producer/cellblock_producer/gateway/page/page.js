// Runs the code through the gateway's own API, and shows the Result as an author reads it.
// What comes from a Result is only ever set as text.

import { Editor } from './editor.js'

const EXAMPLES = {
  python3: 'def main(a, b):\n    print("dividing", a, "by", b)\n    return {"result": a / b}\n',
  nodejs: 'async function main({a, b}) {\n    console.log("dividing", a, "by", b)\n    return {result: a / b}\n}\n',
}
const WAIT_S = 60
const CHECK_AFTER_MS = 500

const at = (id) => document.getElementById(id)
const code = new Editor(at('code'), changed, run)
const inputs = new Editor(at('inputs'), () => {}, run)
const own = {}
let marks = { error: [], findings: [] }
let checking = 0
let language = 'python3'

code.value = EXAMPLES.python3
inputs.value = '{"a": 1, "b": 4}'
at('key').value = sessionStorage.getItem('key') ?? ''
at('key').addEventListener('change', () => { sessionStorage.setItem('key', at('key').value); check() })
at('run').addEventListener('click', run)
at('language').addEventListener('change', () => {
  own[language] = code.value
  language = at('language').value
  code.value = own[language] ?? EXAMPLES[language]
  changed()
})
if (at('key').value) check()

function changed() {
  marks = { error: [], findings: [] }
  at('findings').replaceChildren()
  clearTimeout(checking)
  checking = setTimeout(check, CHECK_AFTER_MS)
}

async function call(path, body) {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${at('key').value}` }
  const options = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) }
  const answer = await fetch(path, options)
  return { status: answer.status, said: await answer.json() }
}

async function check() {
  if (!at('key').value) return
  const text = code.value
  const { status, said } = await call('/v1/check', { code: text, language }).catch(() => ({}))
  if (status !== 200 || text !== code.value) return
  marks.findings = said.findings
  at('findings').replaceChildren(...said.findings.map((finding) => {
    const kind = finding.kind === 'advice' ? 'advice-text' : 'refused'
    return element('li', `Line ${finding.line}: ${finding.message}`, kind)
  }))
  draw()
}

async function run() {
  if (at('run').disabled) return
  at('run').disabled = true
  at('result').replaceChildren(element('p', 'Running …', 'quiet'))
  try {
    show(...await execute())
  } catch (error) {
    show(element('p', error.message, 'bad'))
  } finally {
    at('run').disabled = false
  }
}

async function execute() {
  sessionStorage.setItem('key', at('key').value)
  check()
  let given
  try {
    given = JSON.parse(inputs.value.trim() || '{}')
  } catch (error) {
    return [element('p', `The inputs are not JSON: ${error.message}`, 'bad')]
  }
  const job = { language, code: code.value, inputs: given, on_error: { strategy: at('strategy').value } }
  let answer = await call(`/v1/jobs?wait=${WAIT_S}`, job)
  while (answer.status === 202) answer = await call(`${answer.said.href}?wait=${WAIT_S}`)
  return answer.status === 200 ? result(answer.said) : problem(answer.said)
}

function problem(said) {
  const errors = (said.errors ?? []).map((error) => element('li', error))
  return [element('p', said.detail ?? 'The gateway gave no answer.', 'bad'), list(errors)]
}

function result(said) {
  const good = said.status === 'succeeded'
  const head = element('p')
  head.append(
    element('span', said.status + ' ', `badge ${good ? 'good' : 'bad'}`),
    element('span', `branch: ${said.branch ?? 'none'}`, 'branch'),
  )
  return [
    head,
    ...(said.error ? failure(said.error) : []),
    ...block('Outputs', Object.keys(said.outputs).length || good ? JSON.stringify(said.outputs, null, 2) : ''),
    ...block(`Printed${said.stdout_truncated ? ', cut' : ''}`, said.stdout),
    ...block(`Printed on standard error${said.stderr_truncated ? ', cut' : ''}`, said.stderr),
    ...usage(said),
  ]
}

function failure(error) {
  const where = error.line ? ` (line ${error.line})` : ''
  const shown = [element('p', `${error.kind}: ${error.type ? error.type + ': ' : ''}${error.message}${where}`, 'bad error-text')]
  if (error.line) {
    marks.error = [error.line]
    shown.push(element('div', `${error.line}  ${code.value.split('\n')[error.line - 1] ?? ''}`, 'source'))
  }
  return [...shown, ...block('Traceback', error.traceback)]
}

function usage(said) {
  const table = element('table', '', 'usage')
  const rows = {
    'in the queue': `${said.usage.queue_ms} ms`,
    'run': `${said.usage.wall_ms} ms`,
    'CPU': `${said.usage.cpu_ms} ms`,
    'memory above the idle runtime': `${said.usage.peak_memory_kb} KiB`,
    'attempts': said.attempts,
    'worker': said.worker,
    'job': said.job_id,
  }
  for (const [name, value] of Object.entries(rows)) {
    const row = element('tr')
    row.append(element('th', name), element('td', value))
    table.append(row)
  }
  return [element('h2', 'Usage'), table]
}

function show(...parts) {
  at('result').replaceChildren(...parts)
  draw()
}

function draw() {
  const lines = new Map(marks.findings.map(({ line, kind }) => [line, kind === 'advice' ? 'advice' : 'error']))
  for (const line of marks.error) lines.set(line, 'error')
  code.mark(lines)
}

function block(title, text) {
  return text ? [element('h2', title), element('pre', text)] : []
}

function list(items) {
  const made = element('ul')
  made.append(...items)
  return made
}

function element(tag, text = '', classes = '') {
  const made = document.createElement(tag)
  made.textContent = text
  if (classes) made.className = classes
  return made
}
