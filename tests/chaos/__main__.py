"""`python -m tests.chaos`: makes chaos by seed, and says at the end what was lost, doubled or wrong.

The options are also variables of the environment: SEED (one, or several with commas), JOBS, SABOTAGE.
"""

import argparse
import os
import sys

from tests.chaos.faults import FAULTS
from tests.chaos.run import run
from tests.support.program import use_server_program


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--seed", default=os.environ.get("SEED") or "1")
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS") or 2000))
    parser.add_argument("--sabotage", action="store_true", default=os.environ.get("SABOTAGE") == "1")
    parser.add_argument("--faults", default="", help=f"only these, with commas: {', '.join(FAULTS)}")
    parser.add_argument("--log", action="store_true", help="print what the workers logged")
    given = parser.parse_args()
    use_server_program()
    faults = [name for name in given.faults.split(",") if name]
    reports = []
    for seed in given.seed.split(","):
        report = run(int(seed), given.jobs, sabotage=given.sabotage, faults=faults)
        reports.append(report)
        if given.log or not (report.passed or given.sabotage):
            _say(report.log)
        for problem in [*report.lost, *report.doubled, *report.wrong, *report.left][:50]:
            _say(f"  {problem}")
        _say(f"  faults: {report.faults}")
        _say(f"  descriptors in the end, at most: {report.descriptors}")
        _say(str(report))
    if len(reports) > 1:
        _say(
            f"all seeds: {sum(r.jobs for r in reports)} jobs, lost {sum(len(r.lost) for r in reports)}, "
            f"doubled {sum(len(r.doubled) for r in reports)}, wrong {sum(len(r.wrong) for r in reports)}, "
            f"left behind {sum(len(r.left) for r in reports)}, "
            f"{sum(sum(r.faults.values()) for r in reports)} faults, "
            f"longest recovery {max(r.longest_gap_s for r in reports):.1f} s"
        )
    if given.sabotage:
        return 0 if any(report.lost for report in reports) else 1
    return 0 if all(report.passed for report in reports) else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
