#!/bin/sh
# Fetches DuckDB's library, against which the crate `warehouse` is linked, into .tools/duckdb/package.
#
# It comes from the npm package of DuckDB's own Node bindings, which holds the library for each platform. The version is
# that of the crate `duckdb` in Cargo.toml: crate 1.10505 is DuckDB 1.5.5. Says nothing when the library is there.
set -eu

version=1.5.5-r.5

case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)
        platform=linux-x64 library=libduckdb.so
        sha512=902caae815e19fa4177f017cc957552ab8924873feadf556709e7a706f2a67394e669c72bd3e561a6ea332c871838762b4b94eb07b0837f0f8ed162b7235ee1d ;;
    Linux-aarch64 | Linux-arm64)
        platform=linux-arm64 library=libduckdb.so
        sha512=09a7c7d8022f5eda700f29c6dca07fe2e10e1d11a516807b6ae091308c07dc128d2286ec00d5792d2a43277b5fc9108522c2ba7bc013d5eb1e5959eed83bf773 ;;
    Darwin-x86_64)
        platform=darwin-x64 library=libduckdb.dylib
        sha512=acdd0a8d7d77330550e55e6e7f292896dcbfb5fe1269a7cea4659c500d427a07fdf233de45db09b0413520c5e7f27deee96bcc4991152661c9de66b81ebed5ce ;;
    Darwin-arm64)
        platform=darwin-arm64 library=libduckdb.dylib
        sha512=58975e2d3172e29460eb4ae46e9f6c9ad94fd62210f04aed2099314bed8b42d335659312072c96fb758fa4da0a7bb2303ed565d9f2e53f0eed0e6416e19f7be2 ;;
    *)
        echo "DuckDB's library is not published for $(uname -s) on $(uname -m): build it, and set DUCKDB_LIB_DIR to its folder." >&2
        exit 1 ;;
esac
name=@duckdb/node-bindings-$platform@$version

cd "$(dirname "$0")/.."
folder=.tools/duckdb
stamp=$folder/package/.fetched

if [ -f "$folder/package/$library" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$name" ]; then
    exit 0
fi

sum() {
    if command -v sha512sum >/dev/null; then sha512sum "$1"; else shasum -a 512 "$1"; fi | cut -d ' ' -f 1
}

mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

archive=$folder/duckdb-node-bindings-$platform-$version.tgz
if [ ! -f "$archive" ] || [ "$(sum "$archive")" != "$sha512" ]; then
    if ! command -v npm >/dev/null; then
        echo "DuckDB's library comes from an npm package: install Node.js 20 or later, then run \`make tools\` again." >&2
        exit 1
    fi
    echo "Fetching DuckDB's library ($name, about 25 MB) ..."
    npm pack --silent --pack-destination "$work" "$name" >/dev/null
    fetched=$(ls "$work"/*.tgz)
    if [ "$(sum "$fetched")" != "$sha512" ]; then
        echo "$name is not the file that it was: its SHA-512 is $(sum "$fetched")." >&2
        exit 1
    fi
    mv "$fetched" "$archive"
fi

tar -xzf "$archive" -C "$work"
if [ ! -f "$work/package/$library" ]; then
    echo "$name holds no $library." >&2
    exit 1
fi
echo "$name" >"$work/package/.fetched"
rm -rf "$folder/package"
mv "$work/package" "$folder/package"
echo "DuckDB's library is in $folder/package."
