"""Rules of the workspace that no linter knows."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name]


def test_the_gpl_mail_client_is_imported_by_ingest_alone() -> None:
    importing = {p for p in tracked("*.py") if re.search(r"^\s*(import|from) aioimaplib", p.read_text(), re.MULTILINE)}
    assert importing, "ingest's adapter imports it"
    assert all(p.is_relative_to(ROOT / "services" / "ingest") for p in importing)


def test_only_ingest_declares_the_gpl() -> None:
    licences = {p.parent.name: p.read_text() for p in tracked("*pyproject.toml") if p.parent != ROOT}
    assert {name for name, text in licences.items() if "GPL" in text} == {"ingest"}


def test_no_file_names_a_machine_s_path_or_a_registry_s_host() -> None:
    # Put together here so that this file does not hold what it looks for.
    hosts = ("files.python" + "hosted", "registry." + "npmjs", "repo1." + "maven")
    forbidden = re.compile("|".join(["/" + "work/", "/" + "root/", *hosts]))
    found = [
        f"{p.relative_to(ROOT)}:{n}"
        for p in tracked()
        if p.suffix not in {".png", ".gz"} and p.is_file()
        for n, line in enumerate(p.read_text(errors="replace").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_the_image_s_requirements_are_a_part_of_the_lock() -> None:
    image = (ROOT / "requirements-image.txt").read_text()
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^([a-z0-9.-]+==\S+)", image, re.MULTILINE)
    assert len(pins) > 30
    assert [p for p in pins if f"\n{p} " not in lock] == []


def test_compose_names_services_that_exist_and_pins_every_image() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for name, service in compose["services"].items():
        assert re.search(r":v?\d", service["image"]), f"{name} is not pinned"
        assert "healthcheck" in service or name in {"mail", "prometheus"}, name
        for wanted in service.get("depends_on", {}):
            assert wanted in compose["services"]
    run = {s["command"][1] for s in compose["services"].values() if s.get("command", [""])[0] == "run"}
    assert run == {"ingest", "router", "assigner", "notifier", "analytics", "desk"}
