"""The demo's nodes in JavaScript: what people write, what fails and what attacks."""

from functools import partial

from cellblock_producer.contract import ErrorKind, Status

from cellblock_worker.cli.cases import FAIL_BRANCH, STOPPED, TO_FAIL_BRANCH, Case

_Node = partial(Case, language="nodejs")

JAVASCRIPT = (
    _Node(
        title="extract data.name from an HTTP response",
        code="""\
function main({http_response}) {
    const data = JSON.parse(http_response)
    return {result: data.data.name}
}
""",
        inputs={"http_response": '{"status": 200, "data": {"name": "Ada Lovelace", "born": 1815}}'},
        options={"outputs": {"result": {"type": "string"}}},
        outputs={"result": "Ada Lovelace"},
    ),
    _Node(
        title="variance of a list",
        code="""\
function main({x}) {
    const mean = x.reduce((sum, i) => sum + i, 0) / x.length
    return {result: x.reduce((sum, i) => sum + (i - mean) ** 2, 0) / x.length}
}
""",
        inputs={"x": [2, 4, 4, 4, 5, 5, 7, 9]},
        options={"outputs": {"result": {"type": "number"}}},
        outputs={"result": 4},
    ),
    _Node(
        title="await timers, zip and hash, print on the way",
        code="""\
const {promisify} = require('node:util')
const {createHash} = require('node:crypto')
const zlib = require('node:zlib')

async function main({name}) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    const zipped = await promisify(zlib.gzip)(name)
    console.log('zipped', zipped.length, 'bytes')
    const back = zlib.gunzipSync(zipped).toString()
    return {text: back.toUpperCase(), hash: createHash('sha256').update(back).digest('hex').slice(0, 8)}
}
""",
        inputs={"name": "world"},
        outputs={"text": "WORLD", "hash": "486ea462"},
    ),
    _Node(
        title="throw, and take the fail branch",
        code="function main({order}) {\n    return {city: order.address.city}\n}\n",
        inputs={"order": {}},
        options=TO_FAIL_BRANCH,
        outputs={
            "error_type": "TypeError",
            "error_message": "Cannot read properties of undefined (reading 'city')",
        },
        kind=ErrorKind.CODE_ERROR,
        **FAIL_BRANCH,
    ),
    _Node(
        title="throw, and go on with a default value",
        code="function main({text}) {\n    return {result: JSON.parse(text)}\n}\n",
        inputs={"text": "{seven"},
        options={
            "outputs": {"result": {"type": "number"}},
            "on_error": {"strategy": "default", "values": {"result": 0}},
        },
        kind=ErrorKind.CODE_ERROR,
        status=Status.EXCEPTION,
    ),
    _Node(
        title="a syntax error stops the run",
        code="function main( {\n    return {}\n}\n",
        kind=ErrorKind.SYNTAX_ERROR,
        **STOPPED,
    ),
    _Node(
        title="answer with what is not JSON",
        code="function main() {\n    return {result: 10n}\n}\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.INVALID_OUTPUT,
        **FAIL_BRANCH,
    ),
    _Node(
        title="read /etc/passwd",
        code="function main() {\n    return {result: require('fs').readFileSync('/etc/passwd', 'utf8')}\n}\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.BLOCKED,
        **FAIL_BRANCH,
    ),
    _Node(
        title="fetch from the network",
        code="async function main() {\n    return {result: await (await fetch('http://127.0.0.1:6379')).text()}\n}\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.BLOCKED,
        **FAIL_BRANCH,
    ),
    _Node(
        title="start a process",
        code="function main() {\n    return {result: require('child_process').execSync('id')}\n}\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.BLOCKED,
        **FAIL_BRANCH,
    ),
    _Node(
        title="kill its parent",
        code="function main() {\n    process.kill(process.ppid, 'SIGKILL')\n}\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.BLOCKED,
        **FAIL_BRANCH,
    ),
    _Node(
        title="a promise that never settles",
        code="function main() {\n    return new Promise(() => {})\n}\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.CODE_ERROR,
        **FAIL_BRANCH,
    ),
    _Node(
        title="loop for ever (limit 1 s)",
        code="function main() {\n    for (;;);\n}\n",
        options={"limits": {"wall_ms": 1000}, **TO_FAIL_BRANCH},
        kind=ErrorKind.TIMEOUT,
        **FAIL_BRANCH,
    ),
    _Node(
        title="eat memory (limit 64 MB)",
        code="""\
function main() {
    const hoard = []
    for (;;) hoard.push('x'.repeat(1000) + hoard.length)
}
""",
        options={"limits": {"memory_mb": 64}, **TO_FAIL_BRANCH},
        kind=ErrorKind.MEMORY_LIMIT,
        **FAIL_BRANCH,
    ),
    _Node(
        title="forge the machinery around it",
        code="""\
Array.prototype.map = Object.prototype.toString = JSON.stringify = Promise.prototype.then = () => 'gotcha'
function main() {
    return {result: 1}
}
""",
        outputs={"result": 1},
    ),
)
