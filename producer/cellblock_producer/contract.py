"""The contract between an engine and the workers: Job, Result and all their parts.

job.py, jobparts.py, spec.py   what an engine says        kinds.py       the closed sets of words
result.py                      what a worker answers      jsonvalue.py   what counts as JSON
settle.py                      from a run to its Result   outputs.py     outputs against declarations
                                                         rules.py       the limits of outputs
"""

from .inputs import check_inputs
from .job import MAX_CODE_BYTES, MAX_INPUT_BYTES, Job, read_job
from .jobparts import CeleryReply, Limits, OnError, Reply, Retry, Trace, WebhookReply
from .jsonvalue import MAX_DEPTH, json_problem
from .kinds import Branch, ErrorKind, Language, Mode, OutputType, Status, Strategy
from .outputs import OutputProblem, check_outputs, convert_outputs
from .result import ErrorInfo, Result, Usage
from .rules import OUTPUT_RULES, OutputRules
from .settle import Execution, is_retried, settle_cancelled, settle_failure, settle_success, settle_unread
from .spec import OutputSpec

__all__ = [
    "MAX_CODE_BYTES",
    "MAX_DEPTH",
    "MAX_INPUT_BYTES",
    "OUTPUT_RULES",
    "Branch",
    "CeleryReply",
    "ErrorInfo",
    "ErrorKind",
    "Execution",
    "Job",
    "Language",
    "Limits",
    "Mode",
    "OnError",
    "OutputProblem",
    "OutputRules",
    "OutputSpec",
    "OutputType",
    "Reply",
    "Result",
    "Retry",
    "Status",
    "Strategy",
    "Trace",
    "Usage",
    "WebhookReply",
    "check_inputs",
    "check_outputs",
    "convert_outputs",
    "is_retried",
    "json_problem",
    "read_job",
    "settle_cancelled",
    "settle_failure",
    "settle_success",
    "settle_unread",
]
