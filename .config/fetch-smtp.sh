#!/bin/sh
# Installs the SMTP server that the notifier's tests send to (aiosmtpd, by others) into `.tools/smtp`.
set -eu
cd "$(dirname "$0")/.."

version=1.4.6
venv=.tools/smtp
installed=$("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("aiosmtpd"))' 2>/dev/null || true)
[ "$installed" = "$version" ] && exit 0

echo "installing aiosmtpd $version into $venv"
if ! python3 -m venv --clear "$venv"; then
    echo "python3 with its venv module is needed for the mail tests (Debian: apt install python3-venv)" >&2
    exit 1
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check "aiosmtpd==$version" "atpublic==8.0.0" "attrs==26.1.0"
