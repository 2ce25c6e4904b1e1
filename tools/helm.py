"""Find Helm, or build it: `python3 tools/helm.py` (a minute on two cores) puts it where `find` looks. Standard library only."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "v3.22.0"
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "postroom" / f"helm-{VERSION}"


def find() -> Path | None:
    """Return the Helm that the tests use: the one on the PATH if there is one, else ours; None without either."""
    on_path = shutil.which("helm")
    return Path(on_path) if on_path else found if (found := HOME / "helm").exists() else None


def main() -> None:
    if find() is not None:
        return
    if shutil.which("go") is None:
        sys.exit(f"error: neither helm nor go is here: install Helm {VERSION}, or Go to build it")
    print(f"building helm {VERSION}", flush=True)
    package = f"helm.sh/helm/v3/cmd/helm@{VERSION}"
    command = ["go", "install", "-trimpath", "-ldflags", "-s -w", package]
    done = subprocess.run(command, env={**os.environ, "GOBIN": str(HOME)}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(command[:2])} {package} ended with {done.returncode}:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
