"""The Lua scripts of the ledger: each changes a job's record and Result in one step, by the server's clock.

    KEYS[1] the record   KEYS[2] the Result   KEYS[3] the queue (submit only)

Every script answers with an array whose first element is a word that says what was found or done;
SUBMIT_MANY, which takes any number of jobs, with an array of those.
"""

import hashlib
from dataclasses import dataclass, field

UNFINISHED_TTL_S = 7 * 24 * 3600
"""Seconds that the record of a job without a Result is kept; each start of the job counts them anew."""

# Adds a client's channel to those that hear of the Result. Names are plain, so a plain find will do.
_ADD_REPLY = """
local function add_reply(record, channel)
  local reply = redis.call('HGET', record, 'reply') or ''
  if channel ~= '' and not string.find(' ' .. reply .. ' ', ' ' .. channel .. ' ', 1, true) then
    redis.call('HSET', record, 'reply', reply == '' and channel or reply .. ' ' .. channel)
  end
end
"""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
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
  redis.call('HSET', record, 'digest', digest, 'submitted_ms', string.format('%.0f', now), 'state', 'queued',
    'attempts', 0, 'reply', channel, 'ttl_s', ttl)
  redis.call('EXPIRE', record, {UNFINISHED_TTL_S})
  return {{'queued'}}
end
"""

# Writes the Result where there is none, and tells who waits: the name first, so that a client need not
# parse the Result to find the job.
_FINISH = """
local function finish(name, result, ttl)
  ttl = redis.call('HGET', KEYS[1], 'ttl_s') or ttl
  if not redis.call('SET', KEYS[2], result, 'NX', 'EX', ttl) then
    return false
  end
  local reply = redis.call('HGET', KEYS[1], 'reply') or ''
  redis.call('HSET', KEYS[1], 'state', 'done', 'reply', '')
  redis.call('EXPIRE', KEYS[1], ttl)
  for channel in string.gmatch(reply, '%S+') do
    redis.call('PUBLISH', channel, name .. ' ' .. result)
  end
  return true
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


# ARGV: digest, reply channel, ttl_s, message
SUBMIT = Script(
    _ADD_REPLY
    + _NOW
    + _ENTER
    + """
local answer = enter(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
if answer[1] == 'queued' then
  redis.call('LPUSH', KEYS[3], ARGV[4])
end
return answer
"""
)

# KEYS: the record and the Result of each job, the queue
# ARGV: reply channel, ttl_s, head and tail of the message, then of each job its digest and its part of the
# message. A job that need not be queued is left out of the message.
SUBMIT_MANY = Script(
    _ADD_REPLY
    + _NOW
    + _ENTER
    + """
local answers, parts = {}, {}
for job = 1, (#KEYS - 1) / 2 do
  local at = 2 * job
  answers[job] = enter(KEYS[at - 1], KEYS[at], ARGV[at + 3], ARGV[1], ARGV[2])
  if answers[job][1] == 'queued' then
    parts[#parts + 1] = ARGV[at + 4]
  end
end
if #parts > 0 then
  redis.call('LPUSH', KEYS[#KEYS], ARGV[3] .. table.concat(parts, ',') .. ARGV[4])
end
return answers
"""
)

# ARGV: reply channel ('' only looks)
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

# ARGV: name, the Result of a cancelled job, ttl_s
CANCEL = Script(
    _FINISH
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

# ARGV: digest
BEGIN = Script(
    _NOW
    + f"""
local known = redis.call('HGET', KEYS[1], 'digest')
if known and known ~= ARGV[1] then
  return {{'conflict'}}
end
local result = redis.call('GET', KEYS[2])
if result then
  return {{'done', result}}
end
if not known then
  redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'submitted_ms', string.format('%.0f', now), 'reply', '')
end
local attempts = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'state', 'running')
redis.call('EXPIRE', KEYS[1], {UNFINISHED_TTL_S})
return {{'run', attempts, now - redis.call('HGET', KEYS[1], 'submitted_ms'), now}}
"""
)

# ARGV: name, the Result, ttl_s (for a job whose record does not say)
FINISH = Script(
    _FINISH
    + """
if finish(ARGV[1], ARGV[2], ARGV[3]) then
  return {'written'}
end
return {'stands', redis.call('GET', KEYS[2])}
"""
)

ALL = (SUBMIT, SUBMIT_MANY, WATCH, CANCEL, BEGIN, FINISH)
