"""The Celery application: every setting of Celery that we rely on, and why, is here.

    main process   transport (the door) -> Request -> pool
    pool process   warm_up, then for each message: task `cellblock.run` -> execute -> ledger

`celery.py` makes it for the `celery` command, `start_worker` for programs.
"""

# ruff: noqa: ANN401 - what Celery and kombu pass is not typed

import ctypes
import gc
import logging
import os
import signal
import warnings
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from celery import Celery, Task, signals
from celery.apps.worker import Worker as StockWorker
from celery.exceptions import SecurityWarning
from celery.loaders.app import AppLoader
from celery.utils.nodenames import host_format
from cellblock_producer.contract import ErrorKind
from cellblock_producer.leases import Lease
from cellblock_producer.wire import MAX_BATCH, TASK_NAME

from . import logs, revoke, transport
from .batch import run_batch
from .envelope import Admitted
from .holding import Holding
from .ledger_link import CONNECT_TIMEOUT_S, LedgerLink
from .logs import Logging
from .news import News
from .request import Request
from .sealed import Sealed, SealedJob, SealedResult, SealedResults
from .sending import Sending
from .settings import Settings
from .shutdown import Shutdown
from .sparing import SPARING
from .stops import Listener, Stops
from .task import Execute, InternalFaultError, Station, run
from .urls import backend_url, broker_url

if TYPE_CHECKING:
    from .watch.watching import Watch

# The sandbox keeps a job's time; Celery's limit is the last resort, for a pool process that hangs. Between
# the two lies what a pool process waits for Redis.
LAST_RESORT_S = 60.0
# What a job of a batch may take beside its wall-clock time.
MEMBER_MARGIN_S = 1.0
# A message that takes so many workers down, beside the attempts of its jobs, before a job of it is begun.
LOST_MARGIN = 10
DOES_NOT_START = 3
"""Exit code of a worker whose `check` objects."""

Answer = SealedResult | SealedResults
_log = logging.getLogger(__name__)


class Cellblock(Celery):
    """A Celery application with our settings and hooks; make it with `create_app`."""

    settings: Settings
    link: LedgerLink
    holding: Holding
    news: News
    sending: Sending
    stops: Stops
    listener: Listener
    check: Callable[[], None] | None
    warm_up: Callable[[], None] | None
    prepare: Callable[[], None] | None
    cool_down: Callable[[], None] | None
    watch: "Watch | None" = None

    log_cls = Logging  # type: ignore[assignment]

    def time_limit_s(self, jobs: int) -> float:
        """Return the seconds after which a pool process that has a message of so many jobs is killed."""
        return LAST_RESORT_S + self.settings.wall_ms / 1000 + (jobs - 1) * _seconds_per_job(self.settings)

    def give_up(self, message: Admitted) -> bool:
        """Answer the jobs of a message that costs workers before they begin it; False where Redis is away."""
        envelope = message.envelope
        sealed = Sealed(envelope["headers"]["id"], envelope["body"].encode(), Lease("", ""))
        words = "The worker died each time that it took the job."
        answered = [self.link.give_up(job, ErrorKind.WORKER_LOST, words, "") for job in sealed.jobs()]
        return all(answered)

    @cached_property
    def Worker(self) -> type["Worker"]:  # noqa: N802 - Celery's name for it
        """The worker class, for this application."""
        return cast("type[Worker]", self.subclass_with_self(Worker))


class Loader(AppLoader):
    """Calls our hooks in each pool process, after the fork."""

    app: Cellblock

    def on_worker_process_init(self) -> None:
        """Warm up, and arrange for the end of the process."""
        signals.worker_process_shutdown.connect(self._on_exit, weak=False)
        watch = self.app.watch
        try:
            if self.app.warm_up is not None:
                self.app.warm_up()
        except Exception as error:
            if watch is not None:
                watch.not_in_slot(error)
            raise
        if watch is not None:
            watch.enter_slot()
        _give_back_memory()

    def _on_exit(self, **_: Any) -> None:
        if self.app.cool_down is not None:
            self.app.cool_down()
        self.app.link.close()
        SPARING.tell()


class Worker(StockWorker):
    """Celery's worker without what costs and is of no use here, whichever command starts it."""

    def __init__(self, app: Any = None, hostname: str | None = None, **options: Any) -> None:
        # Gossip and mingle make each worker talk to each other one, and leave reply keys behind in Redis.
        # The banner would go to standard output.
        ours = {"without_gossip": True, "without_mingle": True, "quiet": True}
        super().__init__(app, hostname, **(options | ours))
        self._end = Shutdown(cast("Cellblock", self.app).settings.grace_s)

    def on_before_init(self, quiet: bool = False, **options: Any) -> None:
        """Let Celery look at who we are, without its words to root, which are about pickles and its --uid."""
        with warnings.catch_warnings(action="ignore", category=SecurityWarning):
            super().on_before_init(quiet, **options)

    def install_platform_tweaks(self, worker: Any) -> None:
        """Have Celery heed signals, Ctrl-C as SIGTERM: its exit code would be that of a failure else."""
        super().install_platform_tweaks(worker)
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))

    def start(self) -> None:
        """Run until a signal; raises SystemExit with code 3, before a job is taken, where `check` objects."""
        check = cast("Cellblock", self.app).check
        try:
            if check is not None:
                check()
            _watch(cast("Cellblock", self.app))
        except Exception as error:
            _log.critical("the worker does not start: %s", error)
            raise SystemExit(DOES_NOT_START) from None
        revoke.serve()
        _share_memory()
        self._end.watch()
        super().start()

    def stats(self) -> dict[str, Any]:
        """Answer `inspect stats`, as Flower asks, without the transport's options: ours are no plain data."""
        told: dict[str, Any] = super().stats()
        told.get("broker", {}).pop("transport_options", None)
        return told

    def on_consumer_ready(self, consumer: Any) -> None:
        """Begin to look after the queue: from here on there is a pool, forked without those threads."""
        super().on_consumer_ready(consumer)
        app = cast("Cellblock", self.app)
        app.holding.start()
        app.listener.start(app.holding.worker)
        app.sending.start()
        app.news.consuming(consumer)
        if app.watch is not None:
            app.watch.consuming(consumer)

    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        """Finish the jobs in hand and end."""
        app = cast("Cellblock", self.app)
        app.news.ending()
        if app.watch is not None:
            app.watch.ending()
        super().stop(in_sighandler, exitcode)

    def on_stopped(self) -> None:
        """End what is left of the connections, when the pool has ended."""
        self._end.done()
        super().on_stopped()
        app = cast("Cellblock", self.app)
        app.listener.stop()
        app.holding.stop()
        app.sending.stop()
        if app.watch is not None:
            app.watch.close()
        SPARING.tell()


def _watch(app: Cellblock) -> None:
    if app.settings.http:
        from .watch.watching import Watch  # prometheus-client, and the HTTP server

        app.watch = Watch(app.settings, app.holding)


def _share_memory() -> None:
    """Keep what the pool processes will share with us small, and shared: a collection would write to it."""
    import_module("celery.backends.redis")  # which each of them would load for itself otherwise
    _give_back_memory()
    gc.freeze()


def _give_back_memory() -> None:
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def create_app(
    settings: Settings,
    *,
    execute: Execute,
    check: Callable[[], None] | None = None,
    warm_up: Callable[[], None] | None = None,
    prepare: Callable[[], None] | None = None,
    cool_down: Callable[[], None] | None = None,
) -> Cellblock:
    """Return the application with its one task.

    Args:
        settings: the operator's settings.
        execute: runs a job, in a pool process.
        check: called in the main process before anything is taken; whatever it raises stops the worker.
        warm_up: called in each pool process before it takes a job; it has a minute.
        prepare: called in a pool process after each job, so that what the next one needs is made meanwhile:
            when its Result is written, and between the jobs of a batch before that.
        cool_down: called in each pool process before it ends, unless it is killed.
    """
    transport.register()
    app = Cellblock("cellblock", set_as_current=False, loader=Loader)
    app.settings, app.link = settings, LedgerLink(settings)
    app.stops = Stops()
    app.listener = Listener(settings, app.stops)
    app.holding = Holding(settings, app.stops, time_limit_s=app.time_limit_s(MAX_BATCH))
    app.news = News(settings)
    app.sending = Sending(settings)
    app.check, app.warm_up, app.prepare, app.cool_down = check, warm_up, prepare, cool_down
    app.conf.update(_celery_settings(app))
    _register_task(app, execute)
    return app


def start_worker(settings: Settings, **hooks: Any) -> int:
    """Run a worker in this process until a signal stops it, and return its exit code.

    `hooks` are those of `create_app`.
    """
    logs.configure(settings)  # Celery warns, of root for one, before it asks us to
    worker = create_app(settings, **hooks).Worker(hostname=host_format(f"cellblock-{os.getpid()}@%h"))
    worker.start()
    return int(worker.exitcode or 0)


def _register_task(app: Cellblock, execute: Execute) -> None:
    @app.task(
        name=TASK_NAME,
        bind=True,
        shared=False,
        Request=Request,
        send_events=app.news.full,  # else we do, see news.py
        max_retries=None,  # the ledger counts, see Request
        throws=(InternalFaultError,),  # logged by us already
    )
    def run_jobs(self: Task[[Sealed], Answer], sealed: Sealed) -> Answer:
        station = Station(
            worker=self.request.hostname or "",
            settings=app.settings,
            ledger=app.link.own_ledger,
            execute=execute,
            prepare=app.prepare or _nothing,
            lease=sealed.lease,
            fresh=sealed.fresh,
            stops=app.stops,
            closes=bool(self.request.ignore_result),
        )
        jobs = sealed.open()
        if isinstance(jobs, SealedJob):
            return SealedResult(run(jobs, station))
        results = run_batch(jobs, station, keep=not self.request.ignore_result)
        return SealedResults(len(jobs), results)


def _nothing() -> None:
    pass


def _seconds_per_job(settings: Settings) -> float:
    """Return what each further job of a batch adds to the time that its message may take."""
    return settings.wall_ms / 1000 + MEMBER_MARGIN_S


def _celery_settings(app: Cellblock) -> dict[str, Any]:
    settings, time_limit_s = app.settings, app.time_limit_s(1)
    return {
        "broker_url": broker_url(settings.redis_url),
        "broker_transport_options": _transport_options(app),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # for ever
        "result_backend": backend_url(settings.redis_url),
        "result_expires": settings.result_ttl_s,
        "redis_socket_connect_timeout": CONNECT_TIMEOUT_S,
        "redis_backend_health_check_interval": 25,
        # JSON only: whoever can write to Redis could otherwise run code in the worker by a pickle.
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_default_queue": settings.queue,
        "task_acks_late": True,
        "task_retry_on_worker_lost": True,
        "task_time_limit": time_limit_s,
        "worker_pool": "cellblock_worker.pool:TaskPool",  # prefork
        "worker_concurrency": settings.concurrency,
        "worker_prefetch_multiplier": 1,
        "worker_proc_alive_timeout": 60.0,
        "worker_send_task_events": settings.events in ("sparing", "full"),
        "worker_redirect_stdouts": False,
        "worker_hijack_root_logger": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


def _transport_options(app: Cellblock) -> dict[str, Any]:
    return {
        "holding": app.holding,
        "on_refused": app.link.refuse,
        "on_hopeless": app.give_up,
        "lost_most": app.settings.max_attempts + LOST_MARGIN,
        "socket_timeout": 30,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
