#!/usr/bin/env bash
# Runs the tests: `test.sh` all of them, `test.sh rust|web|e2e` one part. Ends with the count on a line of its own.
set -uo pipefail
cd "$(dirname "$0")/.."
parts=${1:-"rust web e2e"}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed_parts=()
started=$SECONDS

part() { # name, command
  printf '\n==> %s (%d s so far)\n' "$1" $((SECONDS - started))
  shift
  "$@" 2>&1 | tee -a "$log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || failed_parts+=("$*")
}

for name in $parts; do
  case $name in
    rust)
      part "Formatting" cargo fmt --check
      part "Lints" cargo clippy --workspace --all-targets --quiet -- -D warnings
      part "Rust tests" cargo test --workspace --quiet --no-fail-fast
      ;;
    web)
      part "The page: types, lints, generated files" bash -c 'cd web && npm run --silent check'
      part "The page: unit tests" bash -c 'cd web && npm run --silent test'
      part "The chart bundle is fresh" bash -c 'cd crates/chart/js && npm ci --silent --no-audit --no-fund && npm run --silent check'
      ;;
    e2e)
      # The same build as the Rust tests', so that nothing is compiled twice.
      part "The binary" cargo test --workspace --no-run --quiet
      part "The browser's walk" bash -c 'cd web && npm run --silent e2e'
      ;;
    *) echo "unknown part: $name (rust, web, e2e)" >&2; exit 2 ;;
  esac
done

# Lines of cargo ("test result: ok. 10 passed; 0 failed; ...") and of vitest ("Tests  1 failed | 9 passed (10)").
count() {
  sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -E '^test result: |^ *Tests +[0-9]' | grep -oE "[0-9]+ $1" | awk '{n += $1} END {print n + 0}'
}
passed=$(count passed)
failed=$(count failed)
# Which tests failed, each with the first line of its error: the end of a log is what one sees first.
failures() {
  sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
    /^ FAIL  / { print; getline; print "    " $0; next }
    /^---- .* stdout ----$/ { print " FAIL  " $2; lines = 4; next }
    lines > 0 && NF { print "    " $0; lines-- }
  ' | cut -c1-300 | head -40
}
failures
printf '\n==> %d s\n' $((SECONDS - started))
for part in "${failed_parts[@]}"; do echo "FAILED: $part"; done
if [ ${#failed_parts[@]} -gt 0 ] && [ "$failed" -eq 0 ]; then failed=${#failed_parts[@]}; fi
echo "$passed passed, $failed failed"
[ ${#failed_parts[@]} -eq 0 ]
