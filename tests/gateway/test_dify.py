"""Dify's sandbox API: what Dify sends, and every row of what its sandbox answers."""

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.calling import Answer, GatewayProcess, write_keys
from tests.support.stack import Stack

# What Dify puts after an author's code, written anew.
PYTHON_TAIL = """

import json
from base64 import b64decode

# decode and prepare input dict
inputs_obj = json.loads(b64decode('{inputs}').decode('utf-8'))

# execute main function
output_obj = main(**inputs_obj)

# convert output to json and print
output_json = json.dumps(output_obj, indent=4)
result = f'''<<RESULT>>{{output_json}}<<RESULT>>'''
print(result)
"""
NODE_TAIL = """

// decode and prepare input object
var inputs_obj = JSON.parse(Buffer.from('{inputs}', 'base64').toString('utf-8'))

// execute main function
var output_obj = main(inputs_obj)

// convert output to json and print
var output_json = JSON.stringify(output_obj)
var result = `<<RESULT>>${{output_json}}<<RESULT>>`
console.log(result)
"""
TEMPLATE = """
# declare main function
def main(**inputs):
    import jinja2
    template = jinja2.Template('''{template}''')
    return template.render(**inputs)

import json
from base64 import b64decode

# decode and prepare input dict
inputs_obj = json.loads(b64decode('{inputs}').decode('utf-8'))

# execute main function
output = main(**inputs_obj)

# convert output and print
result = f'''<<RESULT>>{{output}}<<RESULT>>'''
print(result)

"""
PRELOAD = "raise SystemExit('a preload was run')"


def encoded(inputs: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(inputs, ensure_ascii=False).encode()).decode()


def python(code: str, inputs: dict[str, Any] | None = None) -> dict[str, Any]:
    return asked("python3", code + PYTHON_TAIL.format(inputs=encoded(inputs or {})))


def node(code: str, inputs: dict[str, Any] | None = None, head: str = "") -> dict[str, Any]:
    return asked("nodejs", head + code + NODE_TAIL.format(inputs=encoded(inputs or {})))


def asked(language: str, code: str) -> dict[str, Any]:
    return {"language": language, "code": code, "preload": PRELOAD, "enable_network": True}


def run(gateway: GatewayProcess, body: object) -> dict[str, Any]:
    answer = gateway.call("POST", "/v1/sandbox/run", body)
    assert (answer.status, answer.json["code"], answer.json["message"]) == (200, 0, "success"), answer
    data: dict[str, Any] = answer.json["data"]
    assert data.keys() == {"stdout", "stderr", "error", "exit_code"}
    return data


def result(data: dict[str, Any]) -> Any:
    """Find the result as Dify does."""
    assert (data["error"], data["exit_code"]) == ("", 0)
    found = re.search(r"<<RESULT>>(.*)<<RESULT>>", data["stdout"], re.DOTALL)
    assert found is not None, data
    return json.loads(found[1])


def refused(answer: Answer) -> tuple[int, int, str]:
    assert answer.json["data"] is None
    return answer.status, answer.json["code"], answer.json["message"]


def test_health_is_open_and_says_ok(gateway: GatewayProcess) -> None:
    answer = gateway.call("GET", "/health", key=None)
    assert (answer.status, answer.json) == (200, "ok")


@pytest.mark.parametrize(
    "sent",
    [
        python("def main(a, b):\n    return {'c': a + b}", {"a": "grüß", "b": " dich"}),
        node("function main({a, b}) { return {c: a + b} }", {"a": "grüß", "b": " dich"}),
        node("async function main({a, b}) { return {c: a + b} }", {"a": "grüß", "b": " dich"}),
        node("const main = ({a, b}) => Promise.resolve({c: a + b})", {"a": "grüß", "b": " dich"}),
        node(
            "function main({a, b}) { return {c: a + b} }",
            {"a": "grüß", "b": " dich"},
            "\n// declare main function\n",
        ),
    ],
)
def test_what_dify_sends_is_answered_as_dify_reads_it(gateway: GatewayProcess, sent: dict[str, Any]) -> None:
    assert result(run(gateway, sent)) == {"c": "grüß dich"}


def test_a_template_of_jinja2(gateway: GatewayProcess) -> None:
    code = TEMPLATE.format(template="Hello {{ name }}!", inputs=encoded({"name": "you"}))
    assert run(gateway, asked("python3", code))["stdout"] == "<<RESULT>>Hello you!<<RESULT>>\n"


def test_only_language_and_code_are_needed_and_unknown_fields_are_ignored(gateway: GatewayProcess) -> None:
    data = run(gateway, {"language": "python3", "code": "print('hi')", "dependencies": [], "more": 1})
    assert data == {"stdout": "hi\n", "stderr": "", "error": "", "exit_code": 0}


def test_prints_are_seen_and_words_on_stderr_fail_nothing(gateway: GatewayProcess) -> None:
    code = (
        "import sys\ndef main():\n    print('working')\n    print('careful', file=sys.stderr)\n    return {}"
    )
    data = run(gateway, python(code))
    assert result(data) == {}
    assert data["stdout"].startswith("working\n<<RESULT>>")
    assert data["stderr"] == "careful\n"


def test_an_exception_in_python(gateway: GatewayProcess) -> None:
    data = run(gateway, python("def main(a):\n    print('before')\n    return {'b': 1 / a}", {"a": 0}))
    assert (data["exit_code"], data["stdout"]) == (255, "before\n")
    assert "line 3, in main" in data["error"]
    assert "ZeroDivisionError: division by zero" in data["error"]


@pytest.mark.parametrize("word", ["function", "async function"])
def test_an_exception_in_javascript(gateway: GatewayProcess, word: str) -> None:
    data = run(gateway, node(f"{word} main(a) {{\n  console.log('before')\n  return {{b: a.b.c}} }}"))
    assert (data["exit_code"], data["stdout"]) == (1, "before\n")
    assert "TypeError: Cannot read properties of undefined" in data["error"]
    assert ":3:" in data["error"]


def test_lines_count_as_the_author_counts_them(gateway: GatewayProcess) -> None:
    sent = python("def main():\n    return {'b': 1 / 0}")
    sent["code"] = "\n# declare main function\n" + sent["code"]
    assert "line 2, in main" in run(gateway, sent)["error"]


@pytest.mark.parametrize(("language", "exit_code"), [("python3", 255), ("nodejs", 1)])
def test_a_syntax_error(gateway: GatewayProcess, language: str, exit_code: int) -> None:
    data = run(gateway, asked(language, "main(("))
    assert data["exit_code"] == exit_code
    assert "SyntaxError" in data["error"]


def test_the_network_is_refused_in_words_and_only_when_it_is_used(gateway: GatewayProcess) -> None:
    code = "import socket\ndef main():\n    socket.create_connection(('192.0.2.1', 80))"
    data = run(gateway, python(code))
    assert data["exit_code"] == 255
    assert "not allowed" in data["error"]
    assert "network" in data["error"]


def test_a_limit_is_named(gateway: GatewayProcess) -> None:
    data = run(gateway, python("def main():\n    print('begun', flush=True)\n    while True: pass"))
    assert (data["exit_code"], data["stdout"]) == (-1, "begun\n")
    assert data["error"].startswith(("timeout: ", "cpu_limit: "))
    assert "5000 ms" in data["error"]


def test_too_much_memory(gateway: GatewayProcess) -> None:
    data = run(gateway, python("def main():\n    return {'a': len('x' * 10**9)}"))
    assert data["exit_code"] == -1
    assert data["error"].startswith("memory_limit: ")


def test_a_result_that_was_cut_off_is_not_missing_without_a_word(gateway: GatewayProcess) -> None:
    data = run(gateway, python("def main():\n    print('x' * 2_000_000)\n    return {}"))
    assert data["error"].startswith("output_limit: ")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/sandbox/run"),
        ("GET", "/v1/sandbox/dependencies?language=python3"),
        ("POST", "/v1/sandbox/dependencies/update"),
        ("GET", "/v1/sandbox/dependencies/refresh?language=python3"),
    ],
)
@pytest.mark.parametrize("key", [None, "", "a wrong key", "dify-sandbox"])
def test_a_missing_or_wrong_key(gateway: GatewayProcess, method: str, path: str, key: str | None) -> None:
    body = asked("python3", "print(1)") if method == "POST" else None
    status, code, _ = refused(gateway.call(method, path, body, key=key))
    assert (status, code) == (401, -401)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        [],
        {},
        {"language": "python3"},
        {"code": "print(1)"},
        {"language": "", "code": "print(1)"},
        {"language": "python3", "code": ""},
        {"language": "python3", "code": 1},
        {"language": "python3", "code": "print(1)", "enable_network": "yes"},
        {"language": "python3", "code": "print(1)", "preload": 1},
    ],
)
def test_a_missing_field_or_bad_json(gateway: GatewayProcess, body: object) -> None:
    status, code, _ = refused(gateway.call("POST", "/v1/sandbox/run", body))
    assert (status, code) == (400, -400)


@pytest.mark.parametrize("language", ["cobol", "python", "javascript", "Python3"])
def test_an_unknown_language(gateway: GatewayProcess, language: str) -> None:
    answer = gateway.call("POST", "/v1/sandbox/run", {"language": language, "code": "1"})
    assert refused(answer) == (400, -400, "unsupported language")


def test_code_that_is_too_large_is_said_where_dify_shows_it(gateway: GatewayProcess) -> None:
    status, code, message = refused(
        gateway.call("POST", "/v1/sandbox/run", asked("python3", "#" * 1_100_000))
    )
    assert (status, code) == (200, -400)
    assert "1 MiB" in message


def test_too_many_requests(gateway: GatewayProcess) -> None:
    key = "a-key-with-small-quotas"
    answers = [
        gateway.call("POST", "/v1/sandbox/run", asked("python3", "print(1)"), key=key) for _ in range(4)
    ]
    assert [answer.status for answer in answers] == [200, 200, 200, 503]
    assert refused(answers[-1])[1] == -503
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_our_own_failure(stack: Stack, tmp_path: Path) -> None:
    """No worker serves the queue, so that no answer comes in time."""
    keys = write_keys(tmp_path / "keys.json")
    with GatewayProcess(
        stack.url, "--keys", str(keys), "--queue", "nobody-serves-it", environ=_patience("0.2")
    ) as alone:
        status, code, message = refused(alone.call("POST", "/v1/sandbox/run", asked("python3", "print(1)")))
    assert (status, code) == (200, -500)
    assert "no worker has answered within 0.2 s" in message


def _patience(seconds: str) -> dict[str, str]:
    return os.environ | {"CELLBLOCK_GATEWAY_DIFY_WAIT_S": seconds}


def test_dependencies(gateway: GatewayProcess) -> None:
    said = gateway.call("GET", "/v1/sandbox/dependencies?language=python3").json
    assert (said["code"], said["message"]) == (0, "success")
    versions = {one["name"]: one["version"] for one in said["data"]["dependencies"]}
    assert versions.keys() == {"jinja2", "markupsafe", "tzdata"}
    assert all(versions.values())
    assert gateway.call("GET", "/v1/sandbox/dependencies/refresh?language=python3").json == said
    assert gateway.call("POST", "/v1/sandbox/dependencies/update", {"language": "python3"}).json == said
    node_has = gateway.call("GET", "/v1/sandbox/dependencies?language=nodejs").json
    assert node_has["data"] == {"dependencies": []}
    answer = gateway.call("GET", "/v1/sandbox/dependencies?language=cobol")
    assert refused(answer) == (400, -400, "unsupported language")
