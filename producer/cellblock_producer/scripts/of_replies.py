"""What the sender of replies calls, and the operator of those that could not be sent; see outbox.py."""

from ..keys import OUTBOX, OUTGOING_PREFIX, UNDELIVERED
from .reply_parts import KEEP_UNDELIVERED
from .script import NOW, OUTGOING_TTL_S, Script

# KEYS: queue. ARGV: most, hold_ms. Takes what is due; it is due again after hold_ms, unless it is dealt with.
# Answers with the milliseconds until more is due (-1: never), then of each: id, name, reply, Result,
# tries and age in milliseconds.
CLAIM_REPLIES = Script(
    NOW
    + f"""
local outbox = KEYS[1] .. '{OUTBOX}'
local answer = {{'claimed', -1}}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', outbox, '-inf', text(now), 'LIMIT', 0, ARGV[1])) do
  local entry = '{OUTGOING_PREFIX}' .. id
  local known = redis.call('HMGET', entry, 'name', 'reply', 'result', 'since_ms')
  if known[1] then
    redis.call('ZADD', outbox, text(now + ARGV[2]), id)
    local tries = redis.call('HINCRBY', entry, 'tries', 1)
    answer[#answer + 1] = {{id, known[1], known[2], known[3], tries, now - known[4]}}
  else
    redis.call('ZREM', outbox, id)
  end
end
local following = redis.call('ZRANGE', outbox, 0, 0, 'WITHSCORES')
if following[1] then
  answer[2] = math.max(0, tonumber(following[2]) - now)
end
return answer
"""
)

# KEYS: queue. ARGV: id. Forgets one, wherever it is.
FORGET_REPLY = Script(
    f"""
local found = redis.call('ZREM', KEYS[1] .. '{OUTBOX}', ARGV[1])
  + redis.call('ZREM', KEYS[1] .. '{UNDELIVERED}', ARGV[1])
redis.call('DEL', '{OUTGOING_PREFIX}' .. ARGV[1])
return {{found > 0 and 'forgotten' or 'unknown'}}
"""
)

# KEYS: queue, the receiver's queue. ARGV: id, message. Puts it on that queue and forgets it, in one step.
PUSH_REPLY = Script(
    f"""
if not redis.call('ZSCORE', KEYS[1] .. '{OUTBOX}', ARGV[1]) then
  return {{'unknown'}}
end
redis.call('LPUSH', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[1] .. '{OUTBOX}', ARGV[1])
redis.call('DEL', '{OUTGOING_PREFIX}' .. ARGV[1])
return {{'pushed'}}
"""
)

# KEYS: queue. ARGV: id, delay_ms (-1: it is given up), why
PUT_OFF_REPLY = Script(
    NOW
    + KEEP_UNDELIVERED
    + f"""
local outbox = KEYS[1] .. '{OUTBOX}'
if not redis.call('ZSCORE', outbox, ARGV[1]) then
  return {{'unknown'}}
end
redis.call('HSET', '{OUTGOING_PREFIX}' .. ARGV[1], 'why', ARGV[3])
if tonumber(ARGV[2]) >= 0 then
  redis.call('ZADD', outbox, text(now + ARGV[2]), ARGV[1])
  return {{'put off'}}
end
redis.call('ZREM', outbox, ARGV[1])
keep_undelivered(KEYS[1], ARGV[1])
return {{'given up'}}
"""
)

# KEYS: queue. ARGV: id. Sends one that was given up anew.
RESEND_REPLY = Script(
    NOW
    + f"""
local entry = '{OUTGOING_PREFIX}' .. ARGV[1]
if redis.call('ZREM', KEYS[1] .. '{UNDELIVERED}', ARGV[1]) == 0 or redis.call('EXISTS', entry) == 0 then
  return {{'unknown'}}
end
redis.call('HSET', entry, 'tries', 0, 'since_ms', text(now))
redis.call('EXPIRE', entry, {OUTGOING_TTL_S})
redis.call('ZADD', KEYS[1] .. '{OUTBOX}', text(now), ARGV[1])
redis.call('EXPIRE', KEYS[1] .. '{OUTBOX}', {OUTGOING_TTL_S})
redis.call('PUBLISH', KEYS[1] .. '{OUTBOX}', ARGV[1])
return {{'queued'}}
"""
)
