#!/usr/bin/env bash
# What the web server takes: benches/api.sh [SECONDS [RATE]]
# So many requests a second, over pages, lists of the API, the load log and the metrics, beside pipelines that run all the time. Prints how
# long answers took from the moment at which each was due (a late one makes those behind it late as well), how many failed, and the
# memory of the server before and after.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60} rate=${2:-500}
if [ -z "${ENGINE:-}" ]; then
    cargo build --release --quiet
    ENGINE="${CARGO_TARGET_DIR:-target}/release/engine"
fi
engine=$(realpath "$ENGINE") here=$(pwd)/benches
work=$(mktemp -d)
mkdir -p "$work/queries" "$work/in/small"
cd "$work"
# Twenty pipelines that are run every ten seconds, and one that goes on for as long as it is looked at.
for number in $(seq 20); do
    cat >"queries/p$number.sql" <<SQL
SET pipeline.schedule = '*/10 * * * * *';
CREATE EXTERNAL TABLE events (id BIGINT, name VARCHAR) STORED AS JSON LOCATION '$work/in/small/';
CREATE EXTERNAL TABLE kept STORED AS DELTA LOCATION 'lake://out/p$number' OPTIONS ('key' 'id');
REPLACE INTO kept SELECT id, upper(name) AS name FROM events;
SQL
done
printf '{"id":1,"name":"a"}\n{"id":2,"name":"b"}\n' >in/small/a.json
cat >queries/long.sql <<SQL
SET pipeline.epoch_rows = 1000;
CREATE EXTERNAL TABLE clicks (id BIGINT, page VARCHAR) STORED AS JSON LOCATION '$work/in/clicks.json';
CREATE EXTERNAL TABLE kept STORED AS PARQUET LOCATION 'lake://web/clicks';
INSERT INTO kept SELECT * FROM clicks;
SQL
seq 4000000 | awk '{printf "{\"id\":%d,\"page\":\"/p/%d\"}\n", $1, $1 % 50}' >in/clicks.json
export ENGINE_SERVE_LISTEN=127.0.0.1:${PORT:-18080}
"$engine" serve 2>log &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$work"' EXIT
until curl -sf "http://$ENGINE_SERVE_LISTEN/ready" >/dev/null; do sleep 0.2; kill -0 $server; done
curl -sf -X POST "http://$ENGINE_SERVE_LISTEN/api/v1/pipelines/long/run" >/dev/null
python3 "$here/api.py" "http://$ENGINE_SERVE_LISTEN" "$server" "$seconds" "$rate"
