#!/usr/bin/env bash
# An engine with nothing but redis-cli: what docs/wire.md says, one command after the other.
#
#   CELLBLOCK_REPLY_QUEUES=engine cellblock worker --redis redis://127.0.0.1:6379/0 &
#   REDIS_CLI="redis-cli -u redis://127.0.0.1:6379/0" examples/redis_cli.sh
set -euo pipefail
redis=${REDIS_CLI:-redis-cli}
run=${RUN:-$$}

# 1. A job is one argument of a Celery message. Its id is the engine's to choose; submitted again, it runs once.
message() { # ID, JOB: one message of a job, as any Celery client would write it
    printf '{"body": "[[%s], {}, {}]", "content-type": "application/json", "content-encoding": "utf-8",' "${2//\"/\\\"}"
    printf ' "headers": {"task": "cellblock.run", "id": "%s", "ignore_result": true},' "$1"
    printf ' "properties": {"delivery_tag": "%s", "delivery_info": {"exchange": "", "routing_key": "cellblock"}}}' "$1"
}
job='{"language": "python3", "code": "def main(a): return {'"'b'"': a + 1}", "inputs": {"a": 41}}'
echo "queued: $(message "cli-$run" "$job" | $redis -x LPUSH cellblock)"

# 2. The Result has a key of its own, cellblock:result:TENANT:ID. It is written once.
result=
for _ in $(seq 600); do
    result=$($redis GET "cellblock:result:default:cli-$run")
    [ -n "$result" ] && break
    sleep 0.1
done
echo "result: $result"

# 3. Instead of asking, have it put on a list of the engine's, as a Celery message whose first argument it is.
failing='{"language": "python3", "code": "def main(): return 1 / 0", "on_error": {"strategy": "branch"},
 "reply": {"kind": "celery", "task": "engine.resume", "queue": "engine"}}'
message "cli-$run-reply" "${failing//$'\n'/}" | $redis -x LPUSH cellblock >/dev/null
echo "reply: $($redis BRPOP engine 60 | tail -n 1)"

# 4. With a script the job is safe from the answer on, and an id that is known already is found. The digest is
# that of the job's canonical JSON: keys sorted, no spaces, no defaults.
canonical='{"code":"def main(): return {}","id":"cli-'$run'-script","language":"python3"}'
digest=$(printf %s "$canonical" | sha256sum | cut -d ' ' -f 1)
submit=$(${PYTHON:-python3} -c 'from cellblock_producer.scripts import SUBMIT; print(SUBMIT.text)' | $redis -x SCRIPT LOAD)
script() {
    $redis EVALSHA "$submit" 3 "cellblock:job:default:cli-$run-script" "cellblock:result:default:cli-$run-script" cellblock \
        "$digest" "" 3600 "$(message "cli-$run-script" "$canonical")" default 5 ""
}
echo "first: $(script | head -n 1)"
echo "again: $(script | head -n 1)"

# 5. What is going on: wake-ups and messages that no worker has taken in, jobs that wait, jobs in hand.
echo "queue: $($redis LLEN cellblock), tenants waiting: $($redis ZCARD cellblock:tenants), in hand: $($redis ZCARD cellblock:leases)"
