#!/bin/sh
# Runs a certified OpenID provider for the test of single sign-on. Usage: provider.sh PORT; prints `ready` when it listens.
# Exits 2 when Node is missing. The provider is installed once into build/oidc from the committed lock.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
for program in node npm; do
  command -v "$program" >/dev/null 2>&1 || {
    echo "$program is missing: install Node.js 20 or newer to test single sign-on" >&2
    exit 2
  }
done
home=$root/build/oidc
if ! cmp -s "$here/package-lock.json" "$home/installed-lock.json"; then
  mkdir -p "$home"
  cp "$here/package.json" "$here/package-lock.json" "$home/"
  npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund --silent >&2
  cp "$here/package-lock.json" "$home/installed-lock.json"
fi
cp "$here/provider.mjs" "$home/"
exec node --no-warnings "$home/provider.mjs" "$1"
