"""What the gateway costs: `python -m tests.benchmarks.gateway`. It needs wrk; on Debian: apt-get install wrk.

In one run, in turns, through the same server and worker: scripts as Dify sends them, by the asyncio client,
and by wrk on Dify's route. Then 2,000 requests that wait for one job at the same time.
"""

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cellblock_producer import AsyncClient

from tests.gateway.calling import KEY, GatewayProcess, write_keys
from tests.gateway.test_dify import python
from tests.support.stack import Stack

CODE = python("def main(a, b):\n    return {'c': a + b}", {"a": 1, "b": 2})
ROUNDS = 3
SECONDS = 5
AT_ONCE = 16
OPEN_WAITS = 2000
_WRK = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Api-Key"] = "{key}"
wrk.body = {body}
function response(status, headers, body)
  if status ~= 200 or not string.find(body, "<<RESULT>>", 1, true) then error("no result: " .. body) end
end
function done(summary, latency, requests)
  local p50, count, us = latency:percentile(50), summary.requests, summary.duration
  io.write(string.format("p50_us=%d requests=%d us=%d\\n", p50, count, us))
end
"""


def measure(folder: Path, stack: Stack, gateway: GatewayProcess) -> dict[str, Any]:
    """Return the figures of one run."""
    script = folder / "dify.lua"
    script.write_text(_WRK.format(key=KEY, body=json.dumps(json.dumps(CODE))))
    rates: dict[str, list[float]] = {"client": [], "gateway": []}
    medians: dict[str, list[float]] = {"client": [], "gateway": []}
    asyncio.run(by_client(stack.url, AT_ONCE, 1))
    for _ in range(ROUNDS):
        for at_once, found, index in ((AT_ONCE, rates, 0), (1, medians, 1)):
            found["client"].append(asyncio.run(by_client(stack.url, at_once, SECONDS))[index])
            found["gateway"].append(by_wrk(gateway.url, script, at_once)[index])
    rate = {who: statistics.median(each) for who, each in rates.items()}
    p50 = {who: statistics.median(each) for who, each in medians.items()}
    return {
        "jobs_per_second": rate | {"ratio": rate["gateway"] / rate["client"], "all": rates},
        "p50_ms_at_1": p50 | {"above": p50["gateway"] - p50["client"], "all": medians},
    }


async def by_client(url: str, at_once: int, seconds: float) -> tuple[float, float]:
    """Return jobs a second and the median milliseconds of a job, by so many callers at once."""
    job = {"language": "python3", "mode": "script", "code": CODE["code"]}
    taken: list[float] = []
    async with AsyncClient(url) as client:
        started = time.perf_counter()

        async def caller() -> None:
            while (begun := time.perf_counter()) < started + seconds:
                result = await client.run(job, timeout=60)
                assert "<<RESULT>>" in result.stdout, result
                taken.append(time.perf_counter() - begun)

        await asyncio.gather(*(caller() for _ in range(at_once)))
        whole = time.perf_counter() - started
    return len(taken) / whole, statistics.median(taken) * 1000


def by_wrk(url: str, script: Path, at_once: int) -> tuple[float, float]:
    """Return the same, of wrk on Dify's route."""
    argv = ["wrk", "-t1", f"-c{at_once}", f"-d{SECONDS}s", "--timeout", "60s", "-s", str(script)]
    said = subprocess.run([*argv, f"{url}/v1/sandbox/run"], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    found = re.search(r"p50_us=(\d+) requests=(\d+) us=(\d+)", said)
    assert found is not None, said
    p50_us, requests, us = map(int, found.groups())
    return requests / us * 1e6, p50_us / 1000


def measure_waits(gateway: GatewayProcess) -> dict[str, float]:
    """Return what so many open waits cost in memory, in MiB."""
    before = resident_mb(gateway.pid)
    job = {"language": "python3", "code": "import time\ndef main(): time.sleep(4)\n"}
    gateway.call("POST", "/v1/jobs", job | {"id": "held"})
    callers = [gateway.send("GET", "/v1/jobs/held?wait=60") for _ in range(OPEN_WAITS)]
    while f"cellblock_gateway_open_waits {OPEN_WAITS}.0" not in gateway.call("GET", "/metrics").body.decode():
        time.sleep(0.05)
    during = resident_mb(gateway.pid)
    assert {caller.getresponse().status for caller in callers} == {200}
    for caller in callers:
        caller.close()
    return {"open_waits": OPEN_WAITS, "idle_mb": before, "during_mb": during, "cost_mb": during - before}


def resident_mb(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def main() -> None:
    """Print the figures as JSON."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed; on Debian: apt-get install wrk")
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        stack = opened.enter_context(Stack(CELLBLOCK_WALL_MS="10000"))
        keys = str(write_keys(folder / "keys.json"))
        gateway = opened.enter_context(GatewayProcess(stack.url, "--keys", keys))
        figures = measure(folder, stack, gateway) | {"waits": measure_waits(gateway)}
    print(json.dumps(figures, indent=2))  # noqa: T201 - a command for a person


if __name__ == "__main__":
    main()
