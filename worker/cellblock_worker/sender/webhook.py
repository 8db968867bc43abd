"""Posts one Result to one receiver: to an address that was looked at, signed, bounded in time and size.

HTTP/1.1 with a new connection each time: one that is kept could be used again for another receiver at the
same address, whose certificate nobody then looks at.
"""

import asyncio
import time
from types import TracebackType
from typing import Final, Self

import httpx
from cellblock_producer.contract import WebhookReply
from cellblock_producer.outbox import Outgoing
from cellblock_producer.webhooks import Target, read_target, sign

from ..reply_settings import ReplySettings
from .addresses import NoAddress, resolve

TRY_S: Final = 15.0
"""Seconds that one try may take in all: resolving, connecting, sending, and the head of the answer."""
CONNECT_S: Final = 5.0
_GONE: Final = 410


class NotSent(Exception):
    """The receiver does not have it, as far as we know; the message says why, without the URL's path."""


class NeverSent(NotSent):
    """And trying again is of no use."""


class Webhooks:
    """Posts to the receivers that the settings name. An asynchronous context manager."""

    def __init__(self, settings: ReplySettings) -> None:
        self._settings = settings
        # Of the environment only SSL_CERT_FILE and SSL_CERT_DIR: a proxy would resolve the
        # name itself.
        self._client = httpx.AsyncClient(
            verify=httpx.create_ssl_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(TRY_S, connect=CONNECT_S),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def send(self, entry: Outgoing, reply: WebhookReply) -> None:
        """Post a Result. Raises NotSent and NeverSent."""
        try:
            target = read_target(reply.url)
        except ValueError:
            raise NeverSent("no URL of a webhook") from None
        receiver = self._settings.receiver(target)
        if receiver is None:
            raise NeverSent("not among the receivers in CELLBLOCK_WEBHOOKS")
        signature = sign(receiver.secrets, entry.id, int(time.time()), entry.result)
        try:
            async with asyncio.timeout(TRY_S):
                addresses = await resolve(target.host, target.port, receiver.networks)
                status = await self._post(target, addresses, signature, entry.result)
        except TimeoutError:
            raise NotSent(f"no answer within {TRY_S:.0f} s") from None
        except NoAddress as error:
            raise NotSent(str(error)) from None
        if status == _GONE:
            raise NeverSent("answered with status 410")
        if not httpx.codes.is_success(status):
            raise NotSent(f"answered with status {status}")

    async def _post(
        self, target: Target, addresses: list[str], signature: dict[str, str], body: bytes
    ) -> int:
        for address in addresses[:-1]:
            try:
                return await self._post_to(address, target, signature, body)
            except NotSent as error:
                if not isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout):
                    raise
        return await self._post_to(addresses[-1], target, signature, body)

    async def _post_to(self, address: str, target: Target, signature: dict[str, str], body: bytes) -> int:
        url = httpx.URL(
            scheme=target.scheme, host=address, port=target.port, raw_path=target.path.encode("ascii")
        )
        headers = {
            "host": target.authority,
            "content-type": "application/json",
            "user-agent": "cellblock",
            "accept-encoding": "identity",
            **signature,
        }
        # The certificate must be that of the receiver's name, whatever address it is reached at.
        extensions = {"sni_hostname": target.host}
        try:
            async with self._client.stream(
                "POST", url, content=body, headers=headers, extensions=extensions
            ) as response:
                return response.status_code  # whatever else it says is not read
        except httpx.HTTPError as error:
            raise NotSent(type(error).__name__) from error
