#!/usr/bin/env bash
# What it costs to know many files: benches/objects.sh [FILES...]
# Writes so many JSON files of one record, reads all of them, then adds one file and reads that. Prints seconds and the peak of
# resident memory of both runs, as GNU time sees it (Debian package `time`).
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
engine=$(realpath "${CARGO_TARGET_DIR:-target}/release/engine")
printf '%10s %12s %12s %14s %14s\n' files 'first run s' 'peak MiB' 'one more s' 'peak MiB'
for files in "${@:-100000}"; do
    work=$(mktemp -d)
    python3 - "$work/in" "$files" <<'PYTHON'
import os, sys
folder, files = sys.argv[1], int(sys.argv[2])
for number in range(files):
    part = f"{folder}/{number // 1000:04d}"
    if number % 1000 == 0:
        os.makedirs(part)
    with open(f"{part}/{number:07d}.json", "w") as file:
        file.write(f'{{"id": {number}, "name": "file {number}"}}\n')
PYTHON
    cat >"$work/objects.sql" <<SQL
CREATE EXTERNAL TABLE files (id BIGINT, name VARCHAR) STORED AS JSON LOCATION '$work/in/';
CREATE EXTERNAL TABLE rows STORED AS DELTA LOCATION 'lake://rows';
INSERT INTO rows SELECT * FROM files;
SQL
    measure() {
        ENGINE_LAKE_URL="$work/lake" ENGINE_STATE_URL="$work/state" \
            /usr/bin/time -f '%e %M' -o "$work/time" "$engine" run "$work/objects.sql" --json >"$work/summary"
        awk '{printf "%.1f %.1f", $1, $2 / 1024}' "$work/time"
    }
    first=$(measure)
    printf '{"id": -1, "name": "one more"}\n' >"$work/in/0000/one-more.json"
    more=$(measure)
    grep -q '"rows_written":1[,}]' "$work/summary" || { echo "the new file was not read alone" >&2; cat "$work/summary" >&2; exit 1; }
    # shellcheck disable=SC2086
    printf '%10d %12s %12s %14s %14s\n' "$files" $first $more
    rm -rf "$work"
done
