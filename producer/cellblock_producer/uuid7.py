"""Makes UUIDs of version 7 (RFC 9562): ids that sort by the time they were made."""

import secrets
import time
import uuid

_RANDOM_BITS = 80
_VERSION = 7 << 76
_VARIANT = 0b10 << 62


def uuid7() -> str:
    """Return a new id as text: 48 bits of Unix milliseconds, then 74 random bits."""
    millis = time.time_ns() // 1_000_000
    number = (millis << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
    number = (number & ~(0xF << 76)) | _VERSION
    number = (number & ~(0b11 << 62)) | _VARIANT
    return str(uuid.UUID(int=number))
