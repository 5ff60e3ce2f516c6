#!/usr/bin/env bash
# Installs the system packages that running (`setup.sh run`) or testing (`setup.sh test`) needs and that are missing.
set -euo pipefail
what=${1:?usage: setup.sh run|test}

say() { printf '==> %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }

has_postgres() {
  [ -n "${POSTGRES_BIN:-}" ] && return 0
  local dir
  for dir in /usr/lib/postgresql/*/bin /usr/libexec /opt/homebrew/opt/*/bin /usr/local/opt/*/bin /Library/PostgreSQL/*/bin; do
    [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return 0
  done
  has initdb && has postgres
}
# The C interface (`libclang.so.1`, `libclang-14.so.14`), not the C++ one, `libclang-cpp.so`, which comes alone with other packages.
has_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] || [ "$(uname)" = Darwin ] && return 0
  local dir
  for dir in /usr/lib/llvm-*/lib /usr/lib64 /usr/lib /usr/lib/*-linux-gnu; do
    compgen -G "$dir/libclang.so*" >/dev/null || compgen -G "$dir/libclang-[0-9]*.so*" >/dev/null && return 0
  done
  return 1
}
has_faketime() { compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || has faketime; }
has_chromium() { [ -n "${CHROMIUM:-}" ] || has chromium || has chromium-browser || has google-chrome; }
has_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

for tool in cargo node npm; do
  has "$tool" || { echo "$tool is missing: install Rust (1.94 or later) and Node.js (20 or later) first." >&2; exit 1; }
done

apt=() dnf=() brew=()
has cc || { apt+=(build-essential); dnf+=(gcc gcc-c++ make); }
has_postgres || { apt+=(postgresql); dnf+=(postgresql-server); brew+=(postgresql@17); }
has_libclang || { apt+=(libclang-dev); dnf+=(clang-devel); }
if [ "$what" = test ]; then
  has_chromium || { apt+=(chromium); dnf+=(chromium); }
  has_faketime || { apt+=(faketime); dnf+=(libfaketime); brew+=(libfaketime); }
  has python3 || { apt+=(python3); dnf+=(python3); brew+=(python@3); }
  has_venv || { apt+=(python3-venv); }
fi
[ ${#apt[@]} -eq 0 ] && exit 0

run=()
[ "$(id -u)" -eq 0 ] || run=(sudo)
if has apt-get; then
  say "Installing ${apt[*]}"
  [ "${#run[@]}" -eq 0 ] || has sudo || { echo "Install these first: apt-get install ${apt[*]}" >&2; exit 1; }
  "${run[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends "${apt[@]}" >/dev/null
elif has dnf; then
  say "Installing ${dnf[*]}"
  "${run[@]}" dnf install -y -q "${dnf[@]}"
elif has brew && [ ${#brew[@]} -gt 0 ]; then
  say "Installing ${brew[*]}"
  brew install --quiet "${brew[@]}"
else
  echo "Install these with your package manager first: ${apt[*]} (Debian's names)" >&2
  exit 1
fi
