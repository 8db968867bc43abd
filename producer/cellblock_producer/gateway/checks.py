"""The check of a piece of code over HTTP; it reads the text and runs nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from ..check import PACKAGES, CheckUnavailable, Finding, check, refuses
from ..job import MAX_CODE_BYTES, ReadLanguage
from ..kinds import Mode
from .access import Checker
from .answers import CheckAnswer, json_response, problems
from .gateway import gateway_of
from .jobs import body_of
from .problems import Problem, busy

_AT_A_TIME: Final = asyncio.Semaphore(2)
"""A look at a large program takes seconds of this process's CPU."""
_WAITING_MOST: Final = 16
"""Programs that wait for their turn, 1 MiB each."""
_waiting: Final[set[object]] = set()

router = APIRouter(tags=["check"])
Name = Annotated[str, Field(max_length=200)]


class Check(BaseModel):
    """A piece of code to look at."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    code: str = Field(max_length=MAX_CODE_BYTES, repr=False, description="The program.")
    language: ReadLanguage = Field(description="`python3` or `nodejs`.")
    mode: Mode = Field(default=Mode.MAIN, description="How it will be run.")
    inputs: list[Name] | None = Field(
        default=None,
        max_length=1000,
        repr=False,
        description="Names that main will be called with, where known.",
    )
    packages: list[Name] = Field(
        default_factory=list, max_length=1000, description="Modules of the runtime beside the default's."
    )

    def findings(self) -> tuple[Finding, ...]:
        """Look. Raises CheckUnavailable."""
        packages = PACKAGES[self.language].union(self.packages)
        return check(self.code, self.language, self.mode, inputs=self.inputs, packages=packages)


@router.post(
    "/v1/check",
    summary="Check code without running it",
    response_model=CheckAnswer,
    responses=problems(400, 408, 413, 422, 501, 503),
    openapi_extra=body_of("Check"),
)
async def check_code(request: Request, key: Checker) -> Response:
    """Say what a cell would refuse of the code, and at which line. Advice: the sandbox decides."""
    async with gateway_of(request).bodies.json(request) as body:
        asked = _read(body)
    # The body is let go of: else those that wait here would leave no room for the bodies of others.
    try:
        async with _turn():
            findings = await asyncio.to_thread(asked.findings)
    except CheckUnavailable as error:
        raise Problem(501, "check-unavailable", str(error)) from None
    answer = CheckAnswer(findings=list(findings), refused=refuses(findings))
    return json_response(answer.model_dump_json().encode())


@asynccontextmanager
async def _turn() -> AsyncIterator[None]:
    """Wait for one's turn to look. Raises Problem where too many do."""
    if len(_waiting) >= _WAITING_MOST:
        raise busy(503, "too-busy", "Too many programs wait to be looked at; call again.")
    me = object()
    _waiting.add(me)
    try:
        await _AT_A_TIME.acquire()
    finally:
        _waiting.discard(me)
    try:
        yield
    finally:
        _AT_A_TIME.release()


def _read(body: object) -> Check:
    try:
        return Check.model_validate(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        told = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}"[:300] for one in details[:20]]
        raise Problem(422, "invalid-request", "The request is not valid.", errors=told) from None
