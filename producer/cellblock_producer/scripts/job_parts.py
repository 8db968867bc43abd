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

# Finds out why a job need not or must not be queued, if that is so.
FIND = """
local function find(record, result_key, digest)
  local known = redis.call('HGET', record, 'digest')
  if known and known ~= digest then
    return {'conflict'}
  end
  local result = redis.call('GET', result_key)
  if result then
    return {'done', result}
  end
  return known and {'known'} or nil
end
"""

# Makes the record of a job that is to be queued; where it is a unit, too, with the fields of one.
MAKE_RECORD = f"""
local function make_record(record, digest, channel, ttl, fields)
  redis.call('HSET', record, 'digest', digest, 'submitted_ms', text(now), 'state', 'queued',
    'attempts', 0, 'reply', channel, 'ttl_s', ttl, unpack(fields))
  redis.call('EXPIRE', record, {UNFINISHED_TTL_S})
end
"""

# Writes the Result where there is none, and tells who waits: the name first, so that a client need not
# parse the Result to find the job. A job that is a unit is none any more, whoever has it in hand. Returns
# the microseconds that its run took, if it was this holder's (or anybody's, where none is named).
FINISH_JOB = """
local function finish(name, result, ttl, holder)
  local known = redis.call('HMGET', KEYS[1], 'ttl_s', 'reply', 'message', 'state', 'began', 'runner_holder',
    'queue', 'tenant', 'holder')
  ttl = known[1] or ttl
  if not redis.call('SET', KEYS[2], result, 'NX', 'EX', ttl) then
    return nil
  end
  local used = 0
  if known[4] == 'running' and known[5] and (not holder or known[6] == holder) then
    used = now_us - known[5]
  end
  if known[3] then
    close(KEYS[1], used, {known[7], known[8], known[9]})
  end
  redis.call('HSET', KEYS[1], 'state', 'done', 'reply', '')
  redis.call('EXPIRE', KEYS[1], ttl)
  for channel in string.gmatch(known[2] or '', '%S+') do
    redis.call('PUBLISH', channel, name .. ' ' .. result)
  end
  return used
end
"""
