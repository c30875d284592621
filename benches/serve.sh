#!/usr/bin/env bash
# What an idle server costs: benches/serve.sh [PIPELINES [SECONDS]]
# Serves so many pipelines, each with a schedule that does not come, and says after they have been read how much memory the process has
# resident, and which share of a core it takes over so many seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
pipelines=${1:-200} seconds=${2:-60}
if [ -z "${ENGINE:-}" ]; then
    cargo build --release --quiet
    ENGINE="${CARGO_TARGET_DIR:-target}/release/engine"
fi
engine=$(realpath "$ENGINE")
work=$(mktemp -d)
mkdir "$work/queries" "$work/in"
for number in $(seq "$pipelines"); do
    cat >"$work/queries/p$number.sql" <<SQL
SET pipeline.schedule = '0 0 1 1 *';
CREATE EXTERNAL TABLE events (id BIGINT, name VARCHAR) STORED AS JSON LOCATION '$work/in/$number/*.json';
CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://out/p$number' OPTIONS ('key' 'id');
REPLACE INTO kept SELECT id, upper(name) AS name FROM events;
SQL
done
cd "$work"
"$engine" serve 2>"$work/log" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$work"' EXIT
until [ "$(grep -c 'pipeline is here' "$work/log")" = "$pipelines" ]; do sleep 0.5; kill -0 $server; done
sleep 10
ticks() { awk '{print $14 + $15}' "/proc/$server/stat"; }
before=$(ticks)
sleep "$seconds"
after=$(ticks)
awk -v n="$pipelines" -v s="$seconds" -v t="$((after - before))" -v hz="$(getconf CLK_TCK)" \
    -v kib="$(awk '/^VmRSS/ {print $2}' "/proc/$server/status")" -v peak="$(awk '/^VmHWM/ {print $2}' "/proc/$server/status")" \
    'BEGIN {printf "%d pipelines: %.1f MiB resident (peak %.1f), %.2f %% of a core over %d s\n", n, kib / 1024, peak / 1024, 100 * t / hz / s, s}'
