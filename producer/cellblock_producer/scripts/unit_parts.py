"""Lua functions on units, of which scripts are put together; see job_parts.py and share_parts.py, too."""

from ..keys import (
    DEFAULT_PRIORITY,
    DELAYED,
    LEASES,
    MESSAGE_PREFIX,
    STOP_PREFIX,
    TENANTS,
    TOKEN,
    WAITING,
)

PRIORITY_STEP_US = 700_000_000_000_000
"""How much later in line each lower priority stands, in microseconds: 22 years."""

# Has a unit wait: the more urgent before the less, and of one urgency the older first. A tenant that had
# nothing waiting starts at the clock. `bytes`: of its message, where they are not counted yet.
WAIT = f"""
local function wait(unit, share, at, jobs, priority, bytes)
  if share.waiting == 0 and share.used < share.clock then
    share.used = share.clock
  end
  share.waiting, share.all = share.waiting + jobs, share.all + jobs
  count_bytes(share, bytes)
  keep_share(share)
  local place = at + (9 - priority) * {PRIORITY_STEP_US}
  redis.call('ZADD', share.queue .. '{WAITING}' .. share.tenant, text(place), unit)
  redis.call('ZADD', share.queue .. '{TENANTS}', turn_of(share.used, share.hands), share.tenant)
end
"""

# What a holder gives or loses goes back to its own place in the line, which is the front or nearly so. What
# it has used until now is charged to its tenant, where it has begun anything.
PUT_BACK = f"""
local function put_back(unit, queue, tenant, at, delay)
  local known = redis.call('HMGET', unit, 'state', 'runner', 'holder', 'began', 'jobs', 'priority', 'begun')
  local busy = known[7] and known[7] == known[3] and time_in_hand(unit) or 0
  redis.call('HDEL', unit, 'holder', 'begun', 'since')
  local used = 0
  if known[1] == 'running' and known[2] == unit then  -- not where another message's holder runs the same job
    used = now_us - (known[4] or now_us)
    redis.call('HSET', unit, 'state', 'queued')
  end
  redis.call('ZREM', queue .. '{LEASES}', unit)
  if known[3] then
    settle(queue, tenant, math.max(used, busy), 1)
  end
  local share, bytes = share_of(queue, tenant), redis.call('HSTRLEN', unit, 'message')
  if delay > 0 then
    count_bytes(share, bytes)
    keep_share(share)
    redis.call('ZADD', queue .. '{DELAYED}', text(now + delay), unit)
  else
    wait(unit, share, at, known[5] or 1, known[6] or {DEFAULT_PRIORITY}, bytes)
    redis.call('RPUSH', queue, '{TOKEN}')
  end
end
"""

# Has those wait whose delay is over. Their bytes were counted when it began.
END_DELAYS = f"""
local function end_delays(queue, most)
  local delayed = queue .. '{DELAYED}'
  for _, unit in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', text(now), 'LIMIT', 0, most)) do
    redis.call('ZREM', delayed, unit)
    local known = redis.call('HMGET', unit, 'message', 'tenant', 'at', 'jobs', 'priority')
    if known[1] then
      wait(unit, share_of(queue, known[2]), known[3], known[4] or 1, known[5] or {DEFAULT_PRIORITY}, 0)
      redis.call('RPUSH', queue, '{TOKEN}')
    end
  end
end
"""

# Ends a unit, wherever it is. Who has it in hand has spent all of the time on it, whether it ran or not.
CLOSE_UNIT = f"""
local function close(unit, used, home)
  home = home or redis.call('HMGET', unit, 'queue', 'tenant', 'holder', 'jobs')
  local queue, tenant = home[1], home[2]
  if queue and redis.call('ZREM', queue .. '{LEASES}', unit) == 1 then
    if home[3] then
      settle(queue, tenant, math.max(used, time_in_hand(unit)), 1)
    end
  elseif queue and redis.call('ZREM', queue .. '{WAITING}' .. tenant, unit) == 1 then
    redis.call('LREM', queue, 1, '{TOKEN}')
    local share = share_of(queue, tenant)
    leave_line(share, home[4] or 1, redis.call('HSTRLEN', unit, 'message'))
    keep_share(share)
  elseif queue and redis.call('ZREM', queue .. '{DELAYED}', unit) == 1 then
    local share = share_of(queue, tenant)
    count_bytes(share, -redis.call('HSTRLEN', unit, 'message'))
    keep_share(share)
  end
  if string.sub(unit, 1, {len(MESSAGE_PREFIX)}) == '{MESSAGE_PREFIX}' then
    redis.call('DEL', unit)
  else
    redis.call('HDEL', unit, 'message', 'holder', 'begun', 'since', 'lost')
  end
end
"""

# Makes a unit of a hash: the fields that it has, and its place in the line.
QUEUE = f"""
local function fields_of(message, queue, tenant, priority, jobs)
  local fields = {{'message', message, 'queue', queue, 'tenant', tenant, 'at', text(now_us)}}
  if tonumber(priority) ~= {DEFAULT_PRIORITY} then
    fields[9], fields[10] = 'priority', priority
  end
  if tonumber(jobs) > 1 then
    fields[#fields + 1], fields[#fields + 2] = 'jobs', jobs
  end
  return fields
end
"""

# Takes what is next in the line of the tenant whose turn it is. Where more waits and no wake-up is left, one
# got lost: here is another. Says '1' where none of its jobs was ever begun, by the clients' own word.
TAKE_NEXT = f"""
local function take_next(queue, holder, lease_ms)
  while true do
    local tenant = redis.call('ZRANGE', queue .. '{TENANTS}', 0, 0)[1]
    if not tenant then
      return {{'none'}}
    end
    local share = share_of(queue, tenant)
    local unit = redis.call('ZPOPMIN', queue .. '{WAITING}' .. tenant)[1]
    local known = unit and redis.call('HMGET', unit, 'message', 'lost', 'jobs', 'attempts', 'doing') or {{}}
    share.clock = math.max(share.clock, share.used)
    share.hands = share.hands + (known[1] and 1 or 0)
    leave_line(share, known[3] or 1, #(known[1] or ''))
    keep_share(share)
    if known[1] then
      redis.call('HSET', unit, 'holder', holder, 'since', text(now_us))
      redis.call('ZADD', queue .. '{LEASES}', text(now + lease_ms), unit)
      if redis.call('LLEN', queue) == 0 and redis.call('EXISTS', queue .. '{TENANTS}') == 1 then
        redis.call('LPUSH', queue, '{TOKEN}')
      end
      local fresh = known[4] == '0' and not known[2] and not known[5]
      return {{'taken', unit, known[1], known[2] or '0', fresh and '1' or '0'}}
    end
  end
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
