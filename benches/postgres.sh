#!/usr/bin/env bash
# Loading PostgreSQL, beside psql's \copy: benches/postgres.sh [ROWS [ROUNDS]]
# Makes so many Reddit-like rows of ten columns as CSV, and a server of its own with the settings that PostgreSQL comes with. Each round:
# \copy into an empty table; the engine appends, upserts into an empty table, and upserts into the full one: the same rows, the same with
# every tenth changed, and all of them changed; and, by_hand, psql does what a person would for the last: \copy into a temporary table and
# INSERT .. ON CONFLICT DO UPDATE from there. The tables are compared. Prints seconds (of whole processes), each as a share of \copy's rate, and the peak
# of resident memory as GNU time sees it (Debian package `time`). With PEERS=1, sling and dlt, from PyPI, load the same rows in each round.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-1200000} rounds=${2:-3}
if [ -z "${ENGINE:-}" ]; then
    cargo build --release --quiet
    ENGINE="${CARGO_TARGET_DIR:-target}/release/engine"
fi
engine=$(realpath "$ENGINE")
programs=${PG_BIN:-$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -1)}
work=$(mktemp -d)
chmod 755 "$work"
# It does not run as root.
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
stop() {
    as "$programs/pg_ctl" -D "$work/server/data" -m fast stop >/dev/null || true
    rm -rf "$work"
}
trap stop EXIT
install -d -m 700 "$work/server"
if [ "$(id -u)" = 0 ]; then chown postgres "$work/server"; fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
as "$programs/initdb" -D "$work/server/data" -U bench -A trust --no-sync >/dev/null
as "$programs/pg_ctl" -D "$work/server/data" -w -l "$work/server/log" \
    -o "-h 127.0.0.1 -p $port -k $work/server -c max_wal_size=8GB" start >/dev/null
psql() { "$programs/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U bench -d postgres "$@"; }

python3 - "$work" "$rows" <<'PYTHON'
import random, sys
work, rows = sys.argv[1], int(sys.argv[2])
random.seed(1)
words = [f"{a}{b}" for a in ("data", "table", "stream", "query", "lake") for b in ("s", "ing", "ed", " of", "less", "'s")]
subs = ["dataengineering", "datascience", "rust"]
def day(n): return f"2026-{n // 28 % 12 + 1:02d}-{n % 28 + 1:02d} {n % 24:02d}:{n % 60:02d}:{n * 7 % 60:02d}"
with open(f"{work}/rows.csv", "w") as first, open(f"{work}/tenth.csv", "w") as tenth, open(f"{work}/changed.csv", "w") as changed:
    head = "id,subreddit,title,author,selftext,score,upvote_ratio,num_comments,created_at,is_self\n"
    for out in (first, tenth, changed):
        out.write(head)
    for n in range(rows):
        title = " ".join(random.choices(words, k=8))
        text = " ".join(random.choices(words, k=24))
        for out, more in ((first, 0), (tenth, 1 if n % 10 == 0 else 0), (changed, 2)):
            out.write(f"t3_{n:08x},{subs[n % 3]},{title},user_{n * 7919 % 100003},{text},{n % 5000 + more},"
                      f"0.{n % 90 + 10},{n % 300},{day(n)},{'true' if n % 2 else 'false'}\n")
PYTHON
columns='(id text, subreddit text, title text, author text, selftext text, score bigint, upvote_ratio double precision, num_comments bigint, created_at timestamp, is_self boolean)'
pipeline() { # name, verb, table, file
    cat >"$work/$1.sql" <<SQL
CREATE EXTERNAL TABLE posts (id VARCHAR, subreddit VARCHAR, title VARCHAR, author VARCHAR, selftext VARCHAR, score BIGINT,
    upvote_ratio DOUBLE, num_comments BIGINT, created_at TIMESTAMP, is_self BOOLEAN)
STORED AS CSV LOCATION '$work/$4';
CREATE EXTERNAL TABLE loaded STORED AS WAREHOUSE LOCATION 'public.$3' OPTIONS ('key' 'id');
$2 loaded SELECT * FROM posts;
SQL
}
pipeline append 'INSERT INTO' appended rows.csv
pipeline upsert 'REPLACE INTO' upserted rows.csv
pipeline same 'REPLACE INTO' upserted rows.csv
pipeline tenth 'REPLACE INTO' upserted tenth.csv
pipeline changed 'REPLACE INTO' upserted changed.csv
measure() { /usr/bin/time -f '%e %M' -o "$work/time" "$@" >/dev/null; awk -v what="$name" '{print what, $1, $2 / 1024}' "$work/time" >>"$work/results"; }
run() {
    name=$1
    ENGINE_LAKE_URL="$work/lake" ENGINE_STATE_URL="$work/state-$1" \
        ENGINE_WAREHOUSE_URL="postgres://bench@127.0.0.1:$port/postgres?sslmode=disable" \
        ENGINE_RUN_EPOCH_ROWS=${EPOCH_ROWS:-1200000} ENGINE_RUN_EPOCH_BYTES=${EPOCH_BYTES:-1GB} measure "$engine" run "$work/$1.sql"
}
same() { # of the table and the file's own; others have columns of their own, and types
    local hash='SELECT count(*), sum(hashtextextended(row(id::text, subreddit::text, title::text, author::text, selftext::text, score::bigint,
        upvote_ratio::double precision, num_comments::bigint, created_at::timestamp, is_self::boolean)::text, 0)) FROM'
    [ "$(psql -c "$hash $1 t")" = "$(psql -c "$hash $2 t")" ] || { echo "$1 and $2 differ" >&2; exit 1; }
}
by_hand() { # of the full table, with all rows changed
    psql -c 'SET client_min_messages = error; DROP TABLE IF EXISTS by_hand' -c "CREATE TABLE by_hand $columns"
    psql -c "\\copy by_hand FROM '$work/rows.csv' CSV HEADER" -c 'ALTER TABLE by_hand ADD PRIMARY KEY (id)' -c CHECKPOINT
    local set=''
    for column in subreddit title author selftext score upvote_ratio num_comments created_at is_self; do set+=", $column = excluded.$column"; done
    cat >"$work/hand.sql" <<SQL
CREATE TEMPORARY TABLE stage (LIKE by_hand) ON COMMIT DROP;
\\copy stage FROM '$work/changed.csv' CSV HEADER
INSERT INTO by_hand SELECT * FROM stage ON CONFLICT (id) DO UPDATE SET ${set:2};
SQL
    name=by_hand measure "$programs/psql" -X -q -1 -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U bench -d postgres -f "$work/hand.sql"
    same by_hand changed
}
peers=()
if [ -n "${PEERS:-}" ]; then
    peers=(sling dlt)
    venv=${CARGO_TARGET_DIR:-target}/bench-venv
    [ -d "$venv" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install -q sling-linux-amd64==1.4.11 'dlt[postgres]==1.31.0' pyarrow
    venv=$(realpath "$venv")
    sling=$(find "$venv" -name sling-linux-amd64 -type f)
    chmod +x "$sling"
fi
peer() {
    local url="postgres://bench:bench@127.0.0.1:$port/postgres?sslmode=disable"
    # dlt remembers in the database which tables it has made.
    psql -c 'SET client_min_messages = error; DROP TABLE IF EXISTS _dlt_version, _dlt_loads, _dlt_pipeline_state, by_'"$1" -c CHECKPOINT
    case $1 in
    sling) name=sling HOME=$work BENCH=$url measure "$sling" run --src-stream "file://$work/rows.csv" --tgt-conn BENCH --tgt-object public.by_sling --mode full-refresh ;;
    dlt) name=dlt DLT_DATA_DIR="$work/.dlt" RUNTIME__DLTHUB_TELEMETRY=false measure "$venv/bin/python" benches/load_dlt.py "$work/rows.csv" "$url" by_dlt ;;
    esac
    same "by_$1" copied
}
for _ in $(seq "$rounds"); do
    psql -c 'SET client_min_messages = error; DROP TABLE IF EXISTS copied, changed, appended, upserted, _engine_loads, _engine_targets'
    rm -rf "$work"/state-* "$work/lake"
    psql -c "CREATE TABLE copied $columns; CREATE TABLE changed $columns" -c CHECKPOINT
    name=copy measure "$programs/psql" -X -q -h 127.0.0.1 -p "$port" -U bench -d postgres -c "\\copy copied FROM '$work/rows.csv' CSV HEADER"
    psql -c CHECKPOINT
    run append
    psql -c CHECKPOINT
    run upsert
    same appended copied
    same upserted copied
    for what in same tenth changed; do
        psql -c CHECKPOINT
        run $what
    done
    psql -c "\\copy changed FROM '$work/changed.csv' CSV HEADER"
    same upserted changed
    by_hand
    for tool in "${peers[@]}"; do
        rm -rf "$work/.dlt" "$work/.sling"
        peer "$tool" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
    done
done
printf '%s rows, %s MB of CSV, %s rounds; the median of each\n' "$rows" "$(($(stat -c %s "$work/rows.csv") / 1000000))" "$rounds"
printf '%-10s %10s %14s %12s\n' what seconds 'of \copy' 'peak MiB'
median() { sort -n "$1" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
for name in copy append upsert same tenth changed by_hand "${peers[@]}"; do
    awk -v n=$name '$1 == n {print $2}' "$work/results" >"$work/seconds"
    awk -v n=$name '$1 == n {print $3}' "$work/results" >"$work/memory"
    seconds=$(median "$work/seconds")
    [ $name = copy ] && base=$seconds
    awk -v n=$name -v s="$seconds" -v b="$base" -v m="$(median "$work/memory")" 'BEGIN {printf "%-10s %10.1f %13.0f%% %12.1f\n", n, s, 100 * b / s, m}'
done
