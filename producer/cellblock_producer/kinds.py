"""The closed sets of words that the contract uses."""

from enum import StrEnum


class Language(StrEnum):
    """The language that a code node is written in."""

    PYTHON3 = "python3"
    NODEJS = "nodejs"


class Mode(StrEnum):
    """How the code is run."""

    MAIN = "main"  # main(...) is called with the inputs and returns the outputs
    SCRIPT = "script"  # the file runs from top to bottom; what it prints is the answer


class OutputType(StrEnum):
    """The type of a declared output variable."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    OBJECT = "object"
    ARRAY_STRING = "array[string]"
    ARRAY_NUMBER = "array[number]"
    ARRAY_BOOLEAN = "array[boolean]"
    ARRAY_OBJECT = "array[object]"


class Strategy(StrEnum):
    """What a failure of the node means to the workflow."""

    STOP = "stop"  # the run stops: status failed, no branch
    BRANCH = "branch"  # the fail edge is taken: status exception, branch fail
    DEFAULT = "default"  # default outputs on the success edge: status exception, branch success


class Status(StrEnum):
    """How the job ended, as the engine shows it."""

    SUCCEEDED = "succeeded"  # main returned what was declared
    EXCEPTION = "exception"  # the node failed and its error handling took over
    FAILED = "failed"  # the node failed and the run stops


class Branch(StrEnum):
    """The edge that the engine follows; a failed job has none."""

    SUCCESS = "success"
    FAIL = "fail"


class ErrorKind(StrEnum):
    """Why a job failed. Readers of Results must expect kinds that are not listed here yet."""

    CODE_ERROR = "code_error"  # the node's code raised
    SYNTAX_ERROR = "syntax_error"  # the code could not be compiled
    INVALID_OUTPUT = "invalid_output"  # no object, a wrong type, or not JSON
    TIMEOUT = "timeout"  # longer than limits.wall_ms
    CPU_LIMIT = "cpu_limit"  # more CPU time than limits.cpu_ms
    MEMORY_LIMIT = "memory_limit"  # more memory than limits.memory_mb
    OUTPUT_LIMIT = "output_limit"  # the answer is larger than limits.output_bytes
    BLOCKED = "blocked"  # an uncaught refusal by the sandbox
    CRASHED = "crashed"  # died by a signal, or left without an answer
    CANCELLED = "cancelled"  # cancelled by its owner
    EXPIRED = "expired"  # not started before its deadline
    WORKER_LOST = "worker_lost"  # its worker died, more often than it may be tried again
    INVALID_JOB = "invalid_job"  # no worker can run this job as it stands
    INTERNAL = "internal"  # our own fault
