"""Bounds hold at every size, and what stays within them succeeds."""

import dis
import os
from types import FunctionType

import pytest
from cellblock_sandbox import Limits, Sandbox, Verdict
from cellblock_sandbox.python import harness

from tests.sandbox.running import fault, run, run_body

MIB = 1 << 20


@pytest.mark.parametrize("megabytes", [32, 64, 128, 256])
def test_memory_within_the_limit_can_be_had(sandbox: Sandbox, megabytes: int) -> None:
    body = f"return {{'a': len(bytes(b'x' * {(megabytes - 8) * MIB}))}}"
    assert run_body(sandbox, body, Limits(memory_mb=megabytes)).outputs == {"a": (megabytes - 8) * MIB}


@pytest.mark.parametrize("megabytes", [1, 32, 64, 128, 256])
@pytest.mark.parametrize(
    "body",
    [
        "a = bytearray({bytes})",
        "a = []\nwhile True: a.append(bytes(100_000))",
        "a = []\nwhile True: a.append([None] * 10)",
        "return {{'a': 'x' * {bytes}}}",
        "a = {{}}\nfor i in range(10**9): a[i] = str(i)",
    ],
)
def test_memory_beyond_the_limit_cannot(sandbox: Sandbox, megabytes: int, body: str) -> None:
    limits = Limits(memory_mb=megabytes, wall_ms=30_000, cpu_ms=30_000)
    outcome = run_body(sandbox, body.format(bytes=(megabytes + 1) * MIB), limits)
    assert outcome.verdict is Verdict.MEMORY_LIMIT, fault(outcome)
    assert fault(outcome).message == f"the code used more memory than its limit of {megabytes} MB"


def test_inputs_count_as_memory(sandbox: Sandbox) -> None:
    limits = Limits(memory_mb=32)
    assert (
        run(sandbox, "def main(a): return {}", limits=limits, a="x" * 31_000_000).verdict
        is Verdict.MEMORY_LIMIT
    )
    assert (
        run(sandbox, "def main(a): return {}", limits=limits, a="x" * 5_000_000).verdict is Verdict.SUCCEEDED
    )


def test_an_error_by_want_of_memory_that_is_caught_is_none(sandbox: Sandbox) -> None:
    body = """
    try:
        a = bytearray(1 << 40)
    except MemoryError:
        return {"a": 1}
    """
    assert run_body(sandbox, body).outputs == {"a": 1}


def test_handlers_of_the_harness_take_no_memory_to_hand_an_exception_on() -> None:
    # The interpreter keeps the place of the handler as an int, and those above 256 have to be allocated.
    functions = [one for one in vars(harness).values() if isinstance(one, FunctionType)]
    ours = [one for one in functions if one.__module__ == harness.__name__ and one is not harness.serve]
    places = {
        (one.__name__, step.offset // 2)
        for one in ours
        for step in dis.get_instructions(one)
        if step.opname == "RERAISE"
    }
    assert {name for name, _ in places} >= {"_guarded", "_called"}
    assert [place for place in places if place[1] > 256] == []


def test_usage_is_the_codes_own(sandbox: Sandbox) -> None:
    idle = run_body(sandbox, "return {}").usage
    busy = run_body(sandbox, "a = b'x' * 30_000_000\nfor _ in range(10**6): pass\nreturn {}").usage
    assert 0 < idle.cpu_ns < busy.cpu_ns <= busy.wall_ns * 4
    assert idle.peak_memory_kb < 5_000
    assert 25_000 < busy.peak_memory_kb < 40_000


def test_threads_within_the_limit(sandbox: Sandbox) -> None:
    body = """
    import threading
    gate = threading.Barrier(31)
    threads = [threading.Thread(target=gate.wait) for _ in range(30)]
    for thread in threads: thread.start()
    gate.wait()
    for thread in threads: thread.join()
    return {"a": 1}
    """
    assert run_body(sandbox, body).outputs == {"a": 1}


def test_an_answer_of_the_largest_size(sandbox: Sandbox) -> None:
    body = "return {'a': 'x' * (1000 - len('{\"outputs\":{\"a\":\"\"}}'))}"
    assert run_body(sandbox, body, Limits(output_bytes=1000)).verdict is Verdict.SUCCEEDED
    assert run_body(sandbox, body, Limits(output_bytes=999)).verdict is Verdict.OUTPUT_LIMIT


@pytest.mark.parametrize("name", ["wall_ms", "cpu_ms", "memory_mb", "output_bytes", "threads"])
def test_a_limit_is_at_least_one(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: 0})


LEAVE_A_THREAD = """
import ctypes, os, struct, threading
def stay():
    while True: pass
def main(answer):
    threading.Thread(target=stay).start()
    if answer:
        body = b'{"outputs":{}}'
        os.write(3, struct.pack("!I", len(body)) + body)
    ctypes.CDLL(None).syscall(NR_EXIT, 0)  # of this thread alone
"""


@pytest.mark.parametrize(("answer", "verdict"), [(False, Verdict.CRASHED), (True, Verdict.SUCCEEDED)])
def test_a_cell_whose_first_thread_ended_is_not_left_to_its_others(
    sandbox: Sandbox, answer: bool, verdict: Verdict
) -> None:
    """Its memory and CPU time are seen by nobody then: it ends at once, not when its time is over."""
    number = {"x86_64": "60", "aarch64": "93"}[os.uname().machine]
    code = LEAVE_A_THREAD.replace("NR_EXIT", number)
    limits = Limits(wall_ms=60_000, cpu_ms=60_000)
    assert run(sandbox, code, limits=limits, answer=answer).verdict is verdict
