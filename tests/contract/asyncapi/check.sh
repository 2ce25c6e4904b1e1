#!/bin/sh
# Checks contracts/asyncapi.json with @asyncapi/parser. Usage: check.sh [DOCUMENT]; exits 1 when it is not valid,
# 2 when Node is missing. The parser is installed once into build/asyncapi from the committed lock.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
document=${1:-$root/contracts/asyncapi.json}
for program in node npm; do
  command -v "$program" >/dev/null 2>&1 || {
    echo "$program is missing: install Node.js 20 or newer to check the AsyncAPI document" >&2
    exit 2
  }
done
home=$root/build/asyncapi
if ! cmp -s "$here/package-lock.json" "$home/installed-lock.json"; then
  mkdir -p "$home"
  cp "$here/package.json" "$here/package-lock.json" "$home/"
  npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund --silent >&2
  cp "$here/package-lock.json" "$home/installed-lock.json"
fi
exec node "$here/check.mjs" "$document" "$home"
