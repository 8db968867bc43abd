"""`cellblock submit`: one job through the queue."""

from typing import Annotated

import typer
from cellblock_producer import CellblockError, Client, JobConflict, WorkerFailed
from cellblock_producer.contract import Job, Result

from cellblock_worker.cli.exits import NOT_AVAILABLE, USAGE, leave, read_settings
from cellblock_worker.cli.node import (
    FileArgument,
    InputsOption,
    JsonOption,
    LanguageOption,
    LimitsOption,
    ModeChoice,
    ModeOption,
    OutputsOption,
    read_node,
)
from cellblock_worker.cli.options import QueueOption, RedisOption
from cellblock_worker.cli.show import show_result


def submit(
    file: FileArgument,
    language: LanguageOption = None,
    inputs: InputsOption = "{}",
    limits: LimitsOption = "{}",
    outputs: OutputsOption = "{}",
    mode: ModeOption = ModeChoice.main,
    json: JsonOption = False,
    redis: RedisOption = None,
    queue: QueueOption = None,
    job_id: Annotated[str | None, typer.Option("--id", help="Id of the job; a new one by default.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose job it is.")] = None,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for the Result.")] = 60.0,
    wait: Annotated[bool, typer.Option(help="Wait for the Result, or print the job's id and go.")] = True,
) -> None:
    """Run one code node through the queue: put it on Redis and wait for its Result.

    Exit code 0: it succeeded; 1: the code failed; 2: wrong usage; 3: no Redis, or no Result in time.
    """
    settings = read_settings(redis_url=redis, queue=queue)
    job = read_node(file, language, mode, inputs, limits, outputs, id=job_id, tenant=tenant)
    try:
        with Client(settings.redis_url, queue=settings.queue) as client:
            if not wait:
                typer.echo(client.submit(job).job_id)
                return
            result = _result(client, job, timeout)
    except JobConflict as error:
        leave(USAGE, str(error))
    except CellblockError as error:
        leave(NOT_AVAILABLE, str(error))
    show_result(result, as_json=json)


def _result(client: Client, job: Job, timeout: float) -> Result:
    try:
        return client.run(job, timeout)
    except WorkerFailed as error:
        return error.result
