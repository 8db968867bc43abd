"""What the clients call: submit, watch, cancel."""

from ..keys import TOKEN
from .job_parts import ADD_LABELS, ADD_REPLY, FIND, FINISH_JOB, MAKE_RECORD, READ_RESULT
from .reply_parts import POST_REPLY
from .script import NOW, UNFINISHED_TTL_S, Script
from .share_parts import ROOM, SHARES_OF_TENANTS
from .unit_parts import CLOSE_UNIT, HELD, QUEUE, TELL_HOLDER, WAIT

# KEYS: record, Result, queue. ARGV: digest, reply channel, ttl_s, message, tenant, priority,
# reply_to ('': nowhere)
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
local full = lacks_room(share, 1, #ARGV[4])
if full then
  return full
end
local fields = fields_of(ARGV[4], queue, ARGV[5], ARGV[6], 1)
make_record(record, ARGV[1], ARGV[2], ARGV[3], ARGV[7], fields)
wait(record, share, now_us, 1, ARGV[6], #ARGV[4])
redis.call('LPUSH', queue, '{TOKEN}')
return {{'queued'}}
"""
)

# KEYS: the record and the Result of each job, the unit, the queue
# ARGV: reply channel, ttl_s, tenant, priority, head and tail of the message, then of each job its digest, its
# part of the message and its reply_to. A job that need not be queued is left out of the message. Where the
# others do not all find room, nothing is changed, and the one answer is 'full' or 'large'.
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
local share, frame, bytes = share_of(queue, ARGV[3]), #ARGV[5] + #ARGV[6] - 1, 0
for job = 1, most do
  bytes = bytes + #ARGV[3 * job + 5] + 1
end
if lacks_room(share, most, frame + bytes) then
  local new, count = {{}}, 0
  bytes = 0
  for job = 1, most do
    local record = KEYS[2 * job - 1]
    if not new[record] and not find(record, KEYS[2 * job], ARGV[3 * job + 4]) then
      new[record], count, bytes = true, count + 1, bytes + #ARGV[3 * job + 5] + 1
    end
  end
  local full = count > 0 and lacks_room(share, count, frame + bytes)
  if full then
    return full
  end
end
local answers, parts = {{}}, {{}}
for job = 1, most do
  local record, digest = KEYS[2 * job - 1], ARGV[3 * job + 4]
  local found = find(record, KEYS[2 * job], digest)
  if not found then
    make_record(record, digest, ARGV[1], ARGV[2], ARGV[3 * job + 6], {{}})
    parts[#parts + 1] = ARGV[3 * job + 5]
  elseif found[1] == 'known' then
    add_reply(record, ARGV[1])
  end
  answers[job] = found or {{'queued'}}
end
if #parts > 0 then
  local message = ARGV[5] .. table.concat(parts, ',') .. ARGV[6]
  redis.call('HSET', unit, 'attempts', 0, unpack(fields_of(message, queue, ARGV[3], ARGV[4], #parts)))
  redis.call('EXPIRE', unit, {UNFINISHED_TTL_S})
  wait(unit, share, now_us, #parts, ARGV[4], #message)
  redis.call('LPUSH', queue, '{TOKEN}')
end
return answers
"""
)

# KEYS: record, Result. ARGV: reply channel ('' only looks), '1' to have the Result however large it is
WATCH = Script(
    ADD_REPLY
    + READ_RESULT
    + """
local result = read_result(KEYS[2], ARGV[2] == '1')
if result then
  return result
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {'unknown'}
end
add_reply(KEYS[1], ARGV[1])
return {'waiting'}
"""
)

# KEYS: record, Result. ARGV: name, the Result of a cancelled job, ttl_s, '1' to leave alone what is running.
# The Result stands from here on, whoever runs the job still, and says how often it was begun.
CANCEL = Script(
    NOW
    + SHARES_OF_TENANTS
    + CLOSE_UNIT
    + POST_REPLY
    + HELD
    + FINISH_JOB
    + ADD_LABELS
    + TELL_HOLDER
    + """
local result = redis.call('GET', KEYS[2])
if result then
  return {'finished', result}
end
local known = redis.call('HMGET', KEYS[1], 'state', 'attempts', 'runner', 'runner_holder')
if not known[1] then
  return {'unknown'}
end
local running = known[1] == 'running'
if running and ARGV[4] == '1' then
  return {'running'}
end
local held = running and held_by(known[3], known[4])
local said = string.gsub(ARGV[2], '"attempts":0', '"attempts":' .. (known[2] or '0'), 1)
local used = finish(ARGV[1], add_labels(KEYS[1], said), ARGV[3])
if held then
  if known[3] ~= KEYS[1] then  -- else it was settled with the unit
    settle_part(known[3], held[2], held[3], used or 0)
  end
  tell_holder(known[3], known[4], ARGV[1])
end
return {'cancelled'}
"""
)
