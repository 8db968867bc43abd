"""One attack: code that runs in a cell and gathers evidence, and how it has to fail."""

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cellblock_sandbox import Limits, Outcome, Program, Sandbox, Verdict

from tests.escape.world import World

EPERM, ENOSYS, EACCES, ENOENT = errno.EPERM, errno.ENOSYS, errno.EACCES, errno.ENOENT
EBADF = errno.EBADF
REFUSED: frozenset[int | str] = frozenset({EPERM, ENOSYS})  # by the filter
CLOSED = REFUSED | {EACCES, ENOENT}  # by the filter, by Landlock or for want of the file

LIMITS = Limits(wall_ms=3_000, cpu_ms=1_000, memory_mb=64)

# Evidence is a list of [what, "got", what came] and [what, "errno", number].
PRELUDE = """\
import ctypes, errno, os, signal, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
evidence = []
def tried(what, function, *args, **kwargs):
    try:
        evidence.append([what, "got", repr(function(*args, **kwargs))[:200]])
    except OSError as error:
        evidence.append([what, "errno", error.errno])
def by_libc(what, result):
    number = ctypes.get_errno()
    evidence.append([what, "got", str(result)] if result >= 0 else [what, "errno", number])
def call(name, *args):
    if w["nr"][name] >= 0:
        args = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
        by_libc(name, libc.syscall(ctypes.c_long(w["nr"][name]), *args))
def frame(body):
    return struct.pack("!I", len(body)) + body
def main(**world):
    global w
    w = world
    attack()
    return {"evidence": evidence}
"""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What differs between languages: `prelude` calls the attack and answers with the evidence."""

    prelude: str
    nothing: Program  # answers with an empty object


PYTHON = Dialect(prelude=PRELUDE, nothing=Program(code="def main(): return {}"))


@dataclass(frozen=True, kw_only=True)
class Attack:
    """`code` defines the function attack."""

    name: str
    code: str = field(repr=False)
    verdict: Verdict = Verdict.SUCCEEDED  # of the cell: the attacker was told no and came back to tell of it
    errnos: frozenset[int | str] = REFUSED  # which noes will do; a word where the language has no number
    proofs: int = 1  # at least so many pieces of evidence
    outputs: Mapping[str, object] | None = None  # where the attack is on the answer itself
    limits: Limits = LIMITS


@dataclass(frozen=True, kw_only=True)
class Record:
    """What an attack led to; plain data, since it may come from another process."""

    verdict: str
    message: str
    outputs: dict[str, Any]
    damage: list[str]


def carry_out(attack: Attack, sandbox: Sandbox, world: World, dialect: Dialect = PYTHON) -> Record:
    """Run the attack and look around."""
    zygote = sandbox.zygote_pid
    program = Program(code=dialect.prelude + attack.code)
    outcome = sandbox.run(program, world.inputs(zygote), attack.limits)
    damage = world.damage()
    if sandbox.run(dialect.nothing).verdict is not Verdict.SUCCEEDED or sandbox.zygote_pid != zygote:
        damage.append("the zygote or the next cell died")
    return _record(outcome, damage)


def _record(outcome: Outcome, damage: list[str]) -> Record:
    message = outcome.fault.message + outcome.fault.traceback if outcome.fault else ""
    return Record(verdict=str(outcome.verdict), message=message, outputs=dict(outcome.outputs), damage=damage)


def as_json(record: Record) -> dict[str, Any]:
    return asdict(record)


def successes(attack: Attack, record: Record) -> list[object]:
    """What the attacker achieved; empty when the attack failed in the way it must."""
    found: list[object] = list(record.damage)
    if record.verdict != attack.verdict:
        found.append(f"{record.verdict} instead of {attack.verdict}: {record.message} {record.outputs}")
    elif attack.outputs is not None:
        found += [] if record.outputs == attack.outputs else [record.outputs]
    elif attack.verdict is Verdict.SUCCEEDED:
        evidence = record.outputs.get("evidence", [])
        found += [piece for piece in evidence if piece[1] != "errno" or piece[2] not in attack.errnos]
        if len(evidence) < attack.proofs:
            found.append(f"only {len(evidence)} pieces of evidence")
    return found
