"""Lua functions on the tenants' shares of a queue: what they have waiting, in hand and used, and the bounds.

`{queue}:shares` has a field for each tenant, "waiting hands used": jobs that wait, units in hand, and the
worker-microseconds that it has used. The field `*` is "waiting clock": jobs that wait in all, and what the
tenant that was served last had used, or more: the clock never goes back. `*bounds` is "most most_each".

Whose turn it is: the tenant that has used least, where each unit in hand counts as so much until it is known
what it took. Who comes with nothing waiting starts at the clock, so that nobody saves up by being idle.
"""

from ..keys import LEASES, SHARES, TENANTS, WAITING
from .script import UNFINISHED_TTL_S

IN_HAND_S = 10
"""Worker-seconds that a unit counts while it is in hand."""
MOST = 100_000
"""Jobs that may wait on a queue while no worker has said otherwise."""
MOST_EACH = 50_000
"""Jobs of one tenant that may wait on a queue while no worker has said otherwise."""
RETRY_AFTER_MOST_S = 60
"""The longest time after which a client that found the queue full is told to try again."""

SHARES_OF_TENANTS = f"""
local function share_of(queue, tenant)
  local told = redis.call('HMGET', queue .. '{SHARES}', tenant, '*', '*bounds')
  local waiting, hands, used = string.match(told[1] or '0 0 0', '(%S+) (%S+) (%S+)')
  local all, clock = string.match(told[2] or '0 0', '(%S+) (%S+)')
  return {{queue = queue, tenant = tenant, bounds = told[3], new = not told[2], waiting = tonumber(waiting),
    hands = tonumber(hands), used = tonumber(used), all = tonumber(all), clock = tonumber(clock)}}
end
local function keep_share(share)
  redis.call('HSET', share.queue .. '{SHARES}',
    share.tenant, string.format('%d %d %d', share.waiting, share.hands, share.used),
    '*', string.format('%d %d', share.all, share.clock))
  if share.new then
    redis.call('EXPIRE', share.queue .. '{SHARES}', {UNFINISHED_TTL_S})
  end
end
local function turn_of(used, hands)
  return text(used + hands * {IN_HAND_S * 1_000_000})
end
-- Counts the jobs of a unit that has left the line. A count that went wrong ends where the line does.
local function leave_line(share, jobs)
  if redis.call('EXISTS', share.queue .. '{WAITING}' .. share.tenant) == 0 then
    jobs = share.waiting
    redis.call('ZREM', share.queue .. '{TENANTS}', share.tenant)
  else
    redis.call('ZADD', share.queue .. '{TENANTS}', turn_of(share.used, share.hands), share.tenant)
  end
  share.waiting, share.all = math.max(0, share.waiting - jobs), math.max(0, share.all - jobs)
end
-- Counts what was used, and units that are in hand no more.
local function settle(queue, tenant, used_us, units)
  local told = redis.call('HGET', queue .. '{SHARES}', tenant)
  local waiting, hands, used = string.match(told or '0 0 0', '(%S+) (%S+) (%S+)')
  hands, used = math.max(0, hands - units), used + math.max(0, used_us)
  redis.call('HSET', queue .. '{SHARES}', tenant, string.format('%s %d %d', waiting, hands, used))
  if waiting ~= '0' then
    redis.call('ZADD', queue .. '{TENANTS}', 'XX', turn_of(used, hands), tenant)
  end
end
-- The microseconds for which a unit has been in hand and that are not charged yet. What is not run, since it
-- has expired, say, takes a worker's time, too: were it free, a flood of it would be ahead of everybody.
local function time_in_hand(unit)
  return now_us - (redis.call('HGET', unit, 'since') or now_us)
end
-- Counts what was used of a unit that stays in hand.
local function settle_part(unit, queue, tenant, used_us)
  settle(queue, tenant, math.max(used_us, time_in_hand(unit)), 0)
  redis.call('HSET', unit, 'since', text(now_us))
end
"""

# Why so many further jobs find no room, if they do not: after a tenth of the time that the next in line has
# waited, there may be some.
ROOM = f"""
local function lacks_room(share, jobs)
  local most, most_each = string.match(share.bounds or '{MOST} {MOST_EACH}', '(%S+) (%S+)')
  local bound, waiting, tenant = 'tenant', share.waiting, share.tenant
  if share.all + jobs > tonumber(most) then
    bound, waiting, most_each = 'all', share.all, most
    tenant = redis.call('ZRANGE', share.queue .. '{TENANTS}', 0, 0)[1] or tenant
  elseif share.waiting + jobs <= tonumber(most_each) then
    return nil
  end
  local unit = redis.call('ZRANGE', share.queue .. '{WAITING}' .. tenant, 0, 0)[1]
  local since = unit and redis.call('HGET', unit, 'at') or now_us
  local retry_after = math.min({RETRY_AFTER_MOST_S}, math.max(1, math.ceil((now_us - since) / 10000000)))
  return {{'full', bound, text(waiting), most_each, text(retry_after)}}
end
"""

# Forgets tenants that the clock has passed, some at each look: they would start at the clock, too. Where
# nothing is in hand, no unit counts as that.
FORGET_TENANTS = f"""
local function forget_tenants(queue, cursor)
  local shares = queue .. '{SHARES}'
  local clock = tonumber(string.match(redis.call('HGET', shares, '*') or '0 0', '%S+ (%S+)'))
  local idle = redis.call('EXISTS', queue .. '{LEASES}') == 0
  local found = redis.call('HSCAN', shares, cursor, 'COUNT', 100)
  for at = 1, #found[2], 2 do
    local waiting, hands, used = string.match(found[2][at + 1], '^(%S+) (%S+) (%S+)$')
    if waiting == '0' and (hands == '0' or idle) and tonumber(used) <= clock then
      redis.call('HDEL', shares, found[2][at])
    elseif waiting and hands ~= '0' and idle then
      redis.call('HSET', shares, found[2][at], waiting .. ' 0 ' .. used)
    end
  end
  return found[1]
end
"""
