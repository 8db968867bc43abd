"""Logging of a worker: Celery's lines look like ours."""

# ruff: noqa: ANN401 - what Celery and kombu pass is not typed

import warnings
from typing import TYPE_CHECKING, Any, cast

from celery.app.log import Logging as StockLogging
from celery.exceptions import CPendingDeprecationWarning

from . import log_lines
from .settings import Settings

if TYPE_CHECKING:
    from .app import Cellblock


def configure(settings: Settings) -> None:
    """Send everything that is logged in this process to standard error, as `settings` says."""
    log_lines.configure(settings.log_level, settings.log_format)


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
