"""Logging: structlog renders every line, Celery's included, to standard error, and the audit to its file."""

# ruff: noqa: ANN401 - what Celery and kombu pass is not typed

import logging
import logging.handlers
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from celery.app.log import Logging as StockLogging
from celery.exceptions import CPendingDeprecationWarning

from .joblog import AUDIT, JOBS
from .settings import Settings

if TYPE_CHECKING:
    from .app import Cellblock

# Celery's own lines about each job; we write one of our own.
_CHATTY: Final = ("celery.worker.strategy", "celery.app.trace", "celery.worker.request")
_JOBS_LEVELS: Final = {"none": logging.WARNING, "failures": logging.INFO, "all": logging.DEBUG}
_SHARED: Final[list[Any]] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_JSON: Final[list[Any]] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def configure(settings: Settings) -> None:
    """Send everything that is logged in this process to standard error, as `settings` says."""
    level = getattr(logging, settings.log_level.upper())
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(_JSON if settings.log_format == "json" else _console()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    pool = logging.getLogger("multiprocessing")  # billiard's; it does not propagate
    pool.handlers = [handler]
    pool.setLevel(logging.WARNING)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING if level > logging.DEBUG else level)
    _configure_jobs(settings, level)


def _configure_jobs(settings: Settings, level: int) -> None:
    # A success is of level debug, and asked for by name.
    wanted = _JOBS_LEVELS[settings.log_jobs]
    logging.getLogger(JOBS).setLevel(wanted if settings.log_jobs == "all" else max(wanted, level))
    audit = logging.getLogger(AUDIT)
    audit.setLevel(logging.WARNING)  # whatever the level of the log is
    if settings.audit_log is not None:
        handler = logging.handlers.WatchedFileHandler(
            settings.audit_log, delay=True
        )  # each line is one write
        handler.setFormatter(_formatter(_JSON))
        audit.handlers = [handler]
        audit.propagate = False


def _console() -> list[Any]:
    # Plain frames: a rich traceback would show local variables, and code and inputs in them.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def _formatter(render: list[Any]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )


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
