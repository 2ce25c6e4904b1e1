#!/bin/sh
# Compiles dashboards against @grafana/schema with tsc --strict. Usage: check.sh FILE.json...; exits 1 when one does not fit
# Grafana's types, 2 when Node is missing. The types are installed once into build/grafana from the committed lock.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
. "$root/tests/node.sh"
home=$(node_home grafana "$here" "to check the dashboards") || exit $?
work=$(mktemp -d "$home/check.XXXXXX")
trap 'rm -rf "$work"' EXIT
# A JSON file holds the texts of an enumeration, which TypeScript takes for another type than its members.
cat >"$work/json.ts" <<'TYPES'
import type { Dashboard } from "@grafana/schema";
type Json<T> = T extends string
  ? `${T}`
  : T extends readonly (infer U)[]
    ? Json<U>[]
    : T extends object
      ? { [K in keyof T]: Json<T[K]> }
      : T;
export type JsonDashboard = Json<Dashboard>;
TYPES
for file in "$@"; do
  name=$(basename "$file" .json)
  {
    echo 'import type { JsonDashboard } from "./json.js";'
    printf 'export const dashboard: JsonDashboard = '
    cat "$file"
  } >"$work/$name.ts"
done
cd "$home"
./node_modules/.bin/tsc --noEmit --strict --skipLibCheck --module nodenext --moduleResolution nodenext "$work"/*.ts || exit 1
