"""The demo's nodes in Python: what people write, what fails and what attacks."""

from cellblock_producer.contract import ErrorKind, Status

from cellblock_worker.cli.cases import FAIL_BRANCH, STOPPED, TO_FAIL_BRANCH, Case

PYTHON = (
    Case(
        title="extract data.name from an HTTP response",
        code="""\
def main(http_response: str) -> dict:
    import json
    data = json.loads(http_response)
    return {'result': data['data']['name']}
""",
        inputs={"http_response": '{"status": 200, "data": {"name": "Ada Lovelace", "born": 1815}}'},
        options={"outputs": {"result": {"type": "string"}}},
        outputs={"result": "Ada Lovelace"},
    ),
    Case(
        title="variance of a list",
        code="""\
def main(x: list) -> dict:
    return {'result': sum([(i - sum(x) / len(x)) ** 2 for i in x]) / len(x)}
""",
        inputs={"x": [2, 4, 4, 4, 5, 5, 7, 9]},
        options={"outputs": {"result": {"type": "number"}}},
        outputs={"result": 4.0},
    ),
    Case(
        title="concatenate two knowledge bases",
        code="""\
def main(knowledge1: list, knowledge2: list) -> dict:
    return {'result': knowledge1 + knowledge2}
""",
        inputs={"knowledge1": ["apples are red"], "knowledge2": ["pears are green", "plums are blue"]},
        options={"outputs": {"result": {"type": "array[string]"}}},
        outputs={"result": ["apples are red", "pears are green", "plums are blue"]},
    ),
    Case(
        title="render a jinja2 template, print on the way",
        code="""\
from jinja2 import Template

def main(name):
    print('rendering for', name)
    return {'text': Template('Hello {{ name | upper }}!').render(name=name)}
""",
        inputs={"name": "world"},
        outputs={"text": "Hello WORLD!"},
    ),
    Case(
        title="raise, and take the fail branch",
        code="def main(a, b):\n    return {'result': a / b}\n",
        inputs={"a": 1, "b": 0},
        options=TO_FAIL_BRANCH,
        outputs={"error_type": "ZeroDivisionError", "error_message": "division by zero"},
        kind=ErrorKind.CODE_ERROR,
        **FAIL_BRANCH,
    ),
    Case(
        title="raise, and go on with a default value",
        code="def main(text):\n    return {'result': int(text)}\n",
        inputs={"text": "seven"},
        options={
            "outputs": {"result": {"type": "number"}},
            "on_error": {"strategy": "default", "values": {"result": 0}},
        },
        kind=ErrorKind.CODE_ERROR,
        status=Status.EXCEPTION,
    ),
    Case(
        title="a syntax error stops the run",
        code="def main(:\n    return {}\n",
        kind=ErrorKind.SYNTAX_ERROR,
        **STOPPED,
    ),
    Case(
        title="answer with the wrong type",
        code="def main():\n    return {'result': 'four'}\n",
        options={"outputs": {"result": {"type": "number"}}, **TO_FAIL_BRANCH},
        kind=ErrorKind.INVALID_OUTPUT,
        **FAIL_BRANCH,
    ),
    Case(
        title="read /etc/passwd",
        code="def main():\n    return {'result': open('/etc/passwd').read()}\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.BLOCKED,
        **FAIL_BRANCH,
    ),
    Case(
        title="open a socket",
        code="import socket\n\ndef main():\n    socket.create_connection(('127.0.0.1', 6379))\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.BLOCKED,
        **FAIL_BRANCH,
    ),
    Case(
        title="start a process",
        code="import subprocess\n\ndef main():\n    return {'result': subprocess.check_output(['id'])}\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.BLOCKED,
        **FAIL_BRANCH,
    ),
    Case(
        title="kill its parent",
        code="import os\n\ndef main():\n    os.kill(os.getppid(), 9)\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.BLOCKED,
        **FAIL_BRANCH,
    ),
    Case(
        title="loop for ever (limit 1 s)",
        code="def main():\n    while True:\n        pass\n",
        options={"limits": {"wall_ms": 1000}, **TO_FAIL_BRANCH},
        kind=ErrorKind.TIMEOUT,
        **FAIL_BRANCH,
    ),
    Case(
        title="eat memory (limit 64 MB)",
        code="def main():\n    hoard = []\n    while True:\n        hoard.append('x' * 1_000_000)\n",
        options={"limits": {"memory_mb": 64}, **TO_FAIL_BRANCH},
        kind=ErrorKind.MEMORY_LIMIT,
        **FAIL_BRANCH,
    ),
    Case(
        title="leave without an answer",
        code="import os\n\ndef main():\n    os._exit(7)\n",
        options=TO_FAIL_BRANCH,
        kind=ErrorKind.CRASHED,
        **FAIL_BRANCH,
    ),
)
