"""Lua functions on the outbox, in which Results lie that are to be sent to where a job's `reply` says."""

from ..keys import OUTBOX, OUTGOING_PREFIX, UNDELIVERED
from .script import MAX_UNDELIVERED, OUTGOING_TTL_S

# Has a Result sent. `reply_to` is the queue whose workers send it, and where to; see outbox.py.
POST_REPLY = f"""
local function post_reply(name, reply_to, result)
  local queue, reply = string.match(reply_to, '^(.*)\\n(.*)$')
  if queue then
    local id = 'msg_' .. redis.sha1hex(name .. ' ' .. text(now_us))
    redis.call('HSET', '{OUTGOING_PREFIX}' .. id, 'name', name, 'reply', reply, 'result', result,
      'tries', 0, 'since_ms', text(now))
    redis.call('EXPIRE', '{OUTGOING_PREFIX}' .. id, {OUTGOING_TTL_S})
    redis.call('ZADD', queue .. '{OUTBOX}', text(now), id)
    redis.call('EXPIRE', queue .. '{OUTBOX}', {OUTGOING_TTL_S})
    redis.call('PUBLISH', queue .. '{OUTBOX}', id)
  end
end
"""

# Keeps for the operator what could not be sent, the latest of it.
KEEP_UNDELIVERED = f"""
local function keep_undelivered(queue, id)
  local kept = queue .. '{UNDELIVERED}'
  redis.call('ZADD', kept, text(now), id)
  redis.call('EXPIRE', '{OUTGOING_PREFIX}' .. id, {OUTGOING_TTL_S})
  redis.call('EXPIRE', kept, {OUTGOING_TTL_S})
  for _, old in ipairs(redis.call('ZRANGE', kept, 0, {-MAX_UNDELIVERED - 1})) do
    redis.call('DEL', '{OUTGOING_PREFIX}' .. old)
  end
  redis.call('ZREMRANGEBYRANK', kept, 0, {-MAX_UNDELIVERED - 1})
  redis.call('ZREMRANGEBYSCORE', kept, '-inf', text(now - {OUTGOING_TTL_S * 1000}))
end
"""
