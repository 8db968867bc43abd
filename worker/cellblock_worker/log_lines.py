"""How lines of a log look: structlog renders every one, libraries' included, to standard error."""

import logging
import sys
from typing import Any, Final, Literal

import structlog

# Celery's own lines about each job; we write one of our own.
_CHATTY: Final = ("celery.worker.strategy", "celery.app.trace", "celery.worker.request")


def configure(level_name: str, form: Literal["console", "json"]) -> None:
    """Send everything that is logged in this process to standard error."""
    level = getattr(logging, level_name.upper())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        render: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Plain frames: a rich traceback would show local variables, and code and inputs in them.
        plain = structlog.dev.plain_traceback
        render = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)  # they would be lines of another form
    pool = logging.getLogger("multiprocessing")  # billiard's; it does not propagate
    pool.handlers = [handler]
    pool.setLevel(logging.WARNING)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING if level > logging.DEBUG else level)
