"""Carry out the commands of a page as they stand there, against a Kubernetes API without nodes: `make check-cluster`."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from tools.helm import find

ROOT = Path(__file__).resolve().parent.parent
NEEDS_MORE = re.compile(r"^(docker|kind)\b|\b(exec|rollout|logs|port-forward)\b|^REPO=")
"""What no API server alone can do: images, and what waits for pods."""
SECONDS = 60


def kubeconfig(folder: Path, server: str, token: str) -> Path:
    """Write the file by which kubectl and Helm come to a server."""
    place = {"server": server, "insecure-skip-tls-verify": True}
    made = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "check", "cluster": place}],
        "users": [{"name": "check", "user": {"token": token}}],
        "contexts": [{"name": "check", "context": {"cluster": "check", "user": "check"}}],
        "current-context": "check",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(made), encoding="utf-8")
    return path


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page's code blocks in order, each on one line."""
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        yield from (line.strip() for line in block.replace("\\\n", " ").splitlines() if line.strip())


def follow(pages: list[Path], config: Path, folder: Path) -> tuple[int, list[str]]:
    """Carry out what can be; return how many commands that were, and what the first that failed said."""
    helm = find()
    assert helm is not None
    home = folder / "checkout"
    home.mkdir()
    (home / "deploy").symlink_to(ROOT / "deploy")
    shutil.copyfile(ROOT / "docs" / "examples" / "company.yaml", home / "company.yaml")
    environment = {**os.environ, "KUBECONFIG": str(config), "PATH": f"{helm.parent}:{os.environ['PATH']}"}
    done = 0
    for page in pages:
        for command in commands(page):
            if NEEDS_MORE.search(command):
                continue
            given = command.replace(" --wait", " --no-hooks")  # no Job ends here, and no pod becomes ready
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", given],
                cwd=home, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS,
            )  # fmt: skip
            if ran.returncode:
                return done, [f"{page.name}: {command}\n{(ran.stderr or ran.stdout)[-1500:]}"]
            done += 1
    return done, []
