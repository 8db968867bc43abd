"""Cells are copies of one process, but no two draw the same random numbers."""

import json
from typing import Any

from cellblock_sandbox import Program, Sandbox

JOBS = 1_000  # four seconds
DRAW = """
const crypto = require('crypto');
async function main() {
  return {
    math: Math.random(), sequence: Array.from({ length: 3 }, Math.random),
    late: (await null) ?? Math.random(),
    bytes: crypto.randomBytes(16).toString('hex'),
    async: (await require('util').promisify(crypto.randomBytes)(16)).toString('hex'),
    uuid: crypto.randomUUID(),
    web: Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(16))).toString('hex'),
    int: crypto.randomInt(2 ** 47),
  };
}
"""
DEEPER = """
const crypto = require('crypto');
function main() {
  const { publicKey } = crypto.generateKeyPairSync('ed25519');
  const context = require('vm').runInNewContext('Math.random()');
  const secret = crypto.generateKeySync('aes', { length: 128 }).export().toString('hex');
  return { key: publicKey.export({ format: 'jwk' }).x, context, secret };
}
"""


def test_no_two_jobs_draw_the_same(sandbox: Sandbox) -> None:
    drawn = draw(sandbox, DRAW, JOBS)
    assert len(drawn[0]) == 8
    # Not even one number of one sequence is another's.
    numbers = [number for outputs in drawn for number in outputs["sequence"]]
    assert len({*numbers}) == 3 * JOBS
    assert all(0 <= number < 1 for number in numbers)


def test_nor_make_the_same_keys(sandbox: Sandbox) -> None:
    assert len(draw(sandbox, DEEPER, 100)[0]) == 3


def draw(sandbox: Sandbox, code: str, jobs: int) -> list[dict[str, Any]]:
    drawn = [dict(sandbox.run(Program(code=code)).outputs) for _ in range(jobs)]
    for name in drawn[0]:
        assert len({json.dumps(outputs[name]) for outputs in drawn}) == jobs, name
    return drawn
