"""The operator's settings of replies: to whom Results may be sent, and for how long that is tried."""

import json
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final

from cellblock_producer.contract import CeleryReply, Reply, WebhookReply
from cellblock_producer.webhooks import Target, read_secret, read_target
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
_SCHEME: Final = re.compile(r"https?://")


class Receiver(BaseModel):
    """One receiver of webhooks."""

    model_config = _CONFIG

    secrets: tuple[Annotated[str, AfterValidator(lambda secret: read_secret(secret) and secret)], ...] = (
        Field(
            min_length=1,
            max_length=10,
            repr=False,
            description="What messages are signed with, `whsec_…` each; several while one is replaced.",
        )
    )
    networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(),
        description="Networks that are not public (10.1.0.0/16, 127.0.0.0/8) in which its address may be.",
    )


def _read_webhooks(given: object) -> object:
    if isinstance(given, str):
        try:
            text = Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
            given = json.loads(text)
        except (OSError, ValueError) as error:
            raise ValueError(f"JSON, or @FILE with JSON, is wanted: {type(error).__name__}") from None
    if not isinstance(given, dict):
        raise ValueError('an object is wanted, such as {"hooks.example.org": {"secrets": ["whsec_…"]}}')  # noqa: TRY004 - pydantic's contract
    for origin in given:
        if read_origin(origin).path != "/":
            raise ValueError("a receiver is named by [https://]HOST[:PORT] alone")
    return given


def read_origin(text: str) -> Target:
    """Read what names a receiver: HOST, https://HOST:PORT, `*.` before a host. Raises ValueError."""
    text = text if _SCHEME.match(text) else f"https://{text}"
    target = read_target(text.replace("://*.", "://", 1))
    return Target(target.scheme, "*." + target.host, target.port, "/") if "://*." in text else target


def read_names(given: object) -> object:
    """The names of a setting that has them with commas between."""
    return [name.strip() for name in given.split(",") if name.strip()] if isinstance(given, str) else given


class ReplySettings(BaseModel):
    """The part of the settings that says what becomes of a job's `reply`."""

    model_config = _CONFIG

    reply_queues: Annotated[tuple[str, ...], BeforeValidator(read_names)] = Field(
        default=(),
        description="Queues that a job's `reply` may put a Celery task on, with commas between.",
    )
    webhooks: Annotated[dict[str, Receiver], BeforeValidator(_read_webhooks)] = Field(
        default={},
        repr=False,
        description="Receivers that a job's `reply` may name, and what signs for them, as JSON or @FILE: "
        '{"hooks.example.org": {"secrets": ["whsec_…"]}, "http://engine.internal:8080": {"secrets": '
        '["whsec_…"], "networks": ["10.1.0.0/16"]}}.',
    )
    reply_for_s: int = Field(
        default=86_400,
        ge=1,
        le=3 * 86_400,
        description="Seconds for which sending a reply is tried again; three times in any case.",
    )

    @property
    def sends_replies(self) -> bool:
        """Whether any reply is allowed."""
        return bool(self.reply_queues or self.webhooks)

    def receiver(self, target: Target) -> Receiver | None:
        """The receiver that a webhook's URL belongs to; its own name goes before a name with a star."""
        known = {
            (origin.scheme, origin.host, origin.port): receiver
            for origin, receiver in ((read_origin(name), each) for name, each in self.webhooks.items())
        }
        _, *parents = target.host.split(".")
        stars = ["*." + ".".join(parents[place:]) for place in range(len(parents))]
        found = (known.get((target.scheme, host, target.port)) for host in (target.host, *stars))
        return next((receiver for receiver in found if receiver is not None), None)

    def reply_problem(self, reply: Reply | None) -> str | None:
        """Why this worker may not send such a reply, in words for the author of the job; None: it may."""
        if isinstance(reply, CeleryReply) and reply.queue not in self.reply_queues:
            return "reply.queue: not among the queues to which this worker may send (CELLBLOCK_REPLY_QUEUES)"
        if isinstance(reply, WebhookReply):
            try:
                receiver = self.receiver(read_target(reply.url))
            except ValueError as error:
                return f"reply.url: {error}"
            if receiver is None:
                return "reply.url: not among the receivers to which this worker may send (CELLBLOCK_WEBHOOKS)"
        return None
