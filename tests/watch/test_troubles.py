"""What is wrong with a slot's sandbox is no secret: a worker with a probe that fails is not ready."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cellblock_producer.contract import Job, settle_success
from cellblock_sandbox import CellLost, Program, Sandbox, SandboxUnavailable
from cellblock_worker.watch.folder import Folder
from cellblock_worker.watch.meters import Meters

JOB = Job.model_validate({"language": "python3", "code": "def main(): return {}"})


@pytest.fixture
def folder() -> Iterator[Folder]:
    folder = Folder(1)
    yield folder
    folder.close()


def renew(sandbox: Sandbox) -> None:
    """Run jobs until it has tried to have a fresh zygote."""
    sandbox.run(Program(code=JOB.code))
    while sandbox._next is not None:
        sandbox._next.exception()
        sandbox.run(Program(code=JOB.code))


def test_a_zygote_that_cannot_be_renewed_is_told_until_it_can(folder: Folder) -> None:
    with Sandbox(cells_per_zygote=1) as sandbox:
        meters = Meters(folder, {"python3": sandbox})
        meters.count(JOB, settle_success(JOB, {}), 0.0)
        assert folder.troubles() == []
        sound, sandbox._runtime = (
            sandbox.runtime,
            replace(sandbox.runtime, probe="def main(secret): return {}"),
        )
        renew(sandbox)
        meters.count(JOB, settle_success(JOB, {}), 0.0)
        assert "self-test of runtime python3" in "".join(folder.troubles())
        sandbox._runtime = sound
        renew(sandbox)
        meters.count(JOB, settle_success(JOB, {}), 0.0)
        assert folder.troubles() == []


def test_a_sandbox_that_is_not_to_be_had_is_told_until_a_job_runs(folder: Folder) -> None:
    meters = Meters(folder, {})
    meters.count_fault(CellLost("a cell alone"))
    assert folder.troubles() == []
    meters.count_fault(SandboxUnavailable("no namespaces any more"))
    assert folder.troubles() == ["no namespaces any more"]
    meters.count(JOB, settle_success(JOB, {}), 0.0)
    assert folder.troubles() == []
