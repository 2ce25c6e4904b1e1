# Read by scripts that run a program of Node: where its packages lie, installed once from the committed lock.

# node_home NAME FOLDER PURPOSE: prints build/NAME, in which the packages of FOLDER/package-lock.json are; 2 when Node is missing.
node_home() {
  for program in node npm; do
    command -v "$program" >/dev/null 2>&1 || {
      echo "$program is missing: install Node.js 20 or newer $3" >&2
      return 2
    }
  done
  home=$root/build/$1
  if ! cmp -s "$2/package-lock.json" "$home/installed-lock.json"; then
    mkdir -p "$home"
    cp "$2/package.json" "$2/package-lock.json" "$home/"
    npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund --silent >&2 || return 1
    cp "$2/package-lock.json" "$home/installed-lock.json"
  fi
  echo "$home"
}
