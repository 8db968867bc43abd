"""Checks that take long, and those that wait for them."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from cellblock_producer.gateway import GatewaySettings, checks, create_app
from cellblock_worker.embedded import EmbeddedServer

from tests.gateway.calling import KEY, OTHER_KEY

CODE = {"code": "def main(): return {}  #" + "x" * 10_000, "language": "python3"}
JOB = CODE


def test_who_waits_to_be_checked_takes_no_room_from_the_jobs_of_others(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no more may wait than there is memory for."""
    go_on = threading.Event()

    def look(*_: Any, **__: Any) -> tuple[()]:
        go_on.wait(30)
        return ()

    async def call(url: str) -> tuple[list[int], int]:
        settings = GatewaySettings(keys=keys, bodies_bytes=50_000)
        app = create_app(settings, redis_url=url)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            tenant, other = ({"Authorization": f"Bearer {key}"} for key in (KEY, OTHER_KEY))
            looks = [
                asyncio.create_task(client.post("/v1/check", json=CODE, headers=tenant)) for _ in range(30)
            ]
            await asyncio.wait(looks, timeout=0.5)
            submitted = await client.post("/v1/jobs", json=JOB, headers=other)
            go_on.set()
            answers = [answer.status_code for answer in await asyncio.gather(*looks)]
        await app.state.gateway.close()
        return answers, submitted.status_code

    monkeypatch.setattr(checks, "check", look)
    with EmbeddedServer() as server:
        answers, submitted = asyncio.run(call(server.url))
    assert submitted == 202
    assert sorted(answers) == [200] * 18 + [503] * 12
