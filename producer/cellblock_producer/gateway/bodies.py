"""Reads the body of a request: bounded in size, in time, and in what all of them hold together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pydantic_core
from starlette.requests import Request

from .problems import Problem, busy


class HungUp(Exception):
    """The caller is gone; nobody reads an answer."""


class Bodies:
    """The bodies that are being read now."""

    def __init__(self, *, most_bytes: int, all_bytes: int, seconds: float) -> None:
        self._most = most_bytes
        self._all = all_bytes
        self._seconds = seconds
        self._held = 0

    @asynccontextmanager
    async def json(self, request: Request) -> AsyncIterator[Any]:
        """Read the body as JSON; it counts as held while the block lasts. Raises Problem and HungUp."""
        held = 0
        try:
            parts: list[bytes] = []
            async for part in self._parts(request):
                held += len(part)
                self._held += len(part)
                self._check(held)
                parts.append(part)
            yield _parse(b"".join(parts))
        finally:
            self._held -= held

    async def _parts(self, request: Request) -> AsyncIterator[bytes]:
        # The server has checked that it is a number.
        if int(request.headers.get("content-length", "0")) > self._most:
            raise self._too_large()
        give_up = asyncio.get_running_loop().time() + self._seconds
        more = True
        while more:
            try:
                async with asyncio.timeout_at(give_up):
                    message = await request.receive()
            except TimeoutError:
                raise Problem(408, "body-timeout", "The body did not arrive in time.") from None
            if message["type"] == "http.disconnect":
                raise HungUp
            yield message.get("body", b"")
            more = message.get("more_body", False)

    def _check(self, held: int) -> None:
        if held > self._most:
            raise self._too_large()
        if self._held > self._all:
            raise busy(503, "too-busy", "Too many large requests are being read; call again.")

    def _too_large(self) -> Problem:
        close = {"Connection": "close"}  # the rest of the body is not read
        return Problem(413, "too-large", f"The body is larger than {self._most} bytes.", headers=close)


def _parse(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        # Its words name a place, and quote nothing.
        raise Problem(400, "not-json", f"The body is not JSON: {error}") from None
