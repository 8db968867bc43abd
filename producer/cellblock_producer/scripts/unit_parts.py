"""Lua functions on units, of which scripts are put together; those on jobs are in job_parts.py."""

from ..keys import LEASES, MESSAGE_PREFIX, TENANTS, TOKEN, WAITING

# Has a unit wait. A tenant who had nothing waiting is served by the age of what came, others keep their turn.
WAIT = f"""
local function wait(unit, queue, tenant, at)
  redis.call('ZADD', queue .. '{WAITING}' .. tenant, at, unit)
  redis.call('ZADD', queue .. '{TENANTS}', 'NX', at, tenant)
end
"""

# What a holder gives or loses goes back to its own place in the line, which is the front or nearly so.
PUT_BACK = f"""
local function put_back(unit, queue, tenant, at, delay)
  redis.call('HDEL', unit, 'holder', 'begun')
  local known = redis.call('HMGET', unit, 'state', 'runner')
  if known[1] == 'running' and known[2] == unit then  -- not where another message's holder runs the same job
    redis.call('HSET', unit, 'state', 'queued')
  end
  if delay > 0 then
    redis.call('ZADD', queue .. '{LEASES}', text(now + delay), unit)
  else
    redis.call('ZREM', queue .. '{LEASES}', unit)
    wait(unit, queue, tenant, at)
    redis.call('RPUSH', queue, '{TOKEN}')
  end
end
"""

# Ends a unit, wherever it is.
CLOSE_UNIT = f"""
local function close(unit)
  local home = redis.call('HMGET', unit, 'queue', 'tenant')
  if home[1] and redis.call('ZREM', home[1] .. '{LEASES}', unit) == 0 then
    local waiting = home[1] .. '{WAITING}' .. home[2]
    if redis.call('ZREM', waiting, unit) == 1 then
      redis.call('LREM', home[1], 1, '{TOKEN}')
      if redis.call('EXISTS', waiting) == 0 then
        redis.call('ZREM', home[1] .. '{TENANTS}', home[2])
      end
    end
  end
  if string.sub(unit, 1, {len(MESSAGE_PREFIX)}) == '{MESSAGE_PREFIX}' then
    redis.call('DEL', unit)
  else
    redis.call('HDEL', unit, 'message', 'holder', 'begun', 'lost')
  end
end
"""

# Makes a unit of a hash and has it wait, with a wake-up.
QUEUE = f"""
local function queue_up(unit, message, queue, tenant)
  redis.call('HSET', unit, 'message', message, 'queue', queue, 'tenant', tenant, 'at', text(now_us))
  wait(unit, queue, tenant, text(now_us))
  redis.call('LPUSH', queue, '{TOKEN}')
end
"""

# Whether a unit is in this holder's hand, and where it belongs.
HELD = f"""
local function held_by(unit, holder)
  local known = redis.call('HMGET', unit, 'holder', 'queue', 'tenant', 'at', 'begun')
  if known[1] ~= holder or not redis.call('ZSCORE', known[2] .. '{LEASES}', unit) then
    return nil
  end
  return known
end
"""
