"""Lua functions on units, of which scripts are put together; those on jobs are in job_parts.py."""

from ..keys import DELAYED, LEASES, MESSAGE_PREFIX, STOP_PREFIX, TENANTS, TOKEN, WAITING

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
  redis.call('ZREM', queue .. '{LEASES}', unit)
  if delay > 0 then
    redis.call('ZADD', queue .. '{DELAYED}', text(now + delay), unit)
  else
    wait(unit, queue, tenant, at)
    redis.call('RPUSH', queue, '{TOKEN}')
  end
end
"""

# Has those wait whose delay is over.
END_DELAYS = f"""
local function end_delays(queue, most)
  local delayed = queue .. '{DELAYED}'
  for _, unit in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', text(now), 'LIMIT', 0, most)) do
    redis.call('ZREM', delayed, unit)
    local known = redis.call('HMGET', unit, 'message', 'tenant', 'at')
    if known[1] then
      wait(unit, queue, known[2], known[3])
      redis.call('RPUSH', queue, '{TOKEN}')
    end
  end
end
"""

# Ends a unit, wherever it is.
CLOSE_UNIT = f"""
local function close(unit)
  local home = redis.call('HMGET', unit, 'queue', 'tenant')
  if home[1] and redis.call('ZREM', home[1] .. '{LEASES}', unit) == 0
    and redis.call('ZREM', home[1] .. '{DELAYED}', unit) == 0 then
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

# Tells who runs a job that it is to stop: at once and, should that be missed, at the next renewal.
TELL_HOLDER = f"""
local function tell_holder(unit, holder, name)
  local what, worker = holder .. ' ' .. name, string.match(holder, '^(.+)%-%d+$')
  redis.call('HSET', unit, 'stop', what)
  if worker then
    redis.call('PUBLISH', '{STOP_PREFIX}' .. worker, what)
  end
end
"""
