"""A stock Celery application with one task that does nothing: what our queue is compared with."""

import os

from celery import Celery

from cellblock_worker.urls import backend_url

QUEUE_VARIABLE = "CELLBLOCK_NOOP_QUEUE"
URL_VARIABLE = "CELLBLOCK_NOOP_URL"


def noop_app(url: str, queue: str) -> Celery:
    """The application, for its worker and for its producer."""
    app = Celery("noop", broker=backend_url(url), backend=backend_url(url), set_as_current=False)
    app.conf.task_default_queue = queue
    app.conf.broker_connection_retry_on_startup = True
    app.conf.worker_hijack_root_logger = False

    @app.task(name="cellblock.bench.noop", shared=False)
    def noop() -> None:
        """Do nothing."""

    return app


def main() -> None:
    """Run its worker: prefork, two pool processes, everything else as Celery has it."""
    app = noop_app(os.environ[URL_VARIABLE], os.environ[QUEUE_VARIABLE])
    app.worker_main(["worker", "--pool=prefork", "--concurrency=2", "--loglevel=warning"])


if __name__ == "__main__":
    main()
