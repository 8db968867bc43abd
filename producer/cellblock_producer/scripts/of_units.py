"""What a worker's main process calls, for the units of leases.py."""

from ..keys import LEASES, REAPER, SHARES, TENANTS, TOKEN, WAITING
from .script import NOW, UNFINISHED_TTL_S, WAKE_UPS, Script
from .share_parts import FORGET_TENANTS, SHARES_OF_TENANTS
from .unit_parts import CLOSE_UNIT, END_DELAYS, HELD, PUT_BACK, QUEUE, TAKE_NEXT, WAIT

# KEYS: queue. ARGV: holder, lease_ms
TAKE = Script(
    NOW
    + SHARES_OF_TENANTS
    + TAKE_NEXT
    + """
return take_next(KEYS[1], ARGV[1], ARGV[2])
"""
)

# KEYS: unit, queue. ARGV: holder ('': nothing is taken), lease_ms, tenant, message, jobs, priority
# Has a stock sender's message wait in its line, and takes what is next, which may be another.
ADOPT = Script(
    NOW
    + SHARES_OF_TENANTS
    + WAIT
    + QUEUE
    + TAKE_NEXT
    + f"""
local unit, queue = KEYS[1], KEYS[2]
redis.call('HSET', unit, unpack(fields_of(ARGV[4], queue, ARGV[3], ARGV[6], ARGV[5])))
redis.call('EXPIRE', unit, {UNFINISHED_TTL_S})
wait(unit, share_of(queue, ARGV[3]), now_us, ARGV[5], ARGV[6], #ARGV[4])
if ARGV[1] ~= '' then
  return take_next(queue, ARGV[1], ARGV[2])
end
redis.call('LPUSH', queue, '{TOKEN}')
return {{'adopted'}}
"""
)

# KEYS: units. ARGV: lease_ms, then the holder of each. Answers with the places (from 1) of those not theirs,
# and with what was cancelled while they run it: they may not have heard of it.
RENEW = Script(
    NOW
    + HELD
    + f"""
local lost, stops = {{}}, {{}}
for at, unit in ipairs(KEYS) do
  local known = held_by(unit, ARGV[at + 1])
  if known then
    redis.call('ZADD', known[2] .. '{LEASES}', 'XX', text(now + ARGV[1]), unit)
  else
    lost[#lost + 1] = at
  end
  local stop = redis.call('HGET', unit, 'stop')
  if stop and string.sub(stop, 1, #ARGV[at + 1] + 1) == ARGV[at + 1] .. ' ' then
    stops[#stops + 1] = stop
  end
end
return {{'renewed', lost, stops}}
"""
)

# KEYS: unit. ARGV: holder, delay_ms, '1' to leave alone what this holder has begun, '1' where it has cost a
# process, '1' where the holder hands back what it runs, which is then not charged to the job
RELEASE = Script(
    NOW
    + SHARES_OF_TENANTS
    + WAIT
    + PUT_BACK
    + HELD
    + """
local known = held_by(KEYS[1], ARGV[1])
if not known then
  return {'lost'}
end
if ARGV[3] == '1' and known[5] == ARGV[1] then
  return {'begun'}
end
if ARGV[4] == '1' then
  redis.call('HINCRBY', KEYS[1], 'lost', 1)
end
if ARGV[5] == '1' then
  local record = redis.call('HGET', KEYS[1], 'doing') or KEYS[1]
  local run = redis.call('HMGET', record, 'state', 'runner', 'runner_holder')
  if run[1] == 'running' and run[2] == KEYS[1] and run[3] == ARGV[1] then
    redis.call('HINCRBY', record, 'handed', 1)
  end
end
put_back(KEYS[1], known[2], known[3], known[4], tonumber(ARGV[2]))
return {'released'}
"""
)

# KEYS: unit. ARGV: holder
CLOSE = Script(
    NOW
    + SHARES_OF_TENANTS
    + CLOSE_UNIT
    + HELD
    + """
if not held_by(KEYS[1], ARGV[1]) then
  return {'lost'}
end
close(KEYS[1], 0)
return {'closed'}
"""
)

# KEYS: queue. ARGV: lease_ms, pause_ms, gap_ms, most units, then what may wait: jobs in all and of one
# tenant, bytes in all and of one tenant. Has those wait whose delay is over, and puts back what has lost its
# holder. Where nobody looked for `gap_ms`, the server was away or all workers were: those that live have one
# more lease to renew theirs.
REAP = Script(
    NOW
    + SHARES_OF_TENANTS
    + WAIT
    + PUT_BACK
    + END_DELAYS
    + FORGET_TENANTS
    + f"""
local queue = KEYS[1]
end_delays(queue, ARGV[4])
local seen = redis.call('HMGET', queue .. '{REAPER}', 'last_ms', 'grace_ms', 'cursor')
local since = now - (seen[1] or 0)
if since >= 0 and since < tonumber(ARGV[2]) then
  return {{'early', 0}}
end
local grace = tonumber(seen[2] or 0)
if since < 0 or since > tonumber(ARGV[3]) then
  grace = now + ARGV[1]
end
redis.call('HSET', queue .. '{SHARES}', '*bounds', table.concat(ARGV, ' ', 5))
redis.call('EXPIRE', queue .. '{SHARES}', {UNFINISHED_TTL_S})
redis.call('HSET', queue .. '{REAPER}', 'last_ms', text(now), 'grace_ms', text(grace),
  'cursor', forget_tenants(queue, seen[3] or 0))
redis.call('EXPIRE', queue .. '{REAPER}', 86400)
local lost = 0
if now >= grace then
  for _, unit in ipairs(redis.call('ZRANGEBYSCORE', queue .. '{LEASES}', '-inf', now, 'LIMIT', 0, ARGV[4])) do
    local known = redis.call('HMGET', unit, 'message', 'tenant', 'at', 'holder')
    if not known[1] then
      redis.call('ZREM', queue .. '{LEASES}', unit)
    else
      if known[4] then
        redis.call('HINCRBY', unit, 'lost', 1)
        lost = lost + 1
      end
      put_back(unit, queue, known[2], known[3], 0)
    end
  end
end
if redis.call('LLEN', queue) == 0 then
  local tenant = redis.call('ZRANGE', queue .. '{TENANTS}', 0, 0)[1]
  if tenant then
    for _ = 1, math.min({WAKE_UPS}, redis.call('ZCARD', queue .. '{WAITING}' .. tenant)) do
      redis.call('LPUSH', queue, '{TOKEN}')
    end
  end
end
return {{'looked', lost}}
"""
)
