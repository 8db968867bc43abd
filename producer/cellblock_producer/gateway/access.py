"""Who calls: the key of a request, as a dependency of its route."""

import re
from typing import Annotated, Any, Final

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from .api_keys import Key, Scope
from .gateway import gateway_of
from .problems import Problem
from .visit import visit_of

_bearer: Final = HTTPBearer(auto_error=False, description="A key of the gateway.")
_LOOPBACK: Final = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d+)?", re.IGNORECASE)
_api_key: Final = APIKeyHeader(name="X-Api-Key", auto_error=False, description="A key, as Dify sends it.")


def bearer(scope: Scope) -> Any:  # noqa: ANN401 - what FastAPI's marker is
    """Return the dependency on a bearer key that is good for `scope`."""

    async def find(
        request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Key:
        return _admit(request, given.credentials if given else "", scope, "Authorization: Bearer KEY")

    return Security(find)


def api_key(scope: Scope) -> Any:  # noqa: ANN401
    """Return the dependency on a key in Dify's header that is good for `scope`."""

    async def find(request: Request, given: Annotated[str | None, Security(_api_key)]) -> Key:
        return _admit(request, given or "", scope, "X-Api-Key: KEY")

    return Security(find)


def _admit(request: Request, secret: str, scope: Scope, how: str) -> Key:
    gateway = gateway_of(request)
    if gateway.settings.keys is None and not _LOOPBACK.fullmatch(request.headers.get("host", "")):
        # A page from elsewhere whose name has come to lead here: it knows the key, as everybody does.
        raise Problem(403, "forbidden", "In development the gateway is called by a loopback address.")
    key = gateway.ring.find(secret)
    if key is None:
        detail = f"The key is missing or not known; send it as {how}."
        raise Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
    visit = visit_of(request)
    visit.key, visit.tenant = key.name, key.tenant
    if scope not in key.scopes:
        raise Problem(403, "forbidden", f"This key is not good for {scope}.")
    return key


Submitter = Annotated[Key, bearer(Scope.SUBMIT)]
Reader = Annotated[Key, bearer(Scope.READ)]
Canceller = Annotated[Key, bearer(Scope.CANCEL)]
Checker = Annotated[Key, bearer(Scope.CHECK)]
Dify = Annotated[Key, api_key(Scope.SANDBOX)]
