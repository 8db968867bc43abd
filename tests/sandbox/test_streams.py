"""What code prints: captured as it comes, kept over a kill, cut at its limit; and programs run as scripts."""

import pytest
from cellblock_sandbox import Limits, Mode, Sandbox, Verdict

from tests.sandbox.running import SHORT, fault, run, run_body


def test_prints_are_no_part_of_the_answer(sandbox: Sandbox) -> None:
    outcome = run_body(sandbox, "import sys\nprint('out', 1)\nprint('err', file=sys.stderr)\nreturn {'a': 1}")
    assert (outcome.outputs, outcome.stdout, outcome.stderr) == ({"a": 1}, "out 1\n", "err\n")
    assert not outcome.stdout_truncated
    assert not outcome.stderr_truncated


@pytest.mark.parametrize(
    "end", ["while True: pass", "import time; time.sleep(60)", "import os; os.kill(os.getpid(), 9)", "1 / 0"]
)
def test_prints_before_the_end_survive(sandbox: Sandbox, end: str) -> None:
    outcome = run_body(sandbox, f"print('one')\nprint('two', end='')\n{end}", SHORT)
    assert outcome.verdict is not Verdict.SUCCEEDED
    assert outcome.stdout == "one\ntwo"


def test_prints_are_cut_and_flagged(sandbox: Sandbox) -> None:
    body = "import sys\nprint('x' * 5000)\nprint('y' * 10, file=sys.stderr)\nreturn {'a': 1}"
    outcome = run_body(sandbox, body, Limits(output_bytes=1000))
    assert outcome.outputs == {"a": 1}
    assert (outcome.stdout, outcome.stdout_truncated) == ("x" * 1000, True)
    assert (outcome.stderr, outcome.stderr_truncated) == ("y" * 10 + "\n", False)


def test_many_prints_arrive_whole(sandbox: Sandbox) -> None:
    outcome = run_body(sandbox, "for i in range(20_000): print(i)\nreturn {}")
    assert outcome.stdout.split() == [str(i) for i in range(20_000)]


def test_a_large_print_arrives_whole(sandbox: Sandbox) -> None:
    assert run_body(sandbox, "print('é' * 300_000)\nreturn {}").stdout == "é" * 300_000 + "\n"


def test_bytes_that_are_no_text_are_replaced(sandbox: Sandbox) -> None:
    body = "import sys\nsys.stdout.buffer.write(b'a\\xffb')\nprint(chr(0xD800))\nreturn {}"
    assert run_body(sandbox, body).stdout == "a\ufffdb\\ud800\n"


def test_prints_of_threads_and_of_the_top_level_are_captured(sandbox: Sandbox) -> None:
    code = """\
    import threading
    print("top")
    def main():
        thread = threading.Thread(target=print, args=("thread",))
        thread.start()
        thread.join()
        return {}
    """
    assert run(sandbox, code).stdout == "top\nthread\n"


def test_there_is_nothing_to_read(sandbox: Sandbox) -> None:
    assert run_body(sandbox, "import sys\nreturn {'a': sys.stdin.read()}").outputs == {"a": ""}
    assert fault(run_body(sandbox, "input()")).type == "EOFError"


def test_a_script_prints_its_answer(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "if __name__ == '__main__':\n    print('hi')", mode=Mode.SCRIPT)
    assert (outcome.verdict, outcome.stdout, outcome.outputs) == (Verdict.SUCCEEDED, "hi\n", {})
    assert outcome.exit_code == 0


@pytest.mark.parametrize(
    ("end", "status", "verdict"),
    [
        ("", 0, Verdict.SUCCEEDED),
        ("sys.exit()", 0, Verdict.SUCCEEDED),
        ("sys.exit(0)", 0, Verdict.SUCCEEDED),
        ("exit(4)", 4, Verdict.CODE_ERROR),
        ("sys.exit('gone')", 1, Verdict.CODE_ERROR),
        ("sys.exit(-1)", 255, Verdict.CODE_ERROR),
        ("sys.exit(10**30 + 3)", 3, Verdict.CODE_ERROR),
        ("1 / 0", 1, Verdict.CODE_ERROR),
        ("import os; os._exit(5)", 5, Verdict.CRASHED),
        ("import os; os.kill(os.getpid(), 9)", -9, Verdict.CRASHED),
    ],
)
def test_a_script_has_an_exit_code(sandbox: Sandbox, end: str, status: int, verdict: Verdict) -> None:
    outcome = run(sandbox, f"import sys\nprint('hi')\n{end}", mode=Mode.SCRIPT)
    assert (outcome.exit_code, outcome.verdict, outcome.stdout) == (status, verdict, "hi\n")


def test_a_script_that_prints_too_much_has_no_answer(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "print('x' * 2000)", mode=Mode.SCRIPT, limits=Limits(output_bytes=1000))
    assert outcome.verdict is Verdict.OUTPUT_LIMIT
    assert fault(outcome).message == "the script printed more than its limit of 1000 bytes"
    assert outcome.stdout == "x" * 1000
