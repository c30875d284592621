#!/usr/bin/env bash
# The engine's own part of a load into Redshift: from the query to uploaded Parquet with its manifest. benches/redshift.sh [ROWS [ROUNDS]]
# Makes Reddit-like rows of ten columns as CSV, and loads them through the stand-in, whose COPY and whose S3 are other processes. Prints for each round the
# seconds that the engine says it took to read the file, to compute and stage the rows, and to upload them, rows a second of the latter two together,
# rows a second of the engine's CPU time (user and system, all of the process), and the same without the CPU time of a pipeline that reads the same file
# and loads none of its rows: what is between the query and the manifest. GNU time is Debian's `time`.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-1200000} rounds=${2:-3}
if [ -z "${ENGINE:-}" ]; then
    cargo build --release --quiet
    ENGINE="${CARGO_TARGET_DIR:-target}/release/engine"
fi
engine=$(realpath "$ENGINE")
# As the tests build it: a release build of its own would build all that it depends on once more.
cargo build --quiet --workspace --features failpoints --example bench
work=$(mktemp -d)
mkfifo "$work/stop"
"${CARGO_TARGET_DIR:-target}/debug/examples/bench" <"$work/stop" >"$work/settings" 2>"$work/log" &
exec 3>"$work/stop"
trap 'exec 3>&-; wait; rm -rf "$work"' EXIT
until grep -q READY "$work/settings"; do sleep 0.1; kill -0 $! || { cat "$work/log" >&2; exit 1; }; done
python3 - "$work/rows.csv" "$rows" <<'PYTHON'
import random, sys
path, rows = sys.argv[1], int(sys.argv[2])
random.seed(1)
words = [f"{a}{b}" for a in ("data", "table", "stream", "query", "lake") for b in ("s", "ing", "ed", " of", "less", "'s")]
subs = ["dataengineering", "datascience", "rust"]
def day(n): return f"2026-{n // 28 % 12 + 1:02d}-{n % 28 + 1:02d} {n % 24:02d}:{n % 60:02d}:{n * 7 % 60:02d}"
with open(path, "w") as out:
    out.write("id,subreddit,title,author,selftext,score,upvote_ratio,num_comments,created_at,is_self\n")
    for n in range(rows):
        out.write(f"t3_{n:08x},{subs[n % 3]},{' '.join(random.choices(words, k=8))},user_{n * 7919 % 100003},"
                  f"{' '.join(random.choices(words, k=24))},{n % 5000},0.{n % 90 + 10},{n % 300},{day(n)},{'true' if n % 2 else 'false'}\n")
PYTHON
cat >"$work/load.sql" <<SQL
CREATE EXTERNAL TABLE posts (id VARCHAR, subreddit VARCHAR, title VARCHAR, author VARCHAR, selftext VARCHAR, score BIGINT,
    upvote_ratio DOUBLE, num_comments BIGINT, created_at TIMESTAMP, is_self BOOLEAN)
STORED AS CSV LOCATION '$work/rows.csv';
CREATE EXTERNAL TABLE loaded STORED AS WAREHOUSE LOCATION 'bench.loaded_ROUND';
INSERT INTO loaded SELECT * FROM posts;
SQL
printf '%s rows, %s MB of CSV\n' "$rows" "$(($(stat -c %s "$work/rows.csv") / 1000000))"
sed 's/^INSERT.*/INSERT INTO loaded SELECT * FROM posts WHERE score < 0;/; s/loaded_ROUND/none/' "$work/load.sql" >"$work/read.sql"
run() {
    env $(grep -v READY "$work/settings") ENGINE_LAKE_URL="$work/lake" ENGINE_STATE_URL="$work/state" \
        ENGINE_RUN_EPOCH_ROWS="$rows" ENGINE_RUN_EPOCH_BYTES=4GB \
        /usr/bin/time -f '%U %S %M' -o "$work/time" "$engine" -v --log json run "$@" >/dev/null 2>"$work/said"
}
printf '%5s %8s %8s %8s %22s %14s %26s %9s\n' round read stage upload 'rows/s (stage+upload)' 'rows/s of CPU' 'of CPU (without reading)' 'peak MiB'
for round in $(seq "$rounds"); do
    sed "s/ROUND/$round/" "$work/load.sql" >"$work/load_$round.sql"
    run "$work/read.sql" --from-scratch --yes
    cp "$work/time" "$work/time_read"
    run "$work/load_$round.sql" --metrics "$work/metrics"
    python3 - "$work" "$rows" "$round" <<'PYTHON'
import json, re, sys
work, rows, number = sys.argv[1], int(sys.argv[2]), sys.argv[3]
metrics = open(f"{work}/metrics").read()
total = lambda name: sum(float(v) for v in re.findall(rf"^{name}_sum{{[^}}]*}} (\S+)$", metrics, re.M))
events = [json.loads(line) for line in open(f"{work}/said") if line.startswith("{")]
upload = sum(e["seconds"] for e in events if e.get("message") == "uploaded")
cpu = lambda name: sum(map(float, open(f"{work}/{name}").read().split()[:2]))
both, reading, peak = cpu("time"), cpu("time_read"), open(f"{work}/time").read().split()[2]
read, stage = total("engine_slice_seconds"), total("engine_stage_seconds")
print(f"{number:>5} {read:8.2f} {stage:8.2f} {upload:8.2f} {rows / (stage + upload):22,.0f} {rows / both:14,.0f} {rows / (both - reading):26,.0f} {int(peak) / 1024:9.1f}")
PYTHON
done
