"""What the clients call: submit, watch, cancel."""

from ..keys import TOKEN
from .job_parts import ADD_REPLY, FIND, FINISH_JOB, MAKE_RECORD
from .script import NOW, UNFINISHED_TTL_S, Script
from .share_parts import ROOM, SHARES_OF_TENANTS
from .unit_parts import CLOSE_UNIT, QUEUE, WAIT

# KEYS: record, Result, queue. ARGV: digest, reply channel, ttl_s, message, tenant, priority
SUBMIT = Script(
    NOW
    + ADD_REPLY
    + FIND
    + MAKE_RECORD
    + SHARES_OF_TENANTS
    + ROOM
    + WAIT
    + QUEUE
    + f"""
local record, queue = KEYS[1], KEYS[3]
local found = find(record, KEYS[2], ARGV[1])
if found then
  if found[1] == 'known' then
    add_reply(record, ARGV[2])
  end
  return found
end
local share = share_of(queue, ARGV[5])
local full = lacks_room(share, 1)
if full then
  return full
end
make_record(record, ARGV[1], ARGV[2], ARGV[3], fields_of(ARGV[4], queue, ARGV[5], ARGV[6], 1))
wait(record, share, now_us, 1, ARGV[6])
redis.call('LPUSH', queue, '{TOKEN}')
return {{'queued'}}
"""
)

# KEYS: the record and the Result of each job, the unit, the queue
# ARGV: reply channel, ttl_s, tenant, priority, head and tail of the message, then of each job its digest and
# its part of the message. A job that need not be queued is left out of the message. Where the others do not
# all find room, nothing is changed, and the one answer is 'full'.
SUBMIT_MANY = Script(
    NOW
    + ADD_REPLY
    + FIND
    + MAKE_RECORD
    + SHARES_OF_TENANTS
    + ROOM
    + WAIT
    + QUEUE
    + f"""
local unit, queue, most = KEYS[#KEYS - 1], KEYS[#KEYS], (#KEYS - 2) / 2
local share = share_of(queue, ARGV[3])
if lacks_room(share, most) then
  local new, count = {{}}, 0
  for job = 1, most do
    local record = KEYS[2 * job - 1]
    if not new[record] and not find(record, KEYS[2 * job], ARGV[2 * job + 5]) then
      new[record], count = true, count + 1
    end
  end
  local full = count > 0 and lacks_room(share, count)
  if full then
    return full
  end
end
local answers, parts = {{}}, {{}}
for job = 1, most do
  local record, digest = KEYS[2 * job - 1], ARGV[2 * job + 5]
  local found = find(record, KEYS[2 * job], digest)
  if not found then
    make_record(record, digest, ARGV[1], ARGV[2], {{}})
    parts[#parts + 1] = ARGV[2 * job + 6]
  elseif found[1] == 'known' then
    add_reply(record, ARGV[1])
  end
  answers[job] = found or {{'queued'}}
end
if #parts > 0 then
  local message = ARGV[5] .. table.concat(parts, ',') .. ARGV[6]
  redis.call('HSET', unit, unpack(fields_of(message, queue, ARGV[3], ARGV[4], #parts)))
  redis.call('EXPIRE', unit, {UNFINISHED_TTL_S})
  wait(unit, share, now_us, #parts, ARGV[4])
  redis.call('LPUSH', queue, '{TOKEN}')
end
return answers
"""
)

# KEYS: record, Result. ARGV: reply channel ('' only looks)
WATCH = Script(
    ADD_REPLY
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
    NOW
    + SHARES_OF_TENANTS
    + CLOSE_UNIT
    + FINISH_JOB
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
