"""Reads the body of a request: bounded in size, in time, and in what all of them hold together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pydantic_core
from starlette.requests import Request

from ..jsonvalue import STRING
from .problems import Problem, busy

# What a member or an element takes, parsed, beyond its text: of `[{},{},…]` thirty times what the body has.
_MEMBER_BYTES: Final = 64
_FEW_BYTES: Final = 1 << 20


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
        """Read the body as JSON; it counts as held while the block lasts, with what it takes when parsed.

        Raises Problem and HungUp.
        """
        held = 0
        try:
            parts: list[bytes] = []
            async for part in self._parts(request):
                held += len(part)
                self._held += len(part)
                self._check(held)
                parts.append(part)
            body = b"".join(parts)
            parts.clear()
            parsed = _parsed_bytes(body)
            held += parsed
            self._held += parsed
            self._check_parsed(held)
            yield _parse(body)
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

    def _check_parsed(self, held: int) -> None:
        if held > self._all:
            raise Problem(413, "too-large", "The body has too many members and elements.")
        if self._held > self._all:
            raise busy(503, "too-busy", "Too many large requests are being read; call again.")

    def _too_large(self) -> Problem:
        close = {"Connection": "close"}  # the rest of the body is not read
        return Problem(413, "too-large", f"The body is larger than {self._most} bytes.", headers=close)


def _parsed_bytes(body: bytes) -> int:
    """What a body takes when it is parsed, beside its text; where that is little, at most so much."""
    most = _members(body) * _MEMBER_BYTES
    return most if most <= _FEW_BYTES else _members(STRING.sub(b"", body)) * _MEMBER_BYTES


def _members(text: bytes) -> int:
    return sum(map(text.count, (b",", b":", b"[", b"{")))


def _parse(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        # Its words name a place, and quote nothing.
        raise Problem(400, "not-json", f"The body is not JSON: {error}") from None
