"""Logging of a worker: Celery's lines look like ours, jobs have a line as asked, the audit its file."""

# ruff: noqa: ANN401 - what Celery and kombu pass is not typed

import logging
import logging.handlers
import warnings
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from celery.app.log import Logging as StockLogging
from celery.exceptions import CPendingDeprecationWarning

from . import log_lines
from .joblog import AUDIT, INVALID, JOBS
from .ledger_link import REFUSALS
from .settings import Settings
from .sparing import SPARING
from .transport import COMMANDS

if TYPE_CHECKING:
    from .app import Cellblock

_JOBS_LEVELS: Final = {"none": logging.WARNING, "failures": logging.INFO, "all": logging.DEBUG}
# What strangers can have written at will; `celery.…` and `kombu.…` log what remote control is told.
_FLOODED: Final = (
    *(INVALID, REFUSALS, COMMANDS),
    *("celery.worker.control", "celery.worker.pidbox", "kombu.pidbox"),
)
_STAMPS: Final[list[Any]] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(settings: Settings) -> None:
    """Send everything that is logged in this process to standard error, as `settings` says."""
    log_lines.configure(settings.log_level, settings.log_format)
    structlog.configure(
        processors=[*_STAMPS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # A success is of level debug, and asked for by name.
    wanted = _JOBS_LEVELS[settings.log_jobs]
    level = getattr(logging, settings.log_level.upper())
    logging.getLogger(JOBS).setLevel(wanted if settings.log_jobs == "all" else max(wanted, level))
    for name in _FLOODED:
        logging.getLogger(name).addFilter(SPARING)
    _configure_audit(settings)


def _configure_audit(settings: Settings) -> None:
    audit = logging.getLogger(AUDIT)
    audit.setLevel(logging.WARNING)  # whatever the level of the log is
    if settings.audit_log is None:
        return
    handler = logging.handlers.WatchedFileHandler(settings.audit_log, delay=True)  # each line is one write
    render: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=render))
    audit.handlers = [handler]
    audit.propagate = False


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
