// A plain rendering of /openapi.json: routes, bodies, answers, and the schemas they name.

const described = await (await fetch('/openapi.json')).json()
const api = document.getElementById('api')
const schemas = described.components.schemas
const shown = [element('p', described.info.description)]

for (const [path, operations] of Object.entries(described.paths)) {
  for (const [method, operation] of Object.entries(operations)) shown.push(...route(method, path, operation))
}
shown.push(element('h2', 'Schemas'))
for (const [name, schema] of Object.entries(schemas)) shown.push(...model(name, schema))
api.replaceChildren(...shown)
if (location.hash) document.querySelector(location.hash)?.scrollIntoView()

function route(method, path, operation) {
  const parameters = (operation.parameters ?? []).map((one) => [
    one.name, `${one.in}${one.required ? '' : ', optional'}`, one.description ?? '', one.schema,
  ])
  const body = operation.requestBody?.content['application/json']?.schema
  const answers = Object.entries(operation.responses).map(([status, one]) => {
    const [media, content] = Object.entries(one.content ?? {})[0] ?? ['', {}]
    return [status, media, one.description, content.schema]
  })
  const title = element('h3')
  title.append(element('code', `${method.toUpperCase()} ${path}`))
  return [
    title,
    element('p', operation.description ?? operation.summary),
    ...table(parameters),
    ...(body ? table([['body', 'application/json', '', body]]) : []),
    ...table(answers),
  ]
}

function model(name, schema) {
  const title = element('h3')
  title.id = name
  title.append(element('code', name))
  const required = new Set(schema.required ?? [])
  const rows = Object.entries(schema.properties ?? {}).map(([field, one]) => [
    field, required.has(field) ? 'required' : '', one.description ?? '', one,
  ])
  return [title, element('p', schema.description ?? ''), ...table(rows)]
}

function table(rows) {
  if (!rows.length) return []
  const made = element('table')
  for (const [name, kind, words, schema] of rows) {
    const row = element('tr')
    const type = element('td')
    type.append(...kindOf(schema))
    const head = element('th')
    head.append(element('code', name))
    row.append(head, type, element('td', kind), element('td', words))
    made.append(row)
  }
  return [made]
}

// The type of a schema, as nodes: names of schemas are links.
function kindOf(schema) {
  if (!schema) return []
  if (schema.$ref) {
    const name = schema.$ref.split('/').pop()
    const link = element('a', name)
    link.href = `#${name}`
    return [link]
  }
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf
  if (choices) return choices.flatMap((one, index) => [...(index ? [' or '] : []), ...kindOf(one)])
  if (schema.items) return ['array of ', ...kindOf(schema.items)]
  const said = schema.const ?? schema.enum?.join(', ') ?? schema.type ?? 'anything'
  return [String(said)]
}

function element(tag, text = '') {
  const made = document.createElement(tag)
  made.textContent = text
  return made
}
