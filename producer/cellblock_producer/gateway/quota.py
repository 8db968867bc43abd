"""How many jobs a key has submitted within a minute, counted in Redis, so that all gateways share it."""

from typing import Final

import redis.asyncio
from redis.exceptions import RedisError

from ..errors import Unreachable
from ..keys import quota_key
from .api_keys import Key
from .problems import busy

# The minute begins with the first job and is the server's. What is refused does not count.
_SPEND: Final = """
local spent = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = 60000
  redis.call('PEXPIRE', KEYS[1], left)
end
if spent <= tonumber(ARGV[2]) then return 0 end
redis.call('DECRBY', KEYS[1], ARGV[1])
return left
"""


class Quotas:
    """Asks Redis for keys that have a quota, and for no others."""

    def __init__(self, url: str, timeout: float) -> None:
        self._redis = redis.asyncio.Redis.from_url(url, socket_timeout=timeout)
        self._spend = self._redis.register_script(_SPEND)

    async def spend(self, key: Key, jobs: int = 1) -> None:
        """Count jobs that are about to be submitted. Raises Problem where they are too many, Unreachable."""
        if key.jobs_per_minute is None:
            return
        try:
            left_ms = await self._spend(keys=[quota_key(key.name)], args=[jobs, key.jobs_per_minute])
        except (RedisError, OSError) as error:
            raise Unreachable("the queue", type(error).__name__) from None
        if left_ms:
            detail = f"This key may submit {key.jobs_per_minute} jobs a minute; submit the job again later."
            raise busy(429, "quota", detail, left_ms / 1000)

    async def close(self) -> None:
        """End the connection, if there is one."""
        await self._redis.aclose()
