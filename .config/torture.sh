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

# Rows of other crates: G14 and G16 beside what they are about, llama beside the client that it speaks with.
of_stage=()
for filter in "${filters[@]}"; do
  case $filter in g14_ | g16_ | llama_) ;; *) of_stage+=("$filter") ;; esac
done
if [ ${#filters[@]} -eq 0 ] || [ ${#of_stage[@]} -gt 0 ]; then
  TORTURE=$size run cargo test -p app --test torture -- --nocapture --test-threads=1 "${of_stage[@]}"
fi
if wants g14; then
  run cargo test -p warehouse --test it -- --ignored --nocapture torture::
fi
if wants llama; then
  run .config/fetch-llama.sh
  run cargo test -p agent --test it -- --ignored --nocapture llama::
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
grep -E '^(G[0-9]+|fair|llama) +(pass|FAIL) ' "$log"
exit "$status"
