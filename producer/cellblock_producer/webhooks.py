"""Where webhooks go and how they are signed, in the form of the Standard Webhooks specification; pure.

    webhook-id: msg_…   webhook-timestamp: 1790000000   webhook-signature: v1,BASE64 v1,BASE64

One signature for each secret, so that a secret can be replaced: the receiver accepts a message of which any
signature is right. What is signed is `{id}.{timestamp}.{body}`.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

URL_PATTERN: Final = r"^(https?)://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?([/?][\x21\x22\x24-\x7e]*)?$"
"""What a webhook's URL is: ASCII, with no user, no password and no fragment. Everyone reads it by this."""
TOLERANCE_S: Final = 300
"""Seconds that a message may be old, or ahead of the receiver's clock, when it is verified."""

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = range(24, 65)
_URL: Final = re.compile(URL_PATTERN)
_PORTS: Final = {"http": 80, "https": 443}


class InvalidSignature(ValueError):
    """The message was not signed with any of the secrets, or not lately."""


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a webhook's URL."""

    scheme: str
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int
    path: str
    """Path and query, as they are requested."""

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def read_target(url: str) -> Target:
    """Take a URL apart. Raises ValueError, which does not quote it."""
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("no URL of a webhook: https://HOST[:PORT][/PATH], in ASCII, without a user")
    scheme, host, port, path = match.groups()
    number = int(port) if port else _PORTS[scheme]
    if not 0 < number < 65536:
        raise ValueError("no port of a webhook")
    path = path or "/"
    path = path if path.startswith("/") else f"/{path}"
    return Target(scheme, host.lower().strip("[]"), number, path)


def read_secret(text: str) -> bytes:
    """Return the key that `whsec_…` stands for. Raises ValueError, which does not quote it."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(_PREFIX) or len(key) not in _SECRET_BYTES:
        raise ValueError(f"a secret is {_PREFIX} and then 24 to 64 bytes in base64")
    return key


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a message. `timestamp`: Unix time in seconds. Raises ValueError."""
    signatures = " ".join(_signature(secret, message_id, str(timestamp), body) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures,
    }


def verify(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> str:
    """Check a message that came; for receivers. Returns its id, by which one that came twice is known.

    `secrets`: those that are valid just now. `headers`: by their names in lower case. Raises
    InvalidSignature.
    """
    try:
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        given = headers["webhook-signature"].split()
        age = (time.time() if now is None else now) - int(timestamp)
    except (KeyError, ValueError):
        raise InvalidSignature("a header of the signature is missing or malformed") from None
    if abs(age) > TOLERANCE_S:
        raise InvalidSignature("the message is too old, or from the future")
    expected = [_signature(secret, message_id, timestamp, body) for secret in secrets]
    if not any(hmac.compare_digest(one.encode(), other.encode()) for one in expected for other in given):
        raise InvalidSignature("no signature of the message is right")
    return message_id


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(read_secret(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
