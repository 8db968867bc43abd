"""Jobs over HTTP: submit, wait, ask, cancel."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ..async_handle import AsyncHandle
from ..errors import CellblockError, InvalidJob, JobConflict
from ..job import Job, read_job
from ..keys import ID_PATTERN
from ..result import Result
from .access import Canceller, Reader, Submitter
from .answers import BatchAnswer, CancelAnswer, Pending, Refusal, json_response, problems
from .api_keys import Key, Scope
from .gateway import Gateway, gateway_of
from .problems import Problem, problem_of
from .visit import Visit, visit_of

MAX_BATCH: Final = 1000
router = APIRouter(tags=["jobs"])

WaitParameter = Annotated[
    float,
    Query(ge=0, le=3600, description="Seconds to wait for the Result; the gateway has a bound of its own."),
]
IdParameter = Annotated[str, Path(alias="id", pattern=ID_PATTERN, description="The job's id.")]
_PENDING: Final[dict[int | str, dict[str, Any]]] = {202: {"model": Pending, "description": "No Result yet"}}
_RESULT: Final = "The Result, in which a failed node is a value: follow its `branch`"


def body_of(name: str) -> dict[str, Any]:
    """Describe a body, which is read by hand: after the key was looked at, and bounded."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    "/v1/jobs",
    summary="Submit a job",
    response_model=Result,
    response_description=_RESULT,
    responses=_PENDING | problems(400, 408, 409, 413, 422, 429, 502, 503),
    openapi_extra=body_of("Job"),
)
async def submit(request: Request, key: Submitter, wait: WaitParameter = 0) -> Response:
    """Put a job on the queue. Submitting it again, with the same id and content, runs it once.

    With `wait` the answer is the Result, if it is there in time; else 202, and the job goes on, as it does
    when the caller hangs up.
    """
    gateway = gateway_of(request)
    async with gateway.bodies.json(request) as body:
        handle = await _submit(gateway, key, _read(body, key, visit_of(request)))
    visit_of(request).job_id = handle.job_id
    return await gateway.answer(handle, _bounded(gateway, wait), request, key)


@router.post(
    "/v1/jobs:batch",
    status_code=202,
    summary="Submit many jobs",
    response_model=BatchAnswer,
    response_description="What became of each",
    responses=problems(400, 408, 413, 422, 429, 503),
    openapi_extra=body_of("Batch"),
)
async def submit_batch(request: Request, key: Submitter) -> Response:
    """Put up to 1,000 jobs on the queue: all of them or, where one is not valid, none.

    A job of which the id is taken, or for which there is no room any more, is refused alone.
    """
    gateway = gateway_of(request)
    async with gateway.bodies.json(request) as body:
        jobs = _read_batch(body, key, visit_of(request))
        await gateway.quotas.spend(key, len(jobs))
        found = await asyncio.gather(*map(gateway.client.submit, jobs), return_exceptions=True)
    failed = [one for one in found if isinstance(one, CellblockError) and not isinstance(one, JobConflict)]
    if len(failed) == len(jobs):
        raise failed[0]
    answer = BatchAnswer(jobs=[_said(job, one) for job, one in zip(jobs, found, strict=True)])
    return json_response(answer.model_dump_json().encode(), 202)


@router.get(
    "/v1/jobs/{id}",
    summary="Get a job's Result",
    response_model=Result,
    response_description=_RESULT,
    responses=_PENDING | problems(404, 422, 429, 502, 503),
)
async def get(request: Request, key: Reader, job_id: IdParameter, wait: WaitParameter = 0) -> Response:
    """Answer with the Result, or with 202 where there is none within `wait` seconds."""
    gateway = gateway_of(request)
    visit_of(request).job_id = job_id
    if wait > 0:
        handle = await gateway.client.attach(job_id, key.tenant)
        return await gateway.answer(handle, _bounded(gateway, wait), request, key)
    result = await gateway.client.get(job_id, key.tenant)
    return gateway.pending(job_id) if result is None else gateway.told(result)


@router.delete(
    "/v1/jobs/{id}",
    summary="Cancel a job",
    response_model=CancelAnswer,
    response_description="What became of the wish",
    responses=problems(404, 422, 503),
)
async def cancel(request: Request, key: Canceller, job_id: IdParameter) -> Response:
    """Cancel a job, running or not; its Result is then of kind `cancelled`."""
    visit_of(request).job_id = job_id
    handle = await gateway_of(request).client.attach(job_id, key.tenant)
    answer = CancelAnswer(id=job_id, cancellation=await handle.cancel())
    return json_response(answer.model_dump_json().encode())


async def _submit(gateway: Gateway, key: Key, job: Job) -> AsyncHandle:
    await gateway.quotas.spend(key)
    return await gateway.client.submit(job)


def _bounded(gateway: Gateway, wait: float) -> float:
    return min(wait, gateway.settings.wait_s)


def _read(body: object, key: Key, visit: Visit) -> Job:
    if not isinstance(body, dict):
        raise InvalidJob(["a job is a JSON object"])
    if body.get("tenant", key.tenant) != key.tenant:
        raise Problem(403, "forbidden", "The key says whose jobs these are: leave `tenant` out.")
    if body.get("reply") is not None and Scope.REPLY not in key.scopes:
        raise Problem(403, "forbidden", f"This key is not good for {Scope.REPLY}: leave it out.")
    given: Mapping[str, Any] = {"trace": visit.trace, **body, "tenant": key.tenant}
    return read_job(given)


def _read_batch(body: object, key: Key, visit: Visit) -> list[Job]:
    given = body.get("jobs") if isinstance(body, dict) and body.keys() == {"jobs"} else None
    if not isinstance(given, list) or not 0 < len(given) <= MAX_BATCH:
        raise InvalidJob([f'a batch is {{"jobs": [...]}}, with 1 to {MAX_BATCH} jobs'])
    jobs, wrong = [], []
    for number, one in enumerate(given):
        try:
            jobs.append(_read(one, key, visit))
        except InvalidJob as invalid:
            wrong += [f"jobs.{number}.{problem}" for problem in invalid.problems]
    if wrong:
        raise InvalidJob(wrong[:100])
    return jobs


def _said(job: Job, outcome: AsyncHandle | BaseException) -> Pending | Refusal:
    if isinstance(outcome, AsyncHandle):
        return Pending(id=job.id, href=f"/v1/jobs/{job.id}")
    if not isinstance(outcome, CellblockError):
        raise outcome
    problem = problem_of(outcome)
    return Refusal(id=job.id, problem=f"urn:cellblock:problem:{problem.kind}", detail=problem.detail)
