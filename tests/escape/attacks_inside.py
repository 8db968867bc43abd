"""Attacks on the answer, on the harness around the code, and on what a cell inherits."""

from cellblock_sandbox import Verdict

from tests.escape.attack import Attack

_HEAD = "def attack():\n"


def forged(name: str, body: str, verdict: Verdict = Verdict.INVALID_OUTPUT) -> Attack:
    """An answer that the harness would not have written; `body` is an expression."""
    return Attack(
        name=name, code=f"{_HEAD}    os.write(3, frame({body}))\n    os._exit(0)\n", verdict=verdict
    )


ANSWERS = [
    forged("no JSON", "bytes(1000)"),
    forged("an empty answer", "b''", Verdict.CRASHED),
    forged("no object", "b'[]'"),
    forged("a verdict that is ours to give", """b'{"error": {"kind": "timeout"}}'"""),
    forged("a verdict of another type", """b'{"error": {"kind": ["code_error"]}}'"""),
    forged("an exit code of another type", """b'{"outputs": {}, "exit_code": true}'"""),
    forged("a huge exit code", """b'{"outputs": {}, "exit_code": 1' + b"0" * 4000 + b"}" """),
    forged("a deep answer", """b'{"outputs": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}" """),
    forged("a string that never ends", """b'{"outputs": {"' + b'\\\\"' * 400_000"""),
    forged(
        "a key twice, at the end of many",
        """b'{"outputs": {' + b",".join(b'"%d":1' % i for i in range(90_000)) + b',"89999":1}}'""",
    ),
    forged("a number of many digits", """b'{"outputs": {"a": ' + b"9" * 100_000 + b"}}" """),
    forged("NaN", """b'{"outputs": {"a": NaN}}'"""),
    forged("infinity", """b'{"outputs": {"a": 1e999}}'"""),
    forged("a lone surrogate", """b'{"outputs": {"a": "\\\\ud800"}}'"""),
    forged("bytes that are no text", """b'{"outputs": {"a": "\\xff"}}'"""),
    Attack(
        name="two answers",
        code="""
def attack():
    os.write(3, frame(b'{"outputs": {"a": 1}}') + frame(b'{"outputs": {"a": 2}}'))
    os._exit(7)
""",
        outputs={"a": 1},
    ),
    Attack(
        name="an answer from the harness's own hands",
        code="""
def attack():
    step = sys._getframe()
    while step.f_back:
        step = step.f_back
        if "_encode" in step.f_globals:
            step.f_globals["_encode"] = lambda _: '{}, "error": {"kind": "internal"}'
    evidence.append("x")
""",
        verdict=Verdict.INVALID_OUTPUT,
    ),
]

INSIDE = [
    Attack(
        name="descriptors that were left open",
        code="""
def attack():
    import stat
    for number in range(4096):
        try:
            mode = os.fstat(number).st_mode
        except OSError:
            continue
        kinds = {0: stat.S_ISFIFO, 1: stat.S_ISFIFO, 2: stat.S_ISFIFO, 3: stat.S_ISSOCK}
        known = number in kinds and kinds[number](mode)
        evidence.append([number, "errno", 1] if known else [number, "got", oct(mode)])
    evidence.append(["stdin", "errno", 1] if os.read(0, 10) == b"" else ["stdin", "got", "something"])
""",
        proofs=5,
    ),
    Attack(
        name="what the zygote left in memory",
        code="""
def attack():
    import gc
    found = [one for one in gc.get_objects() if type(one).__module__.startswith("cellblock")]
    for frame_ in sys._current_frames().values():
        while frame_:
            found += [value for value in frame_.f_locals.values() if isinstance(value, socket.socket)
                      and value.fileno() not in (-1, 3)]
            frame_ = frame_.f_back
    evidence.append(["objects", "got", repr(found)] if found else ["objects", "errno", 1])
    tried("control", lambda: open("/proc/self/environ").read())
    secrets = [name for name in os.environ] + [arg for arg in sys.argv if arg != "node.py"]
    evidence.append(["environment", "got", secrets] if secrets else ["environment", "errno", 1])
""",
        errnos=frozenset({1, 2, 13}),
        proofs=3,
    ),
    Attack(
        name="packages that are not the runtime's",
        code="""
def attack():
    import importlib
    for name in ("cellblock_sandbox", "cellblock_worker", "cellblock_producer", "celery", "redis",
                 "pydantic", "pyseccomp", "pytest", "numpy", "pip", "python", "python.harness",
                 "python.zygote", "harness"):
        try:
            importlib.import_module(name)
            evidence.append([name, "got", "it"])
        except ImportError:
            evidence.append([name, "errno", 1])
""",
        proofs=14,
    ),
    Attack(
        name="the addon that made it",
        code="""
def attack():
    import importlib.machinery, importlib.util
    harness = next(frame for frame in frames() if "_encode" in frame.f_globals)
    folder = harness.f_globals["__file__"].rpartition("/")[0]
    loader = importlib.machinery.ExtensionFileLoader("python.cell", folder + "/cell.abi3.so")
    for name, arguments in (("serve", ()), ("lock_zygote", (b"", b"", 0, False))):
        try:
            addon = importlib.util.module_from_spec(importlib.util.spec_from_loader("python.cell", loader))
            loader.exec_module(addon)
            evidence.append([name, "got", repr(getattr(addon, name)(*arguments))])
        except (ValueError, ImportError):  # not here; or it was not built
            evidence.append([name, "errno", 1])

def frames():
    step = sys._getframe()
    while step:
        yield step
        step = step.f_back
""",
        proofs=2,
    ),
]
