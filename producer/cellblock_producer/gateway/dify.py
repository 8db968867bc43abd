"""Dify's own sandbox API, so that a Dify installation changes one setting and nothing else.

A run is a job of mode `script`. Its caller knows no id: when it hangs up, or has waited too long, the job is
cancelled.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, JsonValue
from starlette.responses import JSONResponse, Response

from ..async_handle import AsyncHandle
from ..errors import CellblockError
from ..job import Job, read_job
from ..kinds import ErrorKind, Language, Mode
from ..result import ErrorInfo, Result
from .access import Dify
from .api_keys import Key
from .bodies import HungUp
from .dify_script import prepare
from .gateway import Gateway, gateway_of
from .jobs import body_of
from .problems import Problem
from .visit import visit_of

router = APIRouter(prefix="/v1/sandbox", tags=["Dify's sandbox"])

_BY_THE_CODE: Final = frozenset(
    {ErrorKind.CODE_ERROR, ErrorKind.SYNTAX_ERROR, ErrorKind.INVALID_OUTPUT, ErrorKind.BLOCKED}
)
_OURS: Final = frozenset(
    {ErrorKind.INTERNAL, ErrorKind.WORKER_LOST, ErrorKind.INVALID_JOB, ErrorKind.EXPIRED}
)
_EXIT_CODES: Final = {Language.PYTHON3: 255, Language.NODEJS: 1}
_KILLED: Final = -1


class SandboxRun(BaseModel):
    """What Dify asks for; other fields are ignored."""

    language: Language
    code: str = Field(min_length=1, description="A whole script; what it prints is the answer.")
    preload: str | None = Field(default="", description="Accepted, and never run.")
    enable_network: bool | None = Field(
        default=False, description="Accepted; there is no network, and code that uses it fails."
    )


class SandboxLanguage(BaseModel):
    """The language of which the dependencies are meant."""

    language: Language


class Envelope(BaseModel):
    """How Dify's sandbox answers."""

    code: int = Field(description="0, or a negative number where nothing was run.")
    message: str
    data: dict[str, JsonValue] | None


LanguageParameter = Annotated[
    str, Query(description="Which language is meant.", json_schema_extra={"enum": list(Language)})
]
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Envelope, "description": words}
    for status, words in {
        400: "The request is not valid",
        401: "The key is missing or not known",
        403: "The key is not good for this",
        503: "Too many requests; see Retry-After",
    }.items()
}


@router.post("/run", response_model=Envelope, responses=_ANSWERS, openapi_extra=body_of("SandboxRun"))
async def run(request: Request, key: Dify) -> Response:
    """Run a script and answer with what it printed."""
    gateway = gateway_of(request)
    async with gateway.bodies.json(request) as body:
        job = _job(_members(body), key, request)
        await gateway.quotas.spend(key)
        handle = await gateway.client.submit(job)
    visit_of(request).job_id = handle.job_id
    try:
        result = await gateway.waits.result(
            handle, gateway.settings.dify_wait_s, request, key, resumable=False
        )
    except HungUp:
        await _give_up(handle)
        raise
    if result is None:
        await _give_up(handle)
        return _enveloped(-500, _no_result(gateway))
    return _answer(result, job.language, gateway)


@router.get("/dependencies", response_model=Envelope, responses=_ANSWERS)
async def dependencies(
    request: Request,
    key: Dify,
    language: LanguageParameter = "",
) -> Response:
    """List what the default runtime has beside the language's own library."""
    return _dependencies(gateway_of(request), language)


@router.get("/dependencies/refresh", response_model=Envelope, responses=_ANSWERS)
async def refresh(request: Request, key: Dify, language: LanguageParameter = "") -> Response:
    """List them, too: they are the workers' and do not change by themselves."""
    return _dependencies(gateway_of(request), language)


@router.post(
    "/dependencies/update",
    response_model=Envelope,
    responses=_ANSWERS,
    openapi_extra=body_of("SandboxLanguage"),
)
async def update(request: Request, key: Dify) -> Response:
    """Accept it and change nothing: operators install packages, in the runtimes of the workers."""
    gateway = gateway_of(request)
    async with gateway.bodies.json(request) as body:
        return _dependencies(gateway, _members(body).get("language", ""))


def _members(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _bad("the body must be a JSON object")
    return body


def _bad(detail: str) -> Problem:
    return Problem(400, "invalid-request", detail)


def _language(given: object) -> Language:
    if not given:
        raise _bad("language is required")
    try:
        return Language(str(given))
    except ValueError:
        raise _bad("unsupported language") from None


def _job(asked: Mapping[str, Any], key: Key, request: Request) -> Job:
    language = _language(asked.get("language"))
    code = asked.get("code")
    if not isinstance(code, str) or not code:
        raise _bad("code is required, a string that is not empty")
    if not isinstance(asked.get("preload"), str | None):
        raise _bad("preload must be a string")
    if not isinstance(asked.get("enable_network"), bool | None):
        raise _bad("enable_network must be true or false")
    script = prepare(code, language)
    trace = visit_of(request).trace
    return read_job(
        {"language": language, "mode": Mode.SCRIPT, "code": script, "tenant": key.tenant, "trace": trace}
    )


async def _give_up(handle: AsyncHandle) -> None:
    """Cancel a job that nobody can ask for any more."""
    try:
        await handle.cancel()
    except CellblockError:
        return  # it then runs in vain


def _answer(result: Result, language: Language, gateway: Gateway) -> Response:
    error = result.error
    if error is not None and error.kind in _OURS:
        return _enveloped(-500, f"{error.kind}: {error.message}")
    told = _told(error, result)
    data = {
        "stdout": result.stdout,
        "stderr": result.stderr,
        "error": told,
        "exit_code": _exit_code(error, result, language),
    }
    answer = _enveloped(0, "success", data)
    if len(answer.body) > gateway.settings.result_bytes:
        return _enveloped(-500, f"the output is larger than {gateway.settings.result_bytes} bytes")
    return answer


def _told(error: ErrorInfo | None, result: Result) -> str:
    """Say to the author what went wrong. Dify shows this text and no other."""
    if error is None:
        if result.stdout_truncated:
            return "output_limit: the code printed more than its limit; the result, at the end, is lost"
        return ""
    if error.kind in (ErrorKind.CODE_ERROR, ErrorKind.SYNTAX_ERROR) and error.traceback:
        return error.traceback
    where = f" (line {error.line})" if error.line else ""
    return f"{error.kind}: {error.message}{where}" + (f"\n\n{error.traceback}" if error.traceback else "")


def _exit_code(error: ErrorInfo | None, result: Result, language: Language) -> int:
    if error is None:
        return 0
    if error.kind in _BY_THE_CODE:
        return _EXIT_CODES[language]
    return max(result.exit_code or 0, 0) or _KILLED  # a signal is negative, whichever it was


def _no_result(gateway: Gateway) -> str:
    if gateway.waits.closing:
        return "the gateway is shutting down; run it again"
    return (
        f"no worker has answered within {gateway.settings.dify_wait_s:g} s: the queue is long, or no worker "
        "serves it; the job was cancelled"
    )


def _dependencies(gateway: Gateway, language: object) -> Response:
    known = gateway.packages.get(_language(language), ())
    listed = [{"name": name, "version": version} for name, version in known]
    return _enveloped(0, "success", {"dependencies": listed})


def _enveloped(code: int, message: str, data: Mapping[str, Any] | None = None) -> JSONResponse:
    return JSONResponse({"code": code, "message": message, "data": data})
