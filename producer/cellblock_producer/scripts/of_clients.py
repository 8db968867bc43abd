"""What the clients call: submit, watch, cancel."""

from .job_parts import ADD_REPLY, ENTER, FINISH_JOB
from .script import NOW, UNFINISHED_TTL_S, Script
from .unit_parts import CLOSE_UNIT, HELD, QUEUE, TELL_HOLDER, WAIT

# KEYS: record, Result, queue. ARGV: digest, reply channel, ttl_s, message, tenant
SUBMIT = Script(
    NOW
    + ADD_REPLY
    + WAIT
    + ENTER
    + QUEUE
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
    NOW
    + ADD_REPLY
    + WAIT
    + ENTER
    + QUEUE
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

# KEYS: record, Result. ARGV: name, the Result of a cancelled job, ttl_s, '1' to leave alone what is running.
# The Result stands from here on, whoever runs the job still, and says how often it was begun.
CANCEL = Script(
    CLOSE_UNIT
    + HELD
    + FINISH_JOB
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
finish(ARGV[1], said, ARGV[3])
if held then
  tell_holder(known[3], known[4], ARGV[1])
end
return {'cancelled'}
"""
)
