"""Lua functions on the tenants' shares of a queue: what they have waiting, in hand and used, and the bounds.

`{queue}:shares` has a field for each tenant, "waiting hands used bytes": jobs that wait, units in hand, the
worker-microseconds that it has used, and the bytes of the messages that wait or are delayed. The field `*` is
"waiting clock bytes N": jobs that wait in all, what the tenant that was served last had used, or more (the
clock never goes back), and all of those bytes. `*bounds` is "most most_each most_bytes most_bytes_each", in
which no bytes are no bound. Scripts before there were bytes read and write the first two or three numbers:
what they leave out counts as 0, so that nobody is refused for it.

Whose turn it is: the tenant that has used least, where each unit in hand counts as so much until it is known
what it took. Who comes with nothing waiting starts at the clock, so that nobody saves up by being idle.
"""

from ..keys import DELAYED, LEASES, SHARES, TENANTS, WAITING
from .script import UNFINISHED_TTL_S

IN_HAND_S = 10
"""Worker-seconds that a unit counts while it is in hand."""
MOST = 100_000
"""Jobs that may wait on a queue while no worker has said otherwise."""
MOST_EACH = 50_000
"""Jobs of one tenant that may wait on a queue while no worker has said otherwise."""
MOST_BYTES = 512 * 1024 * 1024
"""Bytes of messages that may wait on a queue while no worker has said otherwise."""
MOST_BYTES_EACH = 256 * 1024 * 1024
"""Bytes of messages of one tenant that may wait on a queue while no worker has said otherwise."""
RETRY_AFTER_MOST_S = 60
"""The longest time after which a client that found the queue full is told to try again."""

SHARES_OF_TENANTS = f"""
local function share_of(queue, tenant)
  local told = redis.call('HMGET', queue .. '{SHARES}', tenant, '*', '*bounds')
  local waiting, hands, used, bytes = string.match(told[1] or '0 0 0', '(%S+) (%S+) (%S+) ?(%S*)')
  local all, clock, all_bytes = string.match(told[2] or '0 0', '(%S+) (%S+) ?%S* ?(%S*)')
  return {{queue = queue, tenant = tenant, bounds = told[3], new = not told[2], waiting = tonumber(waiting),
    hands = tonumber(hands), used = tonumber(used), all = tonumber(all), clock = tonumber(clock),
    bytes = tonumber(bytes) or 0, all_bytes = tonumber(all_bytes) or 0}}
end
local function keep_share(share)
  redis.call('HSET', share.queue .. '{SHARES}',
    share.tenant, string.format('%d %d %d %d', share.waiting, share.hands, share.used, share.bytes),
    '*', string.format('%d %d bytes %d', share.all, share.clock, share.all_bytes))
  if share.new then
    redis.call('EXPIRE', share.queue .. '{SHARES}', {UNFINISHED_TTL_S})
  end
end
local function turn_of(used, hands)
  return text(used + hands * {IN_HAND_S * 1_000_000})
end
-- Counts the bytes of a unit that begins to wait, or to be delayed; fewer than none, of one that ends to.
local function count_bytes(share, bytes)
  share.bytes, share.all_bytes = math.max(0, share.bytes + bytes), math.max(0, share.all_bytes + bytes)
end
-- Counts the jobs and bytes of a unit that has left the line. A wrong count ends where the line does.
local function leave_line(share, jobs, bytes)
  if redis.call('EXISTS', share.queue .. '{WAITING}' .. share.tenant) == 0 then
    jobs = share.waiting
    redis.call('ZREM', share.queue .. '{TENANTS}', share.tenant)
    if redis.call('EXISTS', share.queue .. '{DELAYED}') == 0 then
      bytes = share.bytes
      if redis.call('EXISTS', share.queue .. '{TENANTS}') == 0 then
        share.all, share.all_bytes = jobs, bytes
      end
    end
  else
    redis.call('ZADD', share.queue .. '{TENANTS}', turn_of(share.used, share.hands), share.tenant)
  end
  share.waiting, share.all = math.max(0, share.waiting - jobs), math.max(0, share.all - jobs)
  count_bytes(share, -bytes)
end
-- Counts what was used, and units that are in hand no more.
local function settle(queue, tenant, used_us, units)
  local told = redis.call('HGET', queue .. '{SHARES}', tenant)
  local waiting, hands, used, bytes = string.match(told or '0 0 0', '(%S+) (%S+) (%S+)(.*)')
  hands, used = math.max(0, hands - units), used + math.max(0, used_us)
  redis.call('HSET', queue .. '{SHARES}', tenant, string.format('%s %d %d%s', waiting, hands, used, bytes))
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

# Why so many further jobs, of so many bytes in all, find no room, if they do not: after a tenth of the time
# that the next in line has waited, there may be some, but never for what is larger than a bound.
ROOM = f"""
local function bounds_of(share)
  local most, most_each, bytes, bytes_each = string.match(
    share.bounds or '{MOST} {MOST_EACH}', '(%S+) (%S+) ?(%S*) ?(%S*)')
  bytes, bytes_each = tonumber(bytes) or {MOST_BYTES}, tonumber(bytes_each) or {MOST_BYTES_EACH}
  return tonumber(most), tonumber(most_each), bytes > 0 and bytes or math.huge,
    bytes_each > 0 and bytes_each or math.huge
end
local function lacks_room(share, jobs, bytes)
  local most, most_each, most_bytes, most_bytes_each = bounds_of(share)
  local largest = math.min(most_bytes, most_bytes_each)
  if bytes > largest then
    return {{'large', text(bytes), text(largest)}}
  end
  local found
  if share.all + jobs > most then
    found = {{'full', 'all', 'jobs', text(share.all), text(most), text(jobs)}}
  elseif share.all_bytes + bytes > most_bytes then
    found = {{'full', 'all', 'bytes', text(share.all_bytes), text(most_bytes), text(bytes)}}
  elseif share.waiting + jobs > most_each then
    found = {{'full', 'tenant', 'jobs', text(share.waiting), text(most_each), text(jobs)}}
  elseif share.bytes + bytes > most_bytes_each then
    found = {{'full', 'tenant', 'bytes', text(share.bytes), text(most_bytes_each), text(bytes)}}
  else
    return nil
  end
  local first = found[2] == 'all' and redis.call('ZRANGE', share.queue .. '{TENANTS}', 0, 0)[1]
  local tenant = first or share.tenant
  local unit = redis.call('ZRANGE', share.queue .. '{WAITING}' .. tenant, 0, 0)[1]
  local since = unit and redis.call('HGET', unit, 'at') or now_us
  found[7] = text(math.min({RETRY_AFTER_MOST_S}, math.max(1, math.ceil((now_us - since) / 10000000))))
  return found
end
"""

# Forgets tenants that the clock has passed, some at each look: they would start at the clock, too. Where
# nothing is in hand, no unit counts as that; where nothing is delayed, no bytes of one do.
FORGET_TENANTS = f"""
local function forget_tenants(queue, cursor)
  local shares = queue .. '{SHARES}'
  local clock = tonumber(string.match(redis.call('HGET', shares, '*') or '0 0', '%S+ (%S+)'))
  local idle = redis.call('EXISTS', queue .. '{LEASES}') == 0
  local delayed = redis.call('EXISTS', queue .. '{DELAYED}') == 1
  local found = redis.call('HSCAN', shares, cursor, 'COUNT', 100)
  for at = 1, #found[2], 2 do
    local name, waiting, hands, used, bytes = found[2][at]
    if string.sub(name, 1, 1) ~= '*' then
      waiting, hands, used, bytes = string.match(found[2][at + 1], '^(%S+) (%S+) (%S+)(.*)$')
    end
    local none = waiting == '0' and (hands == '0' or idle) and (not delayed or bytes == ' 0' or bytes == '')
    if none and tonumber(used) <= clock then
      redis.call('HDEL', shares, name)
    elseif waiting and hands ~= '0' and idle then
      redis.call('HSET', shares, name, waiting .. ' 0 ' .. used .. bytes)
    end
  end
  return found[1]
end
"""
