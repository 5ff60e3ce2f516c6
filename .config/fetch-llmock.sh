#!/bin/sh
# Installs the OpenAI-compatible server that the agent's tests talk to (llmock, by others) into `.tools/llmock`.
set -eu
cd "$(dirname "$0")/.."

version=0.2.2
venv=.tools/llmock
installed=$("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("llmock"))' 2>/dev/null || true)
[ "$installed" = "$version" ] && exit 0

echo "installing llmock $version into $venv"
if ! python3 -m venv --clear "$venv"; then
    echo "python3 with its venv module is needed for the agent's tests (Debian: apt install python3-venv)" >&2
    exit 1
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check "llmock==$version" \
    "fastapi==0.165.0" "pydantic==2.14.3" "starlette==1.10.0" "uvicorn==0.54.0"
