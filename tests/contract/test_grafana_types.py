"""The dashboards before Grafana's own types. Fails, never skips, when Node is missing."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
DASHBOARDS = sorted((HERE.parents[1] / "deploy" / "monitoring" / "dashboards").glob("*.json"))


def compiled(*files: Path) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(HERE / "grafana" / "check.sh"), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


def test_every_dashboard_fits_the_types() -> None:
    done = compiled(*DASHBOARDS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


PLANTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "Type 'string' is not assignable to type 'number'": lambda d: d["panels"][1]["gridPos"].update(x="0"),
    "'\"titel\"' does not exist": lambda d: d["panels"][1].update(titel="Lag"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, tmp_path: Path) -> None:
    dashboard = json.loads(DASHBOARDS[0].read_text())
    PLANTED[fault](dashboard)
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(dashboard))
    done = compiled(broken)
    assert done.returncode == 1
    assert fault in done.stdout, done.stdout


def test_the_lock_names_no_download_address() -> None:
    lock = json.loads((HERE / "grafana" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("resolved" not in entry and entry["integrity"].startswith("sha512-") for entry in packages.values())
