#!/usr/bin/env bash
# What the web server takes: benches/api.sh [SECONDS [RATE [SCHEDULE]]]
# So many requests a second, over pages, lists of the API, the load log and the metrics, beside a pipeline that runs all the time and twenty
# that run by the schedule, which is every ten seconds; `once`: they have run before, and rest. Prints how
# long answers took from the moment at which each was due (a late one makes those behind it late as well), how many failed, and the
# memory of the server before and after.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60} rate=${2:-500} schedule=${3:-*/10 * * * * *}
if [ -z "${ENGINE:-}" ]; then
    cargo build --release --quiet
    ENGINE="${CARGO_TARGET_DIR:-target}/release/engine"
fi
engine=$(realpath "$ENGINE") here=$(pwd)/benches
work=$(mktemp -d)
mkdir -p "$work/queries" "$work/in/small"
cd "$work"
case $schedule in once) cron='0 0 1 1 *' ;; *) cron=$schedule ;; esac
for number in $(seq 20); do
    cat >"queries/p$number.sql" <<SQL
SET pipeline.schedule = '$cron';
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
run() { curl -sf -X POST "http://$ENGINE_SERVE_LISTEN/api/v1/pipelines/$1/run" >/dev/null; }
if [ "$schedule" = once ]; then
    for number in $(seq 20); do run "p$number"; done
    until [ "$(curl -sf "http://$ENGINE_SERVE_LISTEN/api/v1/runs?limit=50" | grep -o '"status": *"done"' | wc -l)" = 20 ]; do sleep 0.2; done
fi
run long
python3 "$here/api.py" "http://$ENGINE_SERVE_LISTEN" "$server" "$seconds" "$rate"
