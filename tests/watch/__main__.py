"""`python -m tests.watch docs/dashboard.png`: a busy worker and gateway, and the dashboard of the run.

Needs Prometheus (Debian's package) and matplotlib.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.gateway.calling import GatewayProcess, write_keys
from tests.support.stack import Stack
from tests.watch.load import work
from tests.watch.looking import address_of
from tests.watch.picture import draw
from tests.watch.prometheus import PROGRAM, prometheus


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.watch", description=__doc__)
    parser.add_argument("file", help="where the picture goes")
    parser.add_argument("--minutes", type=float, default=8, help="how long the run is")
    given = parser.parse_args()
    if PROGRAM is None:
        print("Prometheus is not installed; on Debian: apt-get install prometheus")
        return 3
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        worker = stack.enter_context(Stack(CELLBLOCK_HTTP="127.0.0.1:0"))
        keys = write_keys(folder / "keys.json")
        gateway = stack.enter_context(GatewayProcess(worker.url, "--keys", str(keys)))
        targets = {"worker": address_of(worker), "gateway": gateway.url}
        where = {job: url.removeprefix("http://") for job, url in targets.items()}
        it = stack.enter_context(prometheus(where, folder))
        start = time.time()
        jobs = work(gateway.url, given.minutes * 60)
        draw(it, start, time.time(), given.file)
    print(f"{jobs} jobs in {given.minutes:g} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
