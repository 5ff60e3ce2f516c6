#!/bin/sh
# Installs Slack's own client library, by which the fake Slack and our blocks and signatures are judged, into `.tools/slack`.
set -eu
cd "$(dirname "$0")/.."

version=3.47.0
venv=.tools/slack
installed=$("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("slack_sdk"))' 2>/dev/null || true)
[ "$installed" = "$version" ] && exit 0

echo "installing slack_sdk $version into $venv"
if ! python3 -m venv --clear "$venv"; then
    echo "python3 with its venv module is needed for the Slack tests (Debian: apt install python3-venv)" >&2
    exit 1
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check "slack_sdk==$version"
