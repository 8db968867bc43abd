"""Fuzzes cells: `python -m tests.fuzz --seconds 120`; exit code 1 when anything was not sound.

Random system calls by number from Python, random calls of what Node's modules export from JavaScript. Give it
the seed and the cell that it printed to do the same again.
"""

import argparse
import secrets
import sys

from tests.escape.host import FORMS
from tests.fuzz.fuzzing import RUNTIMES, fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="for each runtime")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31))
    parser.add_argument("--runtime", choices=[*RUNTIMES], action="append")
    parser.add_argument("--cell", type=int, default=0, help="the first one to run")
    parser.add_argument("--cells", type=int, default=1_000_000_000, help="how many at most")
    parser.add_argument("--host", choices=[*FORMS], help="a poorer one, as tests.escape.host has them")
    given = parser.parse_args()
    FORMS.get(given.host, lambda: None)()
    sound = True
    print(f"seed {given.seed}", flush=True)
    for runtime in given.runtime or RUNTIMES:
        found = fuzz(runtime, given.seed, given.seconds, given.cell, given.cells)
        verdicts = ", ".join(f"{verdict} {count}" for verdict, count in found.verdicts.most_common())
        print(
            f"{runtime}: {found.cells} cells ({verdicts}), {len(found.wrong)} of them left harm", flush=True
        )
        for number, wrong in found.wrong.items():
            host = f' --host "{given.host}"' if given.host else ""
            again = f"--runtime {runtime} --seed {given.seed} --cell {number} --cells 1{host}"
            print(f"  cell {number}: {'; '.join(wrong)}\n    again: python -m tests.fuzz {again}", flush=True)
        sound &= not found.wrong
    return not sound


if __name__ == "__main__":
    sys.exit(main())
