#!/usr/bin/env bash
# What it costs to find the tables of a lake that nobody described: benches/crawl.sh [OBJECTS...]
# Plants forty tables of so many small objects (testkit's planted-lake), crawls them, compares what was found with what was planted,
# adds ten objects and crawls again. Prints seconds and the peak of resident memory of both crawls, as GNU time sees it (Debian
# package `time`). PROFILE=dev measures a development build.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-release}
cargo build --profile "$profile" --quiet --package engine --package testkit --bins
built=$(realpath "${CARGO_TARGET_DIR:-target}/${profile/dev/debug}")
printf '%10s %12s %12s %14s %14s\n' objects 'crawl s' 'peak MiB' 'ten more s' 'peak MiB'
for objects in "${@:-100000}"; do
    work=$(mktemp -d)
    "$built/planted-lake" "$work/in" "$objects" >"$work/planted"
    measure() {
        ENGINE_STATE_URL="$work/state" \
            /usr/bin/time -f '%e %M' -o "$work/time" "$built/engine" crawl "$work/in" --json >"$work/$1"
        awk '{printf "%.1f %.1f", $1, $2 / 1024}' "$work/time"
    }
    first=$(measure first)
    for number in 0 1 2 3 4 5 6 7 8 9; do
        one=$(find "$work/in/sales/orders_0$number" -name '0*' | sort | tail -1)
        cp "$one" "$(dirname "$one")/9$(basename "$one")"
    done
    more=$(measure more)
    python3 - "$work" <<'PYTHON'
import json, sys
work = sys.argv[1]
planted = {table["name"]: table for table in json.load(open(f"{work}/planted"))}
first = json.load(open(f"{work}/first"))
found = {table["name"]: table for table in first["tables"]}
assert planted.keys() == found.keys(), (planted.keys() ^ found.keys())
for name, table in planted.items():
    other = found[name]
    pairs = lambda fields: [[field["name"], field["type"]] for field in fields]
    assert sorted(table["columns"]) == sorted(pairs(other["columns"])), (table, other)
    assert table["partitions"] == pairs(other["partitions"]), (table, other)
    for key in ["format", "objects", "rows"]:
        assert table[key] == other[key], (key, table, other)
more = json.load(open(f"{work}/more"))
new = sum(table["new"] for table in more["tables"])
assert new == 10, f"{new} objects were new"
assert more["objects"]["read"] <= 11, more["objects"]
PYTHON
    # shellcheck disable=SC2086
    printf '%10d %12s %12s %14s %14s\n' "$objects" $first $more
    rm -rf "$work"
done
