"""The AsyncAPI document before the parser of the AsyncAPI initiative. Fails, never skips, when Node is missing."""

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "contracts" / "asyncapi.json"
CHECK = HERE / "asyncapi" / "check.sh"


def run(document: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path} if path is not None else None
    return subprocess.run(
        ["/bin/sh", CHECK, document], capture_output=True, text=True, timeout=150, check=False, env=environment
    )


def test_document_is_valid_and_whole() -> None:
    done = run(DOCUMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "channels 22 messages 69" in done.stdout


def test_the_parser_refuses_a_document_without_a_title(tmp_path: Path) -> None:
    document = json.loads(DOCUMENT.read_text())
    del document["info"]["title"]
    broken = tmp_path / "asyncapi.json"
    broken.write_text(json.dumps(document))
    done = run(broken)
    assert done.returncode == 1
    assert 'must have required property "title"' in done.stdout


def test_missing_node_is_named(tmp_path: Path) -> None:
    for program in ("dirname", "cmp"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    done = run(DOCUMENT, path=str(tmp_path))
    assert done.returncode == 2
    assert "node is missing" in done.stderr


def test_lock_names_no_download_address() -> None:
    lock = json.loads((HERE / "asyncapi" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("resolved" not in entry and entry["integrity"].startswith("sha512-") for entry in packages.values())
