#!/bin/sh
# Renews `.sqlx`, against which the queries of crates/store are checked where there is no database: applies the migrations to a
# fresh private PostgreSQL and compiles the crate against it. `--check` only tells whether `.sqlx` is up to date.
set -eu
cd "$(dirname "$0")/.."

bin=${POSTGRES_BIN:-$(for dir in /usr/lib/postgresql/*/bin /opt/homebrew/opt/*/bin /usr/local/opt/*/bin /usr/pgsql-*/bin; do
    [ -x "$dir/initdb" ] && echo "$dir"
done | sort -V | tail -n 1)}
[ -n "$bin" ] || { echo "PostgreSQL's programs were not found; set POSTGRES_BIN to their folder" >&2; exit 1; }
dir=$(mktemp -d)
fresh=$(mktemp -d)
as_owner() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    # PostgreSQL refuses to run as root.
    chown postgres "$dir"
    as_owner() { setpriv --reuid=postgres --regid="$(id -g postgres)" --clear-groups "$@"; }
fi
stop() {
    as_owner "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$dir" "$fresh"
}
trap stop EXIT INT TERM
(
    cd "$dir"
    as_owner "$bin/initdb" -U tidings -A trust -E UTF8 --locale=C --no-sync -D "$dir/data" >/dev/null
    as_owner "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start \
        -o "-c listen_addresses= -c fsync=off -k $dir" >/dev/null
)
for migration in migrations/*.sql; do
    "$bin/psql" -q -X -v ON_ERROR_STOP=1 -h "$dir" -U tidings -d postgres -1 -f "$migration"
done

# Cargo does not see that the schema changed.
touch crates/store/src/lib.rs
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh" DATABASE_URL="postgresql://tidings@localhost/postgres?host=$dir" \
    cargo check -p store
if [ "${1:-}" = --check ]; then
    diff -r .sqlx "$fresh" >/dev/null || { echo ".sqlx is stale: run .config/sqlx-prepare.sh" >&2; exit 1; }
    exit 0
fi
mkdir -p .sqlx
rm -f .sqlx/query-*.json
cp "$fresh"/query-*.json .sqlx/
echo "$(find .sqlx -name 'query-*.json' | wc -l) queries"
