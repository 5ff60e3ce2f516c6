#!/usr/bin/env bash
# Runs the rows of the torture: `torture.sh [full|N%|short] [g1,g4,...]`, one after the other, and ends with their lines.
set -uo pipefail
cd "$(dirname "$0")/.."
size=${1:-full}
filters=()
for row in $(tr ',' ' ' <<<"${2:-}"); do filters+=("${row,,}_"); done

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
run() {
  "$@" 2>&1 | tee -a "$log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || status=1
}
wants() { [ ${#filters[@]} -eq 0 ] || [[ " ${filters[*]} " == *" $1_ "* ]]; }

if [ "${filters[*]}" != g16_ ]; then
  TORTURE=$size run cargo test -p app --test torture -- --nocapture --test-threads=1 "${filters[@]}"
fi
# G16 is shown over several stores and agents in one process, beside the credits that it is about.
if wants g16; then
  case $size in
    short) debits=1000 ;;
    full) debits=10000 ;;
    *) debits=$((100 * ${size%\%})) ;;
  esac
  TIDINGS_TORTURE_DEBITS=$debits run cargo test -p store --test it -- --nocapture credits::concurrent
  run cargo test -p agent --test it -- --nocapture credits::
fi
printf '\n'
grep -E '^G[0-9]+ +(pass|FAIL) ' "$log"
exit "$status"
