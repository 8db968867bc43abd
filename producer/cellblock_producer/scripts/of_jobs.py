"""What a pool process calls: begin a job, finish it, or put it off."""

from ..keys import DEAD, LEASES
from .job_parts import FINISH_JOB
from .reply_parts import POST_REPLY
from .script import DEAD_TTL_S, MAX_DEAD, NOW, UNFINISHED_TTL_S, Script
from .share_parts import SHARES_OF_TENANTS
from .unit_parts import CLOSE_UNIT, HELD

# KEYS: record, Result, unit. ARGV: digest, holder ('': there is no unit), '1' for the last job of the unit,
# lease_ms, max_attempts (0: no bound), deadline_ms (0: none), reply_to (for a job without a record). Where
# the last job is not to be run, the unit is done. A job that was put off has one more attempt for each time,
# and is not begun before it is due; so it has for each time that its holder handed it back.
# A unit that is a record itself holds the job of that record, whatever this side makes of its digest; with ''
# for a digest any unit does whose jobs were new when a client put it together, as long as they have records.
BEGIN = Script(
    NOW
    + SHARES_OF_TENANTS
    + CLOSE_UNIT
    + HELD
    + f"""
local unit, holder = KEYS[3], ARGV[2]
local mine = holder == '' or held_by(unit, holder)
local function no_run(answer)
  if ARGV[3] == '1' and holder ~= '' and mine and unit ~= KEYS[1] then
    close(unit, 0)
  end
  return answer
end
local known = redis.call('HMGET', KEYS[1],
  'digest', 'attempts', 'submitted_ms', 'state', 'runner', 'runner_holder', 'due_ms', 'retries', 'handed')
if known[1] and known[1] ~= ARGV[1] and ARGV[1] ~= '' and unit ~= KEYS[1] then
  return no_run({{'conflict'}})
end
local result = redis.call('GET', KEYS[2])
if result then
  return no_run({{'done', result}})
end
if not mine then
  return {{'lost'}}
end
if not known[1] and ARGV[1] == '' then
  return {{'unknown'}}
end
local attempts, submitted, runner = tonumber(known[2] or 0), known[3], known[5]
local queued_ms = now - (submitted or now)
if known[4] == 'running' and holder ~= '' and runner == unit and known[6] == holder then
  return {{'run', attempts, queued_ms, now}}  -- it was begun already, and our word got lost on the way back
end
if known[4] == 'running' and runner and runner ~= unit then
  local queue = redis.call('HMGET', runner, 'queue', 'holder')
  if queue[1] and queue[2] and redis.call('ZSCORE', queue[1] .. '{LEASES}', runner) then
    return {{'busy', 0}}
  end
end
if not known[1] then
  submitted = text(now)
  redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'submitted_ms', submitted, 'reply', '')
  if ARGV[7] ~= '' then
    redis.call('HSET', KEYS[1], 'reply_to', ARGV[7])
  end
end
redis.call('EXPIRE', KEYS[1], {UNFINISHED_TTL_S})
if tonumber(ARGV[6]) > 0 and now > tonumber(ARGV[6]) then
  return {{'expired', attempts, queued_ms, now}}
end
if known[7] and tonumber(known[7]) > now then
  return {{'busy', known[7] - now}}
end
if tonumber(ARGV[5]) > 0 and attempts >= ARGV[5] + (known[8] or 0) + (known[9] or 0) then
  return {{'exhausted', attempts, queued_ms, now}}
end
local fields = {{'state', 'running', 'runner', unit, 'runner_holder', holder, 'attempts', attempts + 1,
  'began', text(now_us)}}
if unit == KEYS[1] then
  fields[11], fields[12] = 'begun', holder
elseif holder ~= '' then
  redis.call('HSET', unit, 'begun', holder, 'doing', KEYS[1])
end
redis.call('HSET', KEYS[1], unpack(fields))
if holder ~= '' then
  redis.call('ZADD', mine[2] .. '{LEASES}', 'XX', text(now + ARGV[4]), unit)
end
return {{'run', attempts + 1, queued_ms, now}}
"""
)

# KEYS: record, Result, unit. ARGV: name, the Result, ttl_s (for a job whose record does not say), holder,
# '1' for the last job of the unit, reply_to ('': what the record says); then, for a job to be kept for the
# operator: queue, tenant, message
FINISH = Script(
    NOW
    + SHARES_OF_TENANTS
    + CLOSE_UNIT
    + HELD
    + POST_REPLY
    + FINISH_JOB
    + f"""
local unit, holder = KEYS[3], ARGV[4]
local lost = ARGV[7] and redis.call('HGET', KEYS[1], 'lost')
local used = finish(ARGV[1], ARGV[2], ARGV[3], holder, ARGV[6] ~= '' and ARGV[6] or nil)
if holder ~= '' and unit ~= KEYS[1] then
  local home = redis.call('HMGET', unit, 'queue', 'tenant')
  if ARGV[5] == '1' and held_by(unit, holder) then
    close(unit, used or 0)
  elseif home[1] and used then
    settle_part(unit, home[1], home[2], used)
  end
end
if not used then
  return {{'stands', redis.call('GET', KEYS[2])}}
end
if ARGV[7] then
  local dead = ARGV[7] .. '{DEAD}'
  redis.call('HSET', KEYS[1], 'queue', ARGV[7], 'tenant', ARGV[8], 'dead', ARGV[9], 'lost', lost or 0)
  redis.call('EXPIRE', KEYS[1], {DEAD_TTL_S})
  redis.call('EXPIRE', KEYS[2], {DEAD_TTL_S})  -- a record without its Result would be that of a job to come
  redis.call('ZADD', dead, text(now), ARGV[1])
  redis.call('ZREMRANGEBYRANK', dead, 0, {-MAX_DEAD - 1})
  redis.call('ZREMRANGEBYSCORE', dead, '-inf', text(now - {DEAD_TTL_S * 1000}))
  redis.call('EXPIRE', dead, {DEAD_TTL_S})
end
return {{'written'}}
"""
)

# KEYS: record, Result, unit. ARGV: holder, interval_ms, max_retries, deadline_ms (0: none). Puts a job off
# that was run in vain; its unit stays in hand, to be released with that delay. Where its deadline comes
# first, it is to be found expired then. Said again, it puts nothing off again.
POSTPONE = Script(
    NOW
    + SHARES_OF_TENANTS
    + HELD
    + """
local unit, holder, deadline = KEYS[3], ARGV[1], tonumber(ARGV[4])
local result = redis.call('GET', KEYS[2])
if result then
  return {'done', result}
end
local home = holder ~= '' and held_by(unit, holder)
if holder ~= '' and not home then
  return {'lost'}
end
local known = redis.call('HMGET', KEYS[1], 'retries', 'state', 'runner', 'runner_holder', 'due_ms', 'began')
if known[2] == 'queued' and known[3] == unit and known[4] == holder then
  return {'later', math.max(0, (known[5] or now) - now)}
end
local retries, due = tonumber(known[1] or 0), now + ARGV[2]
if retries >= tonumber(ARGV[3]) then
  return {'spent'}
end
if deadline > 0 then
  due = math.min(due, deadline + 1)
end
if home and known[2] == 'running' and known[4] == holder then
  settle_part(unit, home[2], home[3], now_us - (known[6] or now_us))
end
redis.call('HSET', KEYS[1], 'state', 'queued', 'runner', unit, 'runner_holder', holder,
  'retries', retries + 1, 'due_ms', text(due))
return {'later', math.max(0, due - now)}
"""
)
