"""The Lua scripts of the ledger: each changes what it changes in one step, by the server's clock.

    SUBMIT, SUBMIT_MANY, WATCH, CANCEL     the clients'
    BEGIN, FINISH                          a pool process's
    TAKE, ADOPT, RENEW, RELEASE, CLOSE, REAP   a worker's main process's, for the units of leases.py
    RETRY, DROP                            the operator's

Every script answers with an array whose first element is a word that says what was found or done;
SUBMIT_MANY, which takes any number of jobs, with an array of those. Keys that a unit's own fields lead to are
not declared: this is not for a Redis cluster, which kombu does not serve either.

Fields of a unit, which a record has beside those of a job while it is one:

    message        what is delivered; without it, it is no unit any more
    queue, tenant  where it waits            at       its place in the line: microseconds, when it came
    holder         who has it in hand        begun    the holder that has begun a job of it
    lost           how many holders were lost
"""

import hashlib
from dataclasses import dataclass, field

from .keys import DEAD, LEASES, MESSAGE_PREFIX, REAPER, TENANTS, TOKEN, WAITING

UNFINISHED_TTL_S = 7 * 24 * 3600
"""Seconds that a job without a Result is kept; each start of the job counts them anew."""
DEAD_TTL_S = 7 * 24 * 3600
"""Seconds that a job which took its workers down is kept for the operator."""
MAX_DEAD = 10_000
"""How many of those are kept; the oldest go first."""
WAKE_UPS = 16
"""How many lost wake-ups are made good at once."""

_NOW = """
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)
local function text(number) return string.format('%.0f', number) end
"""

# Adds a client's channel to those that hear of the Result. Names are plain, so a plain find will do.
_ADD_REPLY = """
local function add_reply(record, channel)
  local reply = redis.call('HGET', record, 'reply') or ''
  if channel ~= '' and not string.find(' ' .. reply .. ' ', ' ' .. channel .. ' ', 1, true) then
    redis.call('HSET', record, 'reply', reply == '' and channel or reply .. ' ' .. channel)
  end
end
"""

# Has a unit wait. A tenant who had nothing waiting is served by the age of what came, others keep their turn.
_WAIT = f"""
local function wait(unit, queue, tenant, at)
  redis.call('ZADD', queue .. '{WAITING}' .. tenant, at, unit)
  redis.call('ZADD', queue .. '{TENANTS}', 'NX', at, tenant)
end
"""

# What a holder gives or loses goes back to its own place in the line, which is the front or nearly so.
_PUT_BACK = f"""
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
_CLOSE = f"""
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

# Makes the record of a job that is to be queued, or finds out why it need not or must not be.
_ENTER = f"""
local function enter(record, result_key, digest, channel, ttl)
  local known = redis.call('HGET', record, 'digest')
  if known and known ~= digest then
    return {{'conflict'}}
  end
  local result = redis.call('GET', result_key)
  if result then
    return {{'done', result}}
  end
  if known then
    add_reply(record, channel)
    return {{'known'}}
  end
  redis.call('HSET', record, 'digest', digest, 'submitted_ms', text(now), 'state', 'queued',
    'attempts', 0, 'reply', channel, 'ttl_s', ttl)
  redis.call('EXPIRE', record, {UNFINISHED_TTL_S})
  return {{'queued'}}
end
"""

# Makes a unit of a hash and has it wait, with a wake-up.
_QUEUE = f"""
local function queue_up(unit, message, queue, tenant)
  redis.call('HSET', unit, 'message', message, 'queue', queue, 'tenant', tenant, 'at', text(now_us))
  wait(unit, queue, tenant, text(now_us))
  redis.call('LPUSH', queue, '{TOKEN}')
end
"""

# Writes the Result where there is none, and tells who waits: the name first, so that a client need not
# parse the Result to find the job. A job that is a unit is none any more, whoever has it in hand.
_FINISH = """
local function finish(name, result, ttl)
  local known = redis.call('HMGET', KEYS[1], 'ttl_s', 'reply', 'message')
  ttl = known[1] or ttl
  if not redis.call('SET', KEYS[2], result, 'NX', 'EX', ttl) then
    return false
  end
  if known[3] then
    close(KEYS[1])
  end
  redis.call('HSET', KEYS[1], 'state', 'done', 'reply', '')
  redis.call('EXPIRE', KEYS[1], ttl)
  for channel in string.gmatch(known[2] or '', '%S+') do
    redis.call('PUBLISH', channel, name .. ' ' .. result)
  end
  return true
end
"""

# Whether a unit is in this holder's hand, and where it belongs.
_HELD = f"""
local function held_by(unit, holder)
  local known = redis.call('HMGET', unit, 'holder', 'queue', 'tenant', 'at', 'begun')
  if known[1] ~= holder or not redis.call('ZSCORE', known[2] .. '{LEASES}', unit) then
    return nil
  end
  return known
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name under which the server keeps it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False)  # the server's own naming
        object.__setattr__(self, "sha", digest.hexdigest())


# KEYS: record, Result, queue. ARGV: digest, reply channel, ttl_s, message, tenant
SUBMIT = Script(
    _NOW
    + _ADD_REPLY
    + _WAIT
    + _ENTER
    + _QUEUE
    + """
local answer = enter(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
if answer[1] == 'queued' then
  queue_up(KEYS[1], ARGV[4], KEYS[3], ARGV[5])
end
return answer
"""
)

# KEYS: the record and the Result of each job, the unit, the queue
# ARGV: reply channel, ttl_s, tenant, head and tail of the message, then of each job its digest and its part
# of the message. A job that need not be queued is left out of the message.
SUBMIT_MANY = Script(
    _NOW
    + _ADD_REPLY
    + _WAIT
    + _ENTER
    + _QUEUE
    + f"""
local answers, parts = {{}}, {{}}
for job = 1, (#KEYS - 2) / 2 do
  local at = 2 * job
  answers[job] = enter(KEYS[at - 1], KEYS[at], ARGV[at + 4], ARGV[1], ARGV[2])
  if answers[job][1] == 'queued' then
    parts[#parts + 1] = ARGV[at + 5]
  end
end
if #parts > 0 then
  local unit = KEYS[#KEYS - 1]
  queue_up(unit, ARGV[4] .. table.concat(parts, ',') .. ARGV[5], KEYS[#KEYS], ARGV[3])
  redis.call('EXPIRE', unit, {UNFINISHED_TTL_S})
end
return answers
"""
)

# KEYS: record, Result. ARGV: reply channel ('' only looks)
WATCH = Script(
    _ADD_REPLY
    + """
local result = redis.call('GET', KEYS[2])
if result then
  return {'done', result}
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'unknown'}
end
add_reply(KEYS[1], ARGV[1])
return {'waiting'}
"""
)

# KEYS: record, Result. ARGV: name, the Result of a cancelled job, ttl_s
CANCEL = Script(
    _CLOSE
    + _FINISH
    + """
local result = redis.call('GET', KEYS[2])
if result then
  return {'finished', result}
end
local state = redis.call('HGET', KEYS[1], 'state')
if not state then
  return {'unknown'}
end
if state ~= 'queued' then
  return {'running'}
end
finish(ARGV[1], ARGV[2], ARGV[3])
return {'cancelled'}
"""
)

# KEYS: record, Result, unit. ARGV: digest, holder ('': there is no unit), '1' for the last job of the unit,
# lease_ms, max_attempts (0: no bound). Where the last job is not to be run, the unit is done.
# A unit that is a record itself holds the job of that record, whatever this side makes of its digest.
BEGIN = Script(
    _NOW
    + _CLOSE
    + _HELD
    + f"""
local unit, holder = KEYS[3], ARGV[2]
local mine = holder == '' or held_by(unit, holder)
local function no_run(answer)
  if ARGV[3] == '1' and holder ~= '' and mine and unit ~= KEYS[1] then
    close(unit)
  end
  return answer
end
local known = redis.call('HMGET', KEYS[1],
  'digest', 'attempts', 'submitted_ms', 'state', 'runner', 'runner_holder')
if known[1] and known[1] ~= ARGV[1] and unit ~= KEYS[1] then
  return no_run({{'conflict'}})
end
local result = redis.call('GET', KEYS[2])
if result then
  return no_run({{'done', result}})
end
if not mine then
  return {{'lost'}}
end
local attempts, submitted, runner = tonumber(known[2] or 0), known[3], known[5]
local queued_ms = now - (submitted or now)
if known[4] == 'running' and holder ~= '' and runner == unit and known[6] == holder then
  return {{'run', attempts, queued_ms, now}}  -- it was begun already, and our word got lost on the way back
end
if known[4] == 'running' and runner and runner ~= unit then
  local queue = redis.call('HMGET', runner, 'queue', 'holder')
  if queue[1] and queue[2] and redis.call('ZSCORE', queue[1] .. '{LEASES}', runner) then
    return {{'busy'}}
  end
end
if not known[1] then
  submitted = text(now)
  redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'submitted_ms', submitted, 'reply', '')
end
redis.call('EXPIRE', KEYS[1], {UNFINISHED_TTL_S})
if tonumber(ARGV[5]) > 0 and attempts >= tonumber(ARGV[5]) then
  return {{'exhausted', attempts, queued_ms, now}}
end
redis.call('HSET', KEYS[1], 'state', 'running', 'runner', unit, 'runner_holder', holder,
  'attempts', attempts + 1)
if holder ~= '' then
  redis.call('HSET', unit, 'begun', holder)
  redis.call('ZADD', mine[2] .. '{LEASES}', 'XX', text(now + ARGV[4]), unit)
end
return {{'run', attempts + 1, queued_ms, now}}
"""
)

# KEYS: record, Result, unit. ARGV: name, the Result, ttl_s (for a job whose record does not say), holder,
# '1' for the last job of the unit; then, for a job to be kept for the operator: queue, tenant, message
FINISH = Script(
    _NOW
    + _CLOSE
    + _HELD
    + _FINISH
    + f"""
local written = finish(ARGV[1], ARGV[2], ARGV[3])
if ARGV[5] == '1' and ARGV[4] ~= '' and KEYS[3] ~= KEYS[1] and held_by(KEYS[3], ARGV[4]) then
  close(KEYS[3])
end
if not written then
  return {{'stands', redis.call('GET', KEYS[2])}}
end
if ARGV[6] then
  local dead = ARGV[6] .. '{DEAD}'
  redis.call('HSET', KEYS[1], 'queue', ARGV[6], 'tenant', ARGV[7], 'dead', ARGV[8])
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

# KEYS: queue. ARGV: holder, lease_ms. Takes what is next in the line of the tenant whose turn it is; tenants
# take turns. Where more waits and no wake-up is left, one got lost: here is another.
TAKE = Script(
    _NOW
    + f"""
local queue = KEYS[1]
while true do
  local tenant = redis.call('ZRANGE', queue .. '{TENANTS}', 0, 0)[1]
  if not tenant then
    return {{'none'}}
  end
  local waiting = queue .. '{WAITING}' .. tenant
  local unit = redis.call('ZPOPMIN', waiting)[1]
  if redis.call('EXISTS', waiting) == 1 then
    redis.call('ZADD', queue .. '{TENANTS}', text(now_us), tenant)
  else
    redis.call('ZREM', queue .. '{TENANTS}', tenant)
  end
  local known = unit and redis.call('HMGET', unit, 'message', 'lost')
  if known and known[1] then
    redis.call('HSET', unit, 'holder', ARGV[1])
    redis.call('ZADD', queue .. '{LEASES}', text(now + ARGV[2]), unit)
    if redis.call('LLEN', queue) == 0 and redis.call('EXISTS', queue .. '{TENANTS}') == 1 then
      redis.call('LPUSH', queue, '{TOKEN}')
    end
    return {{'taken', unit, known[1], known[2] or '0'}}
  end
end
"""
)

# KEYS: unit, queue. ARGV: holder ('': let it wait), lease_ms, tenant, message
ADOPT = Script(
    _NOW
    + _WAIT
    + _QUEUE
    + f"""
if ARGV[1] == '' then
  queue_up(KEYS[1], ARGV[4], KEYS[2], ARGV[3])
else
  redis.call('HSET', KEYS[1], 'message', ARGV[4], 'queue', KEYS[2], 'tenant', ARGV[3], 'at', text(now_us),
    'holder', ARGV[1])
  redis.call('ZADD', KEYS[2] .. '{LEASES}', text(now + ARGV[2]), KEYS[1])
end
redis.call('EXPIRE', KEYS[1], {UNFINISHED_TTL_S})
return {{'adopted'}}
"""
)

# KEYS: units. ARGV: lease_ms, then the holder of each. Answers with the places (from 1) of those not theirs.
RENEW = Script(
    _NOW
    + _HELD
    + f"""
local lost = {{'lost'}}
for at, unit in ipairs(KEYS) do
  local known = held_by(unit, ARGV[at + 1])
  if known then
    redis.call('ZADD', known[2] .. '{LEASES}', 'XX', text(now + ARGV[1]), unit)
  else
    lost[#lost + 1] = at
  end
end
return lost
"""
)

# KEYS: unit. ARGV: holder, delay_ms, '1' to leave alone what this holder has begun
RELEASE = Script(
    _NOW
    + _WAIT
    + _PUT_BACK
    + _HELD
    + """
local known = held_by(KEYS[1], ARGV[1])
if not known then
  return {'lost'}
end
if ARGV[3] == '1' and known[5] == ARGV[1] then
  return {'begun'}
end
put_back(KEYS[1], known[2], known[3], known[4], tonumber(ARGV[2]))
return {'released'}
"""
)

# KEYS: unit. ARGV: holder
CLOSE = Script(
    _CLOSE
    + _HELD
    + """
if not held_by(KEYS[1], ARGV[1]) then
  return {'lost'}
end
close(KEYS[1])
return {'closed'}
"""
)

# KEYS: queue. ARGV: lease_ms, pause_ms, gap_ms, most. Puts back what has lost its holder. Where nobody looked
# for `gap_ms`, the server was away or all workers were: those that live have one more lease to renew theirs.
REAP = Script(
    _NOW
    + _WAIT
    + _PUT_BACK
    + f"""
local queue = KEYS[1]
local seen = redis.call('HMGET', queue .. '{REAPER}', 'last_ms', 'grace_ms')
local since = now - (seen[1] or 0)
if since >= 0 and since < tonumber(ARGV[2]) then
  return {{'early', 0}}
end
local grace = tonumber(seen[2] or 0)
if since < 0 or since > tonumber(ARGV[3]) then
  grace = now + ARGV[1]
end
redis.call('HSET', queue .. '{REAPER}', 'last_ms', text(now), 'grace_ms', text(grace))
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

# KEYS: record, Result. ARGV: name. Lets a job that is kept for the operator start again, as if it were new.
RETRY = Script(
    _NOW
    + _WAIT
    + _QUEUE
    + f"""
local known = redis.call('HMGET', KEYS[1], 'dead', 'queue', 'tenant')
if not known[1] then
  return {{'unknown'}}
end
redis.call('DEL', KEYS[2])
redis.call('HDEL', KEYS[1], 'dead')
redis.call('ZREM', known[2] .. '{DEAD}', ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'queued', 'attempts', 0, 'submitted_ms', text(now))
redis.call('EXPIRE', KEYS[1], {UNFINISHED_TTL_S})
queue_up(KEYS[1], known[1], known[2], known[3])
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

OF_CLIENTS = (SUBMIT, SUBMIT_MANY, WATCH, CANCEL)
"""What a client has the server load when it connects."""
