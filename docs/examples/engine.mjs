// A workflow engine in a few lines, over HTTP: GATEWAY=http://127.0.0.1:8194 KEY=… node engine.mjs
// Nodes are code; edges say which node comes next, by the branch that the node's Result names.

const { GATEWAY, KEY } = process.env
const WAIT_S = 30

const workflow = {
  start: 'fetch',
  nodes: {
    fetch: {
      language: 'nodejs',
      code: 'async function main({order}) { return {amounts: order.items.map((item) => item.price * item.count)} }',
      inputs: ({ order }) => ({ order }),
      next: { success: 'total' },
    },
    total: {
      language: 'python3',
      code: 'def main(amounts):\n    return {"mean": sum(amounts) / len(amounts)}',
      inputs: ({ amounts }) => ({ amounts }),
      on_error: { strategy: 'branch' },
      next: { success: 'good', fail: 'bad' },
    },
    good: { language: 'python3', code: 'def main(mean): return {"text": f"mean {mean:.2f}"}', inputs: ({ mean }) => ({ mean }), next: {} },
    bad: { language: 'python3', code: 'def main(why): return {"text": "no mean: " + why}', inputs: ({ error_message: why }) => ({ why }), next: {} },
  },
}

async function call(path, body) {
  for (;;) {
    const answer = await fetch(GATEWAY + path, {
      method: body ? 'POST' : 'GET',
      headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
    })
    const said = await answer.json()
    if (answer.ok) return { status: answer.status, said }
    const again = answer.headers.get('Retry-After')
    if (!again) throw new Error(`${said.detail} ${(said.errors ?? []).join('; ')}`)
    await new Promise((resolve) => setTimeout(resolve, again * 1000)) // the same id again is the same job
  }
}

async function execute(id, { language, code, on_error }, inputs) {
  let { status, said } = await call(`/v1/jobs?wait=${WAIT_S}`, { id, language, code, inputs, on_error })
  while (status === 202) ({ status, said } = await call(`${said.href}?wait=${WAIT_S}`))
  return said
}

async function follow(run, values) {
  for (let name = workflow.start; name;) {
    const node = workflow.nodes[name]
    const result = await execute(`${run}-${name}`, node, node.inputs(values))
    console.log(`${name}: ${result.status}, branch ${result.branch}`)
    if (!result.branch) throw new Error(`${name} stopped the run: ${result.error.message}`)
    values = { ...values, ...result.outputs }
    name = node.next[result.branch]
  }
  return values.text
}

const run = crypto.randomUUID()
console.log(await follow(`${run}-a`, { order: { items: [{ price: 2, count: 3 }, { price: 5, count: 1 }] } }))
console.log(await follow(`${run}-b`, { order: { items: [] } }))
