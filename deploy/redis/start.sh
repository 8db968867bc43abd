#!/bin/sh
# Redis with one user for Cellblock, whose password comes from the environment and is nowhere written in clear.
# The default user is off and yet may do all: Redis 7.0 loads the append-only file in its name, and would leave
# out what it may not do. REDIS_DATA says where that file is; further arguments are redis-server's.
set -eu
: "${REDIS_PASSWORD:?set it in .env, see deploy/env.sh}"
hash=$(printf %s "$REDIS_PASSWORD" | sha256sum | cut -d" " -f1)
umask 077
users=$(mktemp)
sed "s/PASSWORD_SHA256/$hash/" "$(dirname "$0")/users.acl.template" > "$users"
unset REDIS_PASSWORD
exec redis-server --dir "${REDIS_DATA:-/data}" --appendonly yes --save "" --maxmemory-policy noeviction \
  --maxmemory "${REDIS_MAXMEMORY:-1gb}" --aclfile "$users" --protected-mode no "$@"
