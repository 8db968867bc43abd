"""Who may call: keys, scopes, quotas, and what is known of a key where it lies."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cellblock_producer.gateway import DIFYS_KEY, KeyRing, KeysError, Scope, make_key
from cellblock_worker.cli.gateway import app
from cellblock_worker.settings import Settings
from typer.testing import CliRunner, Result

from tests.gateway.calling import KEY, GatewayProcess, write_keys
from tests.support.stack import Stack

JOB: dict[str, Any] = {"language": "python3", "code": "def main(): return {}"}


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", DIFYS_KEY, "é"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/jobs"),
        ("POST", "/v1/jobs:batch"),
        ("GET", "/v1/jobs/a"),
        ("DELETE", "/v1/jobs/a"),
        ("POST", "/v1/check"),
    ],
)
def test_without_a_key_nothing_is_read(
    gateway: GatewayProcess, method: str, path: str, key: str | None
) -> None:
    answer = gateway.call(method, path, b"not even JSON" if method == "POST" else None, key=key)
    assert (answer.status, answer.json["type"]) == (401, "urn:cellblock:problem:unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_is_good_for_its_scopes(gateway: GatewayProcess) -> None:
    reader = "a-key-that-reads-only"
    assert gateway.call("GET", "/v1/jobs/none", key=reader).status == 404
    for method, path in [("POST", "/v1/jobs"), ("DELETE", "/v1/jobs/a"), ("POST", "/v1/check")]:
        assert gateway.call(method, path, JOB if method == "POST" else None, key=reader).status == 403
    answer = gateway.call("POST", "/v1/sandbox/run", JOB, key=reader)
    assert (answer.status, answer.json["code"]) == (403, -403)


def test_a_reply_needs_a_scope_that_no_key_has_by_itself(gateway: GatewayProcess) -> None:
    reply = {"kind": "celery", "task": "anything.at.all", "queue": "elsewhere"}
    answer = gateway.call("POST", "/v1/jobs", JOB | {"reply": reply})
    assert (answer.status, answer.json["type"]) == (403, "urn:cellblock:problem:forbidden")
    many = gateway.call("POST", "/v1/jobs:batch", {"jobs": [JOB, JOB | {"reply": reply}]})
    assert many.status == 403


def test_a_quota_is_shared_by_all_gateways_and_what_is_refused_does_not_count(
    stack: Stack, tmp_path: Path, gateway: GatewayProcess
) -> None:
    extra = {"secret": "a-key-with-a-quota", "name": "quota", "tenant": "quota", "jobs_per_minute": 4}
    keys = str(write_keys(tmp_path / "keys.json", extra))
    with GatewayProcess(stack.url, "--keys", keys) as one, GatewayProcess(stack.url, "--keys", keys) as two:
        calls = [one, two, one]
        assert {each.call("POST", "/v1/jobs", JOB, key=extra_key()).status for each in calls} <= {200, 202}
        many = one.call("POST", "/v1/jobs:batch", {"jobs": [JOB, JOB]}, key=extra_key())
        assert (many.status, many.json["type"]) == (429, "urn:cellblock:problem:quota")
        assert 1 <= int(many.headers["Retry-After"]) <= 60
        assert two.call("POST", "/v1/jobs", JOB, key=extra_key()).status in (200, 202)
        assert one.call("POST", "/v1/jobs", JOB, key=extra_key()).status == 429


def command(*arguments: str, stdin: str = "") -> Result:
    """Run `cellblock gateway` in this process, which is quicker where it serves nothing."""
    return CliRunner().invoke(app, arguments, input=stdin)


def extra_key() -> str:
    return "a-key-with-a-quota"


def test_what_is_stored_of_a_key_is_its_digest() -> None:
    made = command("key", "engine", "--tenant", "acme", "--scope", "submit", "--scope", "read")
    secret = made.stderr.split()[-1]
    assert secret.startswith("cbk_")
    assert secret not in made.stdout
    entry = json.loads(made.stdout)
    assert (entry["name"], entry["tenant"], entry["scopes"]) == ("engine", "acme", ["read", "submit"])
    ring = KeyRing([make_key(secret, "engine", "acme", [Scope.READ])])
    found = ring.find(secret)
    assert found is not None
    assert found.sha256 == entry["sha256"]
    assert secret not in repr(found)
    assert found.sha256 not in repr(found)


def test_a_key_of_ones_own_is_taken_unless_it_can_be_guessed() -> None:
    own = command("key", "dify", "--stdin", stdin="a-key-that-dify-has-already\n")
    assert own.exit_code == 0
    assert "a-key-that" not in own.output
    for weak in (DIFYS_KEY, "short", ""):
        assert command("key", "dify", "--stdin", stdin=f"{weak}\n").exit_code == 2


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"keys": []}', '{"keys": [{"name": "a"}]}', '{"keys": [{"name": "a", "sha256": "secret"}]}'],
)
def test_a_file_of_keys_that_is_none_is_refused_and_not_quoted(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(KeysError) as refused:
        KeyRing.read(file)
    assert "secret" not in str(refused.value)


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(KeysError, match="two keys"):
        KeyRing([make_key("a" * 20, "same", "default"), make_key("b" * 20, "same", "default")])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "there is no key"),
        (["--keys", "/nowhere.json"], "cannot be read"),
        (["--development", "--host", "0.0.0.0"], "loopback only"),
        (["--development", "--port", "99999"], "CELLBLOCK_GATEWAY_PORT"),
        (["--development", "--redis", "http://x"], "CELLBLOCK_REDIS_URL"),
    ],
)
def test_it_does_not_start_without_a_key_nor_with_settings_that_are_none(
    options: list[str], said: str
) -> None:
    done = command(*options)
    assert done.exit_code == 2, done
    assert said in done.stderr


def test_an_unknown_setting_of_the_gateway_is_refused_by_it_and_left_alone_by_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELLBLOCK_GATEWAY_PROT", "1")
    refused = command("--development")
    assert refused.exit_code == 2
    assert "did you mean CELLBLOCK_GATEWAY_PORT" in refused.stderr
    assert Settings.from_env(os.environ)


def test_difys_own_key_works_in_development_only(stack: Stack) -> None:
    with GatewayProcess(stack.url, "--development") as trial:
        sent = {"language": "python3", "code": "print(1)"}
        answer = trial.call("POST", "/v1/sandbox/run", sent, key=DIFYS_KEY)
        assert answer.json["data"]["stdout"] == "1\n"
        for host in ("localhost:1", "[::1]", "127.0.0.1"):
            assert trial.call("GET", "/v1/jobs/a", key=DIFYS_KEY, headers={"Host": host}).status == 404
        for host in ("rebound.example:8194", "localhost.example", "127.0.0.1.example", ""):
            answer = trial.call("GET", "/v1/jobs/a", key=DIFYS_KEY, headers={"Host": host})
            assert (answer.status, "loopback" in answer.json["detail"]) == (403, True)
        trial.terminate()
        code, logged = trial.wait()
    assert (code, "everybody knows the key" in logged) == (0, True)


def test_bodies_are_bounded_however_they_are_sent(stack: Stack, keys: Path) -> None:
    environ = os.environ | {"CELLBLOCK_GATEWAY_BODY_BYTES": "2048"}
    with GatewayProcess(stack.url, "--keys", str(keys), environ=environ) as small:
        declared = small.call("POST", "/v1/jobs", b"x" * 3000)
        assert (declared.status, declared.json["type"]) == (413, "urn:cellblock:problem:too-large")
        chunk = b"800\r\n" + b"x" * 2048 + b"\r\n"
        streamed = small.call(
            "POST", "/v1/jobs", chunk * 2 + b"0\r\n\r\n", headers={"Transfer-Encoding": "chunked"}
        )
        assert streamed.status == 413
        assert small.call("POST", "/v1/sandbox/run", b"x" * 3000).json["code"] == -400


def test_bodies_are_bounded_by_what_they_take_when_parsed(stack: Stack, keys: Path) -> None:
    """Thirty times as much, of `[{},{},…]`: a few such bodies were enough for a gateway of 1 GB."""
    environ = os.environ | {"CELLBLOCK_GATEWAY_BODIES_BYTES": str(2 << 20)}
    job = {"language": "python3", "code": "def main(a): return {}"}
    with GatewayProcess(stack.url, "--keys", str(keys), environ=environ) as small:
        refused = small.call("POST", "/v1/jobs", {**job, "inputs": {"a": [{}] * 50_000}})
        assert (refused.status, refused.json["type"]) == (413, "urn:cellblock:problem:too-large")
        # Of a string it is what it looks like.
        taken = small.call("POST", "/v1/jobs", {**job, "inputs": {"a": '{},:[\\",' * 50_000}})
        assert taken.status in (200, 202)


def test_a_body_that_does_not_come_is_not_waited_for(
    stack: Stack, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLBLOCK_GATEWAY_BODY_S", "0.2")
    with GatewayProcess(stack.url, "--keys", str(keys)) as impatient:
        answer = impatient.call("POST", "/v1/jobs", b"{", headers={"Content-Length": "100"})
        assert (answer.status, answer.json["type"]) == (408, "urn:cellblock:problem:body-timeout")


def test_a_result_that_is_too_large_is_not_handed_out(stack: Stack, keys: Path) -> None:
    environ = os.environ | {"CELLBLOCK_GATEWAY_RESULT_BYTES": "2048"}
    with GatewayProcess(stack.url, "--keys", str(keys), environ=environ) as small:
        large = {"language": "python3", "code": "def main(): return {'a': 'x' * 3000}"}
        answer = small.call("POST", "/v1/jobs?wait=30", large)
        assert (answer.status, answer.json["type"]) == (502, "urn:cellblock:problem:result-too-large")
        data = small.call("POST", "/v1/sandbox/run", {"language": "python3", "code": "print('x' * 3000)"})
        assert data.json["code"] == -500
