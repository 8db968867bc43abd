"""What the operator calls, of jobs that took their workers down."""

from ..keys import DEAD, DEFAULT_PRIORITY, TOKEN
from .script import NOW, UNFINISHED_TTL_S, Script
from .share_parts import SHARES_OF_TENANTS
from .unit_parts import QUEUE, WAIT

# KEYS: record, Result. ARGV: name. Lets a job that is kept for the operator start again, as if it were new.
RETRY = Script(
    NOW
    + SHARES_OF_TENANTS
    + WAIT
    + QUEUE
    + f"""
local known = redis.call('HMGET', KEYS[1], 'dead', 'queue', 'tenant', 'priority')
if not known[1] then
  return {{'unknown'}}
end
redis.call('DEL', KEYS[2])
redis.call('HDEL', KEYS[1], 'dead', 'lost', 'retries', 'due_ms', 'handed')
redis.call('ZREM', known[2] .. '{DEAD}', ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'queued', 'attempts', 0, 'submitted_ms', text(now))
redis.call('EXPIRE', KEYS[1], {UNFINISHED_TTL_S})
local priority = known[4] or {DEFAULT_PRIORITY}
redis.call('HSET', KEYS[1], unpack(fields_of(known[1], known[2], known[3], priority, 1)))
wait(KEYS[1], share_of(known[2], known[3]), now_us, 1, priority, #known[1])
redis.call('LPUSH', known[2], '{TOKEN}')
return {{'queued'}}
"""
)

# KEYS: record, Result. ARGV: name, ttl_s (for a job whose record does not say)
DROP = Script(
    f"""
local known = redis.call('HMGET', KEYS[1], 'dead', 'queue', 'ttl_s')
if not known[1] then
  return {{'unknown'}}
end
redis.call('HDEL', KEYS[1], 'dead')
redis.call('ZREM', known[2] .. '{DEAD}', ARGV[1])
redis.call('EXPIRE', KEYS[1], known[3] or ARGV[2])
redis.call('EXPIRE', KEYS[2], known[3] or ARGV[2])
return {{'dropped'}}
"""
)
