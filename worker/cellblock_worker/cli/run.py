"""`cellblock run`: one job in the local sandbox, without a queue."""

from cellblock_sandbox import SandboxError

from cellblock_worker import slot
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
from cellblock_worker.cli.show import show_result
from cellblock_worker.execute import execute


def run(
    file: FileArgument,
    language: LanguageOption = None,
    inputs: InputsOption = "{}",
    limits: LimitsOption = "{}",
    outputs: OutputsOption = "{}",
    mode: ModeOption = ModeChoice.main,
    json: JsonOption = False,
) -> None:
    """Run one code node in the local sandbox, without Redis or a worker.

    Exit code 0: it succeeded; 1: the code failed; 2: wrong usage; 3: the sandbox is not available here.
    """
    settings = read_settings()
    job = read_node(file, language, mode, inputs, limits, outputs)
    try:
        slot.open(settings, only=job)
        slot.sandbox_for(job)
        result = execute(job, settings)
    except slot.NoSuchRuntime as error:
        leave(USAGE, str(error))
    except SandboxError as error:
        leave(NOT_AVAILABLE, f"the sandbox is not available: {error}")
    finally:
        slot.close()
    show_result(result.model_copy(update={"attempts": 1, "worker": "local"}), as_json=json)
