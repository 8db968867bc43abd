"""A short soak: not one spurious failure, zygotes replaced as set, nothing left."""

import json
import subprocess
import sys

from tests.soak.through_queue import soak


def test_every_job_gets_its_answer() -> None:
    # In a process of its own, since what is left of it is counted, and other tests' sandboxes live on here.
    command = ["-m", "tests.soak", "--json", "--jobs", "400", "--load", "1", "--cells-per-zygote", "100"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert found.pop("left") == {"descriptors": 0, "processes": 0}
    for soaked in found.values():
        assert (soaked["jobs"], soaked["wrong"]) == (400, [])
        assert soaked["zygotes"] > 1  # a new one is taken when it is ready, which depends on the load
    assert done.returncode == 0, done.stderr


def test_every_job_of_a_mix_through_the_queue_gets_its_result() -> None:
    soaked = soak(300)
    assert (soaked.jobs, soaked.wrong, soaked.left) == (300, [], [])
