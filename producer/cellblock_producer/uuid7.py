"""Makes UUIDs of version 7 (RFC 9562): ids that sort by the time they were made."""

import os
import time

_RANDOM_BITS = 80
_VERSION = 7 << 76
_VARIANT = 0b10 << 62


def uuid7() -> str:
    """Return a new id as text: 48 bits of Unix milliseconds, then 74 random bits."""
    millis = time.time_ns() // 1_000_000
    number = (millis << _RANDOM_BITS) | int.from_bytes(os.urandom(_RANDOM_BITS // 8))
    number = (number & ~(0xF << 76)) | _VERSION
    number = (number & ~(0b11 << 62)) | _VARIANT
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
