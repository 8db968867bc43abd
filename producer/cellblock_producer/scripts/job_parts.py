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

LARGE = 64 * 1024
"""Bytes of a Result that is asked for on its own: many that wait make a server end the connection."""

# Reads a Result, if there is one; of a large one it says only that it is there, unless it is wanted anyway.
READ_RESULT = f"""
local function read_result(result_key, wanted)
  local size = redis.call('STRLEN', result_key)
  if size > {LARGE} and not wanted then
    return {{'stored'}}
  end
  return size > 0 and {{'done', redis.call('GET', result_key)}} or nil
end
"""

# Finds out why a job need not or must not be queued, if that is so.
FIND = (
    READ_RESULT
    + """
local function find(record, result_key, digest)
  local known = redis.call('HGET', record, 'digest')
  if known and known ~= digest then
    return {'conflict'}
  end
  return read_result(result_key) or known and {'known'} or nil
end
"""
)

# Makes the record of a job that is to be queued; where it is a unit, too, with the fields of one.
MAKE_RECORD = f"""
local function make_record(record, digest, channel, ttl, reply_to, fields)
  redis.call('HSET', record, 'digest', digest, 'submitted_ms', text(now), 'state', 'queued',
    'attempts', 0, 'reply', channel, 'ttl_s', ttl, unpack(fields))
  if reply_to ~= '' then
    redis.call('HSET', record, 'reply_to', reply_to)
  end
  redis.call('EXPIRE', record, {UNFINISHED_TTL_S})
end
"""

# Writes the Result where there is none, and tells who waits: the name first, so that a client need not
# parse the Result to find the job. A job that is a unit is none any more, whoever has it in hand. Returns
# the microseconds that its run took, if it was this holder's (or anybody's, where none is named). `reply_to`:
# where to send it, in place of where the record says.
FINISH_JOB = """
local function finish(name, result, ttl, holder, reply_to)
  local known = redis.call('HMGET', KEYS[1], 'ttl_s', 'reply', 'message', 'state', 'began', 'runner_holder',
    'queue', 'tenant', 'holder', 'reply_to')
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
  reply_to = reply_to or known[10]
  if reply_to then
    post_reply(name, reply_to, result)
  end
  return used
end
"""

LABELS_MOST = 1 << 20
"""Bytes of a message, beyond which a script does not read it for the labels."""

# Gives a Result without labels those of its job, out of the message, where the job is a unit. Who cancels a
# job that somebody else has submitted does not know them.
ADD_LABELS = f"""
local function add_labels(record, result)
  local size = redis.call('HSTRLEN', record, 'message')
  if string.sub(result, -12) ~= '"labels":{{}}}}' or size == 0 or size > {LABELS_MOST} then
    return result
  end
  local read, labels = pcall(function()
    return cjson.decode(cjson.decode(redis.call('HGET', record, 'message')).body)[1][1].labels
  end)
  if read and type(labels) == 'table' and next(labels) then
    return string.sub(result, 1, -4) .. cjson.encode(labels) .. '}}'
  end
  return result
end
"""
