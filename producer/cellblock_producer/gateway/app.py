"""Puts the gateway together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..async_client import AsyncClient
from ..check import PACKAGES
from ..errors import CellblockError
from ..keys import DEFAULT_QUEUE
from . import checks, dify, health, jobs, pages
from .api_keys import KeyRing
from .bodies import Bodies, HungUp
from .gateway import Gateway, Packages
from .metrics import Metrics
from .openapi import describe
from .problems import Problem, answer_problem
from .quota import Quotas
from .settings import GatewaySettings
from .traffic import HUNG_UP, Traffic
from .visit import visit_of
from .waits import Waits

_UNKNOWN: Final[Packages] = {
    language: tuple((name, "") for name in sorted(names)) for language, names in PACKAGES.items()
}


def create_app(
    settings: GatewaySettings,
    *,
    redis_url: str,
    queue: str = DEFAULT_QUEUE,
    packages: Packages = _UNKNOWN,
) -> FastAPI:
    """Return the gateway as an ASGI application, of the server at `redis_url`.

    `packages`: names and versions of what the default runtimes have, which Dify asks for. Raises KeysError,
    and ValueError for a URL that is none.
    """
    gateway = _gateway(settings, redis_url, queue, packages)
    # The documentation that FastAPI brings loads its parts from elsewhere; ours is in pages.py.
    app = FastAPI(title="Cellblock gateway", version="1", lifespan=_lifespan, docs_url=None, redoc_url=None)
    app.state.gateway = gateway
    for part in (jobs, checks, dify, health, pages):
        app.include_router(part.router)
    answered: tuple[type[Exception], ...] = (
        Problem,
        CellblockError,
        RequestValidationError,
        HTTPException,
    )
    for kind in answered:
        app.add_exception_handler(kind, answer_problem)
    app.add_exception_handler(HungUp, _answer_nobody)
    app.add_middleware(Traffic, metrics=gateway.metrics)
    openapi: dict[str, Any] = {}
    app.openapi = lambda: openapi or openapi.update(describe(app)) or openapi  # type: ignore[method-assign]
    return app


def _gateway(settings: GatewaySettings, redis_url: str, queue: str, packages: Packages) -> Gateway:
    metrics = Metrics()
    return Gateway(
        settings=settings,
        client=AsyncClient(redis_url, queue=queue, timeout=settings.redis_s),
        ring=KeyRing.development() if settings.keys is None else KeyRing.read(settings.keys),
        quotas=Quotas(redis_url, settings.redis_s),
        waits=Waits(settings.open_waits, metrics),
        bodies=Bodies(
            most_bytes=settings.body_bytes, all_bytes=settings.bodies_bytes, seconds=settings.body_s
        ),
        metrics=metrics,
        packages=packages,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await app.state.gateway.close()


async def _answer_nobody(request: Request, _: Exception) -> Response:
    visit_of(request).hung_up = True
    return Response(status_code=HUNG_UP)
