#!/bin/sh
# Redis with one user for Cellblock, whose password comes from the environment and is nowhere written in clear.
set -eu
: "${REDIS_PASSWORD:?set it in .env, see deploy/env.sh}"
hash=$(printf %s "$REDIS_PASSWORD" | sha256sum | cut -d" " -f1)
umask 077
sed "s/PASSWORD_SHA256/$hash/" /etc/cellblock/users.acl.template > /tmp/users.acl
unset REDIS_PASSWORD
exec redis-server --dir /data --appendonly yes --save "" --maxmemory-policy noeviction \
  --maxmemory "${REDIS_MAXMEMORY:-1gb}" --aclfile /tmp/users.acl --protected-mode no
