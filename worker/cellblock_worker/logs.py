"""Logging of a worker: structlog renders every line, Celery's included, to standard error."""

# ruff: noqa: ANN401 - what Celery and kombu pass is not typed

import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any, cast

import structlog
from celery.app.log import Logging as StockLogging
from celery.exceptions import CPendingDeprecationWarning

from .settings import Settings

if TYPE_CHECKING:
    from .app import Cellblock

# Celery's own lines about each job; we write one of our own.
_CHATTY = ("celery.worker.strategy", "celery.app.trace", "celery.worker.request")


def configure(settings: Settings) -> None:
    """Send everything that is logged in this process to standard error, as `settings` says."""
    level = getattr(logging, settings.log_level.upper())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.log_format == "json":
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
    pool = logging.getLogger("multiprocessing")  # billiard's; it does not propagate
    pool.handlers = [handler]
    pool.setLevel(logging.WARNING)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING if level > logging.DEBUG else level)


class Logging(StockLogging):
    """Celery's logging, configured by us whatever its command line says."""

    def setup(self, *args: Any, **options: Any) -> Any:
        """Set logging up; without Celery's advice on its next version at each loss of the connection."""
        handled = super().setup(*args, **options)
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        return handled

    def setup_logging_subsystem(self, *args: Any, **options: Any) -> bool:
        """Configure logging in this process. Returns True: Celery is to leave it alone."""
        configure(cast("Cellblock", self.app).settings)
        return True
