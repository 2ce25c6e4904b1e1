"""Make the virtual environment of the workspace: locked, hashed dependencies, then the workspace's own packages.

Only the standard library is used: this runs before anything is installed. A second run with nothing changed ends at once.
"""

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".ready"
LOCK = ROOT / "requirements.lock"
MINIMUM = (3, 11)


def packages() -> list[Path]:
    return sorted(p.parent for p in [*ROOT.glob("*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")])


def fingerprint() -> str:
    """Return a digest of everything that decides what is installed."""
    digest = hashlib.sha256(sys.version.encode())
    for path in [LOCK, *(p / "pyproject.toml" for p in packages())]:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def locked(name: str) -> str:
    """Return the lines of one package in the lock: its version and hashes."""
    lines, taking = [], False
    for line in LOCK.read_text().splitlines():
        if not line.startswith(" ") and not line.startswith("#"):
            taking = line.startswith(f"{name}==")
        if taking and not line.lstrip().startswith("#"):
            lines.append(line)
    return "\n".join(lines) + "\n"


def run(*command: str) -> None:
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(
            f"error: {' '.join(command[:4])} ... ended with {done.returncode}:\n{(done.stderr or done.stdout)[-2000:]}\n"
            "Is there a connection to the package registry (PyPI)? What was installed once is kept; run the command again."
        )


def main() -> None:
    if sys.version_info < MINIMUM:
        sys.exit(f"error: Python {'.'.join(map(str, MINIMUM))} or newer is needed; this is {platform.python_version()}")
    wanted = fingerprint()
    if not (STAMP.exists() and STAMP.read_text() == wanted):
        make_environment(wanted)
    fetch_assets()


def fetch_assets() -> None:
    """Fetch what the console loads in the browser; without a connection all else works, and the page says what is missing."""
    done = subprocess.run([str(VENV / "bin" / "python"), str(ROOT / "services/desk/web_assets.py")], check=False)
    if done.returncode:
        print("warning: the console shows whole pages only, until `make setup` has fetched its assets", flush=True)


def make_environment(wanted: str) -> None:
    print("making the virtual environment .venv", flush=True)
    if not (VENV / "bin" / "python").exists():
        venv.create(VENV, with_pip=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as only_uv:
        only_uv.write(locked("uv"))
        only_uv.flush()
        pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        run(*pip, "--require-hashes", "-r", only_uv.name)
    uv = str(VENV / "bin" / "uv")
    print("installing locked dependencies", flush=True)
    run(uv, "pip", "install", "-q", "--require-hashes", "-r", str(LOCK))
    print("installing the workspace's packages", flush=True)
    editable = [argument for path in packages() for argument in ("-e", str(path))]
    run(uv, "pip", "install", "-q", "--no-deps", "--no-build-isolation", *editable)
    STAMP.write_text(wanted)


if __name__ == "__main__":
    main()
