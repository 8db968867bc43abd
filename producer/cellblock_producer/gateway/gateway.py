"""What the routes of one gateway share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from ..async_client import AsyncClient
from ..async_handle import AsyncHandle
from ..errors import Unreachable
from ..kinds import Language
from ..result import Result
from .answers import Pending, json_response
from .api_keys import Key, KeyRing
from .bodies import Bodies
from .metrics import Metrics
from .problems import Problem
from .quota import Quotas
from .settings import GatewaySettings
from .waits import Waits

Packages = Mapping[Language, Sequence[tuple[str, str]]]
"""Names and versions of what the default runtimes have beside their languages' own libraries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One gateway: its client, who may call, and what bounds the calls."""

    settings: GatewaySettings
    client: AsyncClient
    ring: KeyRing
    quotas: Quotas
    waits: Waits
    bodies: Bodies
    metrics: Metrics
    packages: Packages

    async def answer(self, handle: AsyncHandle, seconds: float, request: Request, key: Key) -> Response:
        """Answer with the job's Result, or with 202 where there is none yet when the wait is over."""
        result = await self.waits.result(handle, seconds, request, key, resumable=True)
        return self.pending(handle.job_id) if result is None else self.told(result)

    def told(self, result: Result) -> Response:
        """Answer with a Result. Raises Problem where it is too large to be handed out."""
        body = result.to_json().encode()
        if len(body) > self.settings.result_bytes:
            detail = (
                f"The Result is larger than {self.settings.result_bytes} bytes, the most this gateway gives."
            )
            raise Problem(502, "result-too-large", detail)
        return json_response(body)

    def pending(self, job_id: str) -> Response:
        """Answer that there is no Result yet."""
        where = f"/v1/jobs/{job_id}"
        body = Pending(id=job_id, href=where).model_dump_json().encode()
        return json_response(body, 202, {"Location": where, "Retry-After": "1"})

    async def reachable(self) -> bool:
        """Say whether Redis answers."""
        try:
            await self.client.ping()
        except Unreachable:
            return False
        return True

    async def close(self) -> None:
        """Give the connections back."""
        await self.client.close()
        await self.quotas.close()


def gateway_of(request: HTTPConnection) -> Gateway:
    """Return the gateway that a request came to."""
    return cast("Gateway", request.app.state.gateway)
