"""Rules of the workspace that no linter knows."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from postroom_contracts.configuration import Configuration, MailAccount, WebhookAccount
from postroom_desk.settings import DeskSettings
from postroom_ingest.app import IngestSettings
from postroom_notifier.settings import NotifierSettings
from postroom_runtime.configuration_file import load_configuration, unresolved_secrets

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
        if p.suffix not in {".png", ".webp", ".gz"} and p.is_file()
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


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def test_compose_names_services_that_exist_and_pins_every_image(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert re.search(r":v?\d", service["image"]), f"{name} is not pinned"
        assert "healthcheck" in service or name in {"mail", "prometheus"}, name
        for wanted in service.get("depends_on", {}):
            assert wanted in compose["services"]
    run = {s["command"][1] for s in compose["services"].values() if s.get("command", [""])[0] == "run"}
    assert run == {"ingest", "router", "assigner", "notifier", "analytics", "desk"}


def test_what_compose_mounts_is_in_the_repository_and_volumes_are_declared(compose: dict[str, Any]) -> None:
    known = {str(p.relative_to(ROOT)) for p in tracked()}
    for name, service in compose["services"].items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            there = source in compose["volumes"] if not source.startswith(".") else source.removeprefix("./") in known
            assert there, f"{name} mounts {source}, which is not there"


def test_compose_starts_the_whole_by_itself_and_on_loopback_only(compose: dict[str, Any]) -> None:
    profiles = {name: service["profiles"] for name, service in compose["services"].items()}
    started = re.search(r"^COMPOSE_PROFILES=(.+)$", (ROOT / ".env").read_text(), re.MULTILINE)
    assert started is not None
    waiting = [name for name, chosen in profiles.items() if not {*chosen} & {*started[1].split(",")}]
    assert waiting == ["prometheus"]
    for name, service in compose["services"].items():  # nothing waits for what its own profile does not start
        assert all(profiles[other] == profiles[name] for other in service.get("depends_on", {})), name
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == len(set(ports)) > 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_sets_settings_that_exist(compose: dict[str, Any]) -> None:
    models = (DeskSettings, IngestSettings, NotifierSettings)
    known = {f"POSTROOM_{field}".upper() for model in models for field in model.model_fields}
    given = {name for name in compose["x-service"]["environment"] if name.startswith("POSTROOM_")}
    assert given - known == set()
    values = {k.removeprefix("POSTROOM_").lower(): v for k, v in compose["x-service"]["environment"].items()}
    for model in models:
        assert model(**values).kafka_bootstrap == "kafka:9092"


def test_links_that_the_desk_of_compose_prints_lead_to_its_port(compose: dict[str, Any]) -> None:
    desk = compose["services"]["desk"]
    (port,) = desk["ports"]
    assert desk["environment"]["POSTROOM_PUBLIC_URL"] == f"http://localhost:{port.split(':')[1]}"
    values = {k.removeprefix("POSTROOM_").lower(): v for k, v in desk["environment"].items()}
    assert DeskSettings(**values).public_url == "http://localhost:8080"
    assert values.items() >= {("kafka_bootstrap", "kafka:9092"), ("notifier_url", "http://notifier:8080")}


def test_the_company_of_compose_loads_and_points_at_its_services_and_secrets(compose: dict[str, Any]) -> None:
    environment = compose["x-service"]["environment"]
    company: Configuration = load_configuration(ROOT / "deploy/compose/company.yaml")
    assert unresolved_secrets(company, environment) == []
    assert {type(a) for a in company.accounts} == {MailAccount, WebhookAccount}
    ports = {str(port).rsplit(":", 1)[1] for port in compose["services"]["mail"]["ports"]}
    for account in company.accounts:
        if isinstance(account, MailAccount):
            assert account.imap is not None
            assert account.smtp is not None
            assert {account.imap.host, account.smtp.host} == {"mail"}
            assert {str(account.imap.port), str(account.smtp.port)} == ports
            users = compose["services"]["mail"]["environment"]["GREENMAIL_OPTS"]
            assert f"{environment['SUPPORT_MAIL_PASSWORD']}@{company.inboxes[0].address.partition('@')[2]}" in users
