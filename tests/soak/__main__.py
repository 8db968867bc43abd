"""Soaks the sandbox: `python -m tests.soak`; exit code 1 when a single job did not get its answer.

Twenty thousand trivial jobs of each language, both at once, beside processes that keep the cores busy.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict

from tests.soak.soaking import Left, Soaked, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="of each language")
    parser.add_argument("--load", type=int, default=os.cpu_count(), help="processes that only burn CPU")
    parser.add_argument("--cells-per-zygote", type=int, default=2_000)
    parser.add_argument("--json", action="store_true", help="print what was found as JSON and nothing else")
    given = parser.parse_args()
    start = time.monotonic()
    found, left = soak(given.jobs, given.load, given.cells_per_zygote)
    if given.json:
        print(json.dumps({"left": asdict(left), **{name: asdict(one) for name, one in found.items()}}))
        return _failed(found, left)
    print(f"{time.monotonic() - start:.0f} s, load of {given.load}; left in the end: {left}")
    for language, soaked in found.items():
        first, last = soaked.memory_kb[0][1], soaked.memory_kb[-1][1]
        print(
            f"{language}: {soaked.jobs} jobs, {len(soaked.wrong)} wrong, {soaked.zygotes} zygotes; "
            f"the owner's memory {first} KB, then {last} KB, {soaked.slope():+.1f} KB in a thousand jobs"
        )
        for line in soaked.wrong[:20]:
            print(f"  {line}")
    return _failed(found, left)


def _failed(found: dict[str, Soaked], left: Left) -> int:
    return any(soaked.wrong for soaked in found.values()) or left.descriptors > 0 or left.processes > 0


if __name__ == "__main__":
    sys.exit(main())
