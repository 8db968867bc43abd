#!/bin/sh
# Makes what docker-compose.yaml wants and no repository may hold: passwords and a key of the gateway, once.
#   deploy/env.sh [FOLDER]     writes FOLDER/.env and FOLDER/gateway-keys.json, by default beside this script
set -eu
folder=${1:-$(dirname "$0")/local}
umask 077
mkdir -p "$folder"
secret() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }
if [ ! -e "$folder/.env" ]; then
  key=$(secret)
  # A key is kept as its hash; cellblock gateway key makes further ones.
  hash=$(printf %s "$key" | sha256sum | cut -d" " -f1)
  printf '{"keys": [{"name": "first", "tenant": "default", "sha256": "%s"}]}\n' "$hash" > "$folder/gateway-keys.json"
  # The gateway's user in its container has to read it; the folder is closed to others.
  chmod 644 "$folder/gateway-keys.json"
  cat > "$folder/.env" <<END
REDIS_PASSWORD=$(secret)
FLOWER_BASIC_AUTH=operator:$(secret)
GRAFANA_PASSWORD=$(secret)
GATEWAY_KEY=$key
GATEWAY_KEYS_FILE=$(cd "$folder" && pwd)/gateway-keys.json
END
fi
echo "$folder/.env"
