#!/usr/bin/env bash
# Peak memory of the main job over a generated replay: benches/memory.sh [POSTS...]
# Prints posts, seconds and the peak of resident memory as GNU time sees it (Debian package `time`).
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
engine="${CARGO_TARGET_DIR:-target}/release/engine"
printf '%10s %10s %12s\n' posts seconds 'peak MiB'
for posts in "${@:-100000}"; do
    work=$(mktemp -d)
    ENGINE_LAKE_URL="$work/lake" ENGINE_STATE_URL="$work/state" ENGINE_REDDIT_REPLAY_POSTS=$(((posts + 2) / 3)) \
        /usr/bin/time -v "$engine" run queries/reddit.sql --json >"$work/summary" 2>"$work/time"
    seconds=$(grep -o '"seconds":[0-9.]*' "$work/summary" | tail -1 | cut -d: -f2)
    kib=$(awk '/Maximum resident/ {print $NF}' "$work/time")
    printf '%10d %10.1f %12.1f\n' "$posts" "$seconds" "$(awk "BEGIN {print $kib / 1024}")"
    rm -rf "$work"
done
