"""A script and its name; what every script begins with; how long things are kept."""

import hashlib
from dataclasses import dataclass, field

UNFINISHED_TTL_S = 7 * 24 * 3600
"""Seconds that a job without a Result is kept; each start of the job counts them anew."""
DEAD_TTL_S = 7 * 24 * 3600
"""Seconds that a job which took its workers down is kept for the operator."""
MAX_DEAD = 10_000
"""How many of those are kept; the oldest go first."""
OUTGOING_TTL_S = 7 * 24 * 3600
"""Seconds that a Result is kept to be sent, and another time as long where it could not be."""
MAX_UNDELIVERED = 1000
"""How many of those are kept; the oldest go first."""
WAKE_UPS = 16
"""How many lost wake-ups are made good at once."""

NOW = """
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
local function text(number) return string.format('%d', number) end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name under which the server keeps it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False)  # the server's own naming
        object.__setattr__(self, "sha", digest.hexdigest())
