#!/usr/bin/env bash
# Compares `tidings schedule preview` with a fresh set of the independent oracle. Needs Python 3.11 or later.
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-7}
oracle=crates/domain/tests/oracle/generate.py
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -d .tools/oracle ] || { python3 -m venv .tools/oracle && .tools/oracle/bin/pip install --quiet tzdata==2025.2; }
# The oracle's data, not the system's, must be used.
PYTHONTZPATH="" .tools/oracle/bin/python "$oracle" --seed "$seed" --count 3000 > "$work/vectors.jsonl"
"${CARGO_TARGET_DIR:-target}/debug/tidings" schedule preview < "$work/vectors.jsonl" > "$work/ours.jsonl"
.tools/oracle/bin/python - "$work" <<'PY'
import json, sys
work = sys.argv[1]
pairs = zip(open(f"{work}/vectors.jsonl"), open(f"{work}/ours.jsonl"), strict=True)
differing = [n for n, (a, b) in enumerate(pairs, 1) if json.loads(a)["windows"] != json.loads(b)["windows"]]
print(f"{sum(1 for _ in open(f'{work}/vectors.jsonl'))} cases, {len(differing)} differences", *differing[:10])
sys.exit(bool(differing))
PY
