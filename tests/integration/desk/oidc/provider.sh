#!/bin/sh
# Runs a certified OpenID provider for the test of single sign-on. Usage: provider.sh PORT; prints `ready` when it listens.
# Exits 2 when Node is missing. The provider is installed once into build/oidc from the committed lock.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
. "$root/tests/node.sh"
home=$(node_home oidc "$here" "to test single sign-on") || exit $?
cp "$here/provider.mjs" "$home/"
exec node --no-warnings "$home/provider.mjs" "$1"
