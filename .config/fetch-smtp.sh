#!/bin/sh
# Installs what the mail tests hold our mails against, all by others, into `.tools/smtp`: an SMTP server (aiosmtpd), a verifier
# of signatures (dkimpy), and a maker of keys and certificates (cryptography).
set -eu
cd "$(dirname "$0")/.."

packages="aiosmtpd==1.4.6 atpublic==8.0.0 attrs==26.1.0 dkimpy==1.1.8 dnspython==2.9.2 PyNaCl==1.6.2 cryptography==50.0.2 cffi==2.1.1 pycparser==3.12"
venv=.tools/smtp
installed=$(cat "$venv/packages" 2>/dev/null || true)
[ "$installed" = "$packages" ] && exit 0

echo "installing the mail tests' server and verifier into $venv"
if ! python3 -m venv --clear "$venv"; then
    echo "python3 with its venv module is needed for the mail tests (Debian: apt install python3-venv)" >&2
    exit 1
fi
# shellcheck disable=SC2086
"$venv/bin/pip" install --quiet --disable-pip-version-check $packages
echo "$packages" >"$venv/packages"
