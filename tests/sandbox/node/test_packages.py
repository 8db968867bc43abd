"""Packages that npm installed: loaded once, ahead of all jobs, and leaving nothing that jobs would share."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cellblock_sandbox import Limits, Program, Runtime, Sandbox, Verdict
from cellblock_sandbox.node.runtime import PRELOAD, nodejs_runtime, oneshot_runtime

from tests.sandbox.node.running import run_main
from tests.sandbox.running import fault, run

PACKAGES = {
    "plain/index.js": "module.exports = (text) => `<${text}`;",
    "modern/package.json": '{"type": "module", "exports": "./index.js"}',
    "modern/index.js": "import { randomInt } from 'node:crypto'; randomInt(9); export const five = 5;",
    "early/index.js": "module.exports = { pid: process.pid };",
    # As many packages do, to have a name of their own.
    "drawing/index.js": """
        const c = require('node:crypto');
        const { random } = Math, { randomUUID, randomInt } = c;
        module.exports.name = [random(), randomUUID(), crypto.randomUUID(), randomInt(9)].join();
        c.randomUUIDv7?.();
        module.exports.kept = { random, randomUUID, randomInt };
    """,
}
DRAW = """
const c = require('node:crypto');
const { kept } = require('drawing');
const later = (draw) => new Promise((resolve) => draw((_, number) => resolve(number)));
async function main() {
  return {
    math: Math.random(), uuid: c.randomUUID(), web: crypto.randomUUID(), int: c.randomInt(2 ** 47),
    seven: c.randomUUIDv7?.() ?? c.randomUUID(),
    later: await later((done) => c.randomInt(2 ** 47, done)),
    'kept math': kept.random(), 'kept uuid': kept.randomUUID(), 'kept int': kept.randomInt(2 ** 47),
    'kept later': await later((done) => kept.randomInt(1, 2 ** 47, done)),
  };
}
"""
AS_NODES_OWN = """
const { kept } = require('drawing');
const refused = (...given) => { try { kept.randomInt(...given) } catch (e) { return e.code } };
const drawn = Array.from({ length: 500 }, () => kept.randomInt(-1, 2));
const numbers = Array.from({ length: 500 }, kept.random);
return {
  drawn: [...new Set(drawn)].sort(), within: numbers.every((n) => n >= 0 && n < 1),
  uuid: kept.randomUUID()[14],
  spread: Math.max(...numbers) - Math.min(...numbers) > 0.5,
  refused: [[], [0], [3, 3], [1.5], [0, 2 ** 48], [1, 2, 3], ['5']].map((given) => refused(...given)),
};
"""
OUT_OF_RANGE, WRONG_TYPE = "ERR_OUT_OF_RANGE", "ERR_INVALID_ARG_TYPE"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    for name, text in PACKAGES.items():
        file = folder / "node_modules" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def sandbox(packages: Path) -> Iterator[Sandbox]:
    preload = (*PRELOAD, "early", "modern", "drawing")
    with Sandbox(nodejs_runtime(packages=packages, preload=preload)) as sandbox:
        yield sandbox


@pytest.mark.parametrize("make", [nodejs_runtime, oneshot_runtime])
def test_are_found_by_require_and_by_import(packages: Path, make: Callable[..., Runtime]) -> None:
    body = """
    const plain = require('plain');
    const names = ['plain', 'modern', 'node:path'];
    const [imported, modern, base] = await Promise.all(names.map((name) => import(name)));
    return { same: imported.default === plain, a: plain('x'), five: modern.five, sep: base.sep };
    """
    with Sandbox(make(packages=packages)) as sandbox:
        outcome = run_main(sandbox, body)
    assert outcome.outputs == {"same": True, "a": "<x", "five": 5, "sep": "/"}, outcome.fault


def test_are_loaded_once(sandbox: Sandbox) -> None:
    first, second = (
        run_main(sandbox, "return { ...require('early'), own: process.pid }").outputs for _ in "12"
    )
    assert first["pid"] == second["pid"]
    assert first["pid"] not in (first["own"], second["own"])


def test_what_they_draw_when_they_are_loaded_leaves_no_numbers_to_share(sandbox: Sandbox) -> None:
    drawn = [dict(run(sandbox, DRAW).outputs) for _ in range(20)]
    assert len(drawn[0]) == 10
    for name in drawn[0]:
        assert len({json.dumps(outputs[name]) for outputs in drawn}) == len(drawn), name


def test_what_they_keep_draws_as_nodes_own_does(sandbox: Sandbox) -> None:
    refused = [WRONG_TYPE, OUT_OF_RANGE, OUT_OF_RANGE, WRONG_TYPE, OUT_OF_RANGE, WRONG_TYPE, WRONG_TYPE]
    outcome = run_main(sandbox, AS_NODES_OWN)
    expected = {"drawn": [-1, 0, 1], "within": True, "uuid": "4", "spread": True, "refused": refused}
    assert outcome.outputs == expected, outcome.fault


def test_jobs_meet_nodes_own(sandbox: Sandbox) -> None:
    body = """
    const { randomInt } = await import('node:crypto');
    const all = [Math.random, crypto.randomUUID, require('crypto').randomInt, require('crypto').randomUUID];
    return { same: randomInt === require('crypto').randomInt, names: all.map((draw) => draw.name),
      kept: Object.values(require('drawing').kept).filter((draw) => all.includes(draw)).length };
    """
    names = ["random", "randomUUID", "randomInt", "randomUUID"]
    assert run_main(sandbox, body).outputs == {"same": True, "names": names, "kept": 0}


def test_they_lead_to_the_addon_no_more_than_modules_of_nodes_own(sandbox: Sandbox) -> None:
    walk = Path(__file__).with_name("walk.js").read_text()
    outcome = sandbox.run(Program(code=walk), limits=Limits(wall_ms=20_000, cpu_ms=20_000, memory_mb=512))
    assert outcome.verdict is Verdict.SUCCEEDED, outcome.fault
    assert outcome.outputs["hits"] == ["process.get pid: native pid"]


def test_what_is_not_installed_is_told_without_where_it_was_sought(sandbox: Sandbox) -> None:
    assert fault(run_main(sandbox, "require('lodash')")).message == "Cannot find module 'lodash'"
