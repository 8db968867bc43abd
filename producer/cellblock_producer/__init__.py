"""What a workflow engine needs of Cellblock: the contract of jobs and results, and the client.

from cellblock_producer import Client, Job

with Client("redis://localhost:6379/0") as client:
    job = Job(language="python3", code="def main(a): return {'b': a + 1}", inputs={"a": 1})
    result = client.run(job, timeout=30)
    print(result.branch, result.outputs)

AsyncClient is the same for asyncio.
"""

from .async_client import AsyncClient
from .async_handle import AsyncHandle
from .client import Client
from .contract import (
    OUTPUT_RULES,
    Branch,
    CeleryReply,
    ErrorInfo,
    ErrorKind,
    Job,
    Language,
    Limits,
    Mode,
    OnError,
    OutputProblem,
    OutputRules,
    OutputSpec,
    OutputType,
    Reply,
    Result,
    Retry,
    Status,
    Strategy,
    Trace,
    Usage,
    WebhookReply,
    check_inputs,
    check_outputs,
    convert_outputs,
    read_job,
)
from .core import Cancellation
from .errors import (
    CellblockError,
    ClientClosed,
    InvalidJob,
    JobConflict,
    JobTooLarge,
    JobUnknown,
    QueueFull,
    Refused,
    ResultTimeout,
    Unreachable,
    UnreadableResult,
    WorkerFailed,
)
from .handle import Handle
from .keys import JobName

__all__ = [
    "OUTPUT_RULES",
    "AsyncClient",
    "AsyncHandle",
    "Branch",
    "Cancellation",
    "CeleryReply",
    "CellblockError",
    "Client",
    "ClientClosed",
    "ErrorInfo",
    "ErrorKind",
    "Handle",
    "InvalidJob",
    "Job",
    "JobConflict",
    "JobName",
    "JobTooLarge",
    "JobUnknown",
    "Language",
    "Limits",
    "Mode",
    "OnError",
    "OutputProblem",
    "OutputRules",
    "OutputSpec",
    "OutputType",
    "QueueFull",
    "Refused",
    "Reply",
    "Result",
    "ResultTimeout",
    "Retry",
    "Status",
    "Strategy",
    "Trace",
    "Unreachable",
    "UnreadableResult",
    "Usage",
    "WebhookReply",
    "WorkerFailed",
    "check_inputs",
    "check_outputs",
    "convert_outputs",
    "read_job",
]
