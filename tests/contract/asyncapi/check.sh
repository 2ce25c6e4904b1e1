#!/bin/sh
# Checks contracts/asyncapi.json with @asyncapi/parser. Usage: check.sh [DOCUMENT]; exits 1 when it is not valid,
# 2 when Node is missing. The parser is installed once into build/asyncapi from the committed lock.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
document=${1:-$root/contracts/asyncapi.json}
. "$root/tests/node.sh"
home=$(node_home asyncapi "$here" "to check the AsyncAPI document") || exit $?
exec node "$here/check.mjs" "$document" "$home"
