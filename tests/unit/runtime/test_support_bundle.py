"""A support bundle holds no planted secret, address or name, and says what it could not read."""

import json
import tarfile
from pathlib import Path

import pytest
from postroom_contracts.configuration import Configuration
from postroom_runtime import redaction
from postroom_runtime.findings import Finding
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.support_bundle import write_bundle
from pydantic import SecretStr

CANARY = "canary7f3a"
"""Stands in everything that must not leave the house."""


def settings() -> RuntimeSettings:
    return RuntimeSettings(
        kafka_user=f"{CANARY}@kafka.test",
        kafka_password=SecretStr(CANARY),
        mongo_uri=SecretStr(f"mongodb://{CANARY}:{CANARY}@mongo.test:27017/?replicaSet=rs0&authSource={CANARY}"),
        signing_keys=SecretStr(f"{CANARY}-of-sixteen-bytes"),
        traces_endpoint=f"http://{CANARY}:{CANARY}@collector.test:4318",
    )


def configuration() -> Configuration:
    address = f"{CANARY}@acme.test"
    return Configuration.model_validate(
        {
            "company": {"name": CANARY, "default_calendar": "c", "domain": f"{CANARY}.test", "answer_address": address},
            "calendars": [{"id": "c", "time_zone": "UTC", "hours": {}}],
            "accounts": [
                {
                    "id": "shop",
                    "channel": "email",
                    "imap": {"host": f"{CANARY}.test", "user": address, "password": {"env": CANARY}},
                }
            ],
            "inboxes": [
                {
                    "id": "shop",
                    "name": CANARY,
                    "account": "shop",
                    "address": address,
                    "teams": ["t"],
                    "signature": f"Yours, {CANARY}",
                }
            ],
            "teams": [{"id": "t", "name": CANARY, "members": ["ann"]}],
            "agents": [{"id": "ann", "first_name": CANARY, "email": address}],
            "rules": [
                {
                    "id": "r",
                    "when": {"field": "subject", "operator": "contains", "value": CANARY},
                    "then": {"priority": "high"},
                }
            ],
        }
    )


SPACED, CODED = "canary 7f3a spaced", "whsec_Y2FuYXJ5N2YzYQ=="
"""A password with blanks, as providers give them for programs, and a signing secret."""
LOG = f"""{{"event": "login refused", "error": "user {CANARY}@acme.test"}}
Authorization: Bearer {CANARY}
{{"password": "{CANARY}", "token": "{CANARY}"}}
mongodb://user:{CANARY}@mongo.test/ is away
api_key={CANARY}
<{CANARY}.o'neil+tag@sub.acme.test> wrote
{CANARY}@müller.test and {CANARY}@localhost
{{"password": "{CANARY} abcd {CANARY}", "event": "x"}}
Cookie: postroom_session={CANARY}; other={CANARY}
AUTHENTICATE XOAUTH2 {CANARY}
given: desk-token-of-somebody, refused: "{SPACED}" for {CANARY}, signed with {CODED}
key {"x" * 20}{CANARY}{"Y" * 30}==
{{"event": "handled", "correlation_id": "0b9ad2f6-6a1d-5b8e-9c55-0a7d2f4b1e11", "conversation": "c-1"}}
"""


def contents(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with tarfile.open(file) as bundle:
        for member in bundle:
            part = bundle.extractfile(member)
            assert part is not None
            found[member.name.removeprefix("postroom-support/")] = part.read().decode()
    return found


def test_no_planted_canary_is_in_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_API_TOKEN", CANARY)
    monkeypatch.setenv("POSTROOM_API_TOKENS", f"bot={CANARY}\nsomebody=desk-token-of-somebody")
    monkeypatch.setenv("MAIL_PASSWORD", CANARY)
    monkeypatch.setenv(CANARY, SPACED)
    log, file = tmp_path / "ingest.log", tmp_path / "bundle.tar.gz"
    log.write_text(LOG)
    findings = [Finding("configuration", True, f"version 3 of {CANARY}")]
    findings += [Finding("mailbox shop", False, f"refuses the log-in of {CANARY}@acme.test", f"mongodb://u:{CANARY}@h")]
    write_bundle(file, settings(), findings, configuration(), [log, tmp_path / "missing.log"], ["file:///etc/passwd"])
    found = contents(file)
    planted = (CANARY, SPACED, CODED, "abcd", "desk-token")
    assert [(name, one) for name, text in found.items() for one in planted if one in text] == []
    assert file.stat().st_mode & 0o777 == 0o600
    assert "mongodb://mongo.test:27017" in found["settings.json"]
    assert "POSTROOM_API_TOKEN" in found["environment.json"]
    assert "0b9ad2f6-6a1d-5b8e-9c55-0a7d2f4b1e11" in found["logs/1-ingest.log"], "ids lead from line to line"
    assert found["logs/2-missing.log"].startswith("not read: No such file")
    assert found["metrics/1.txt"] == "not read: no http address\n"
    form = json.loads(found["configuration.json"])
    assert form["accounts"] == {"count": 1, "with": ["id,imap"]}


def test_the_end_of_a_long_log_is_kept_in_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom_runtime.support_bundle.LOG_BYTES", 100)
    log, file = tmp_path / "log", tmp_path / "bundle"
    log.write_text("".join(f"line {n} of the log\n" for n in range(50)))
    write_bundle(file, RuntimeSettings(), [], None, [log], [])
    lines = contents(file)["logs/1-log"].splitlines()
    assert lines[-1] == "line 49 of the log"
    assert all(line.startswith("line ") for line in lines)


@pytest.mark.parametrize(
    "kept", ["c0ffee00" * 8, "0b9ad2f6-6a1d-5b8e-9c55-0a7d2f4b1e11", "inbound-messages/3@17", "a" * 39]
)
def test_ids_and_places_stay(kept: str) -> None:
    assert redaction.text(f"x {kept} y") == f"x {kept} y"
