"""Jobs of all kinds for some minutes, of two tenants through the gateway: steady, and a flood at times."""

import json
import random
import threading
import time
import urllib.request
from typing import Any, Final

from cellblock_producer.gateway.jobs import MAX_BATCH

from tests.gateway.calling import KEY, OTHER_KEY

_BRANCH: Final = {"strategy": "branch"}
_KINDS: Final[tuple[tuple[int, dict[str, Any]], ...]] = (
    (30, {"language": "python3", "code": "def main(n):\n    return {'sum': sum(range(n))}"}),
    (20, {"language": "nodejs", "code": "const main = ({n}) => ({half: n / 2})"}),
    (8, {"language": "python3", "code": "import time\ndef main(n):\n    time.sleep(n / 2e5)\n    return {}"}),
    (4, {"language": "python3", "code": "def main(n):\n    return {'a': 1 / 0}", "on_error": _BRANCH}),
    (3, {"language": "nodejs", "code": "const main = ({n}) => n.a.b", "on_error": _BRANCH}),
    (3, {"language": "python3", "code": "def main(n):\n    open('/etc/passwd')"}),
    (2, {"language": "nodejs", "code": "const main = () => require('fs').readFileSync('/etc/passwd')"}),
    (1, {"language": "python3", "code": "def main(n):\n    while True: pass", "limits": {"wall_ms": 500}}),
)
_PAUSE_S: Final = 0.05
_FLOOD_EVERY_S: Final = 150.0
_FLOOD: Final = 2_000  # jobs, in batches of as many as the gateway takes


def work(url: str, seconds: float) -> int:
    """Keep a gateway busy for a time; return how many jobs it took."""
    threads = [_Caller(url, KEY, 1, seconds), _Caller(url, OTHER_KEY, 2, seconds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(thread.jobs for thread in threads)


class _Caller(threading.Thread):
    """Runs one job after the other; the second tenant's sends a batch now and then, too."""

    def __init__(self, url: str, key: str, number: int, seconds: float) -> None:
        super().__init__()
        self._url, self._key, self._number, self._seconds = url, key, number, seconds
        self._random = random.Random(number)
        self.jobs = 0

    def run(self) -> None:
        end = time.monotonic() + self._seconds
        flood = time.monotonic() + _FLOOD_EVERY_S / 2
        while time.monotonic() < end:
            if self._number == 2 and time.monotonic() > flood:
                flood += _FLOOD_EVERY_S
                for _ in range(_FLOOD // MAX_BATCH):
                    self._send("/v1/jobs:batch", {"jobs": [self._job() for _ in range(MAX_BATCH)]}, MAX_BATCH)
            self._send("/v1/jobs?wait=30", self._job(), 1)
            time.sleep(self._random.expovariate(1 / _PAUSE_S))

    def _job(self) -> dict[str, Any]:
        [kind] = self._random.choices([kind for _, kind in _KINDS], [weight for weight, _ in _KINDS])
        return {**kind, "inputs": {"n": self._random.randrange(1, 50_000)}, "labels": {"workflow": "orders"}}

    def _send(self, path: str, body: object, jobs: int) -> None:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()
        self.jobs += jobs
