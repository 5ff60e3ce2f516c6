#!/usr/bin/env bash
# Runs the rows of the torture: `torture.sh [full|N%|short] [g1,g4,...]`, one after the other, and ends with their lines.
set -uo pipefail
cd "$(dirname "$0")/.."
size=${1:-full}
filters=()
for row in $(tr ',' ' ' <<<"${2:-}"); do filters+=("${row,,}_"); done

log=$(mktemp)
trap 'rm -f "$log"' EXIT
TORTURE=$size cargo test -p app --test torture -- --nocapture --test-threads=1 "${filters[@]}" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
printf '\n'
grep -E '^G[0-9]+ +(pass|FAIL) ' "$log"
exit "$status"
