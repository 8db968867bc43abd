"""A short soak: not one spurious failure, zygotes replaced as set, nothing left."""

from tests.soak.soaking import soak


def test_every_job_gets_its_answer() -> None:
    found, left = soak(jobs=400, load=1, cells_per_zygote=100)
    for soaked in found.values():
        assert (soaked.jobs, soaked.wrong) == (400, [])
        assert 3 <= soaked.zygotes <= 5  # a new one is taken when it is ready
    assert (left.descriptors, left.processes) == (0, 0)
