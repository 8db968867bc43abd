"""Lua functions on the records and Results of jobs, of which scripts are put together."""

from .script import UNFINISHED_TTL_S

# Adds a client's channel to those that hear of the Result. Names are plain, so a plain find will do.
ADD_REPLY = """
local function add_reply(record, channel)
  local reply = redis.call('HGET', record, 'reply') or ''
  if channel ~= '' and not string.find(' ' .. reply .. ' ', ' ' .. channel .. ' ', 1, true) then
    redis.call('HSET', record, 'reply', reply == '' and channel or reply .. ' ' .. channel)
  end
end
"""

# Makes the record of a job that is to be queued, or finds out why it need not or must not be.
ENTER = f"""
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

# Writes the Result where there is none, and tells who waits: the name first, so that a client need not
# parse the Result to find the job. A job that is a unit is none any more, whoever has it in hand.
FINISH_JOB = """
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
