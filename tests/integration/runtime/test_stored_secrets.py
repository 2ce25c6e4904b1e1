"""Stored secrets on a real database, through the program: set, read, rotated, removed, and never shown."""

import asyncio
import base64
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from postroom_contracts.configuration import Configuration, ConfigurationApplied, SecretReference
from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_desk.adapters.people_store import MongoPeople
from postroom_desk.audit.store import MongoAuditStore
from postroom_desk.identity.second_factor import sealed_name
from postroom_desk.settings_text import as_yaml
from postroom_runtime import mongo
from postroom_runtime.cli import build
from postroom_runtime.clock import ManualClock
from postroom_runtime.metrics import SECRETS_MISSING, SECRETS_OLD
from postroom_runtime.oauth_cipher import TokenCipher
from postroom_runtime.oauth_grants import MongoGrantStore, Tokens
from postroom_runtime.secret_cipher import Sealer
from postroom_runtime.secrets import MissingSecretError, resolve
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stored_secrets import DATABASE, MongoSecretStore, open_secrets
from typer.testing import CliRunner

from tests.integration.desk.office import company

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)
OLD, NEW = base64.b64encode(b"o" * 32).decode(), base64.b64encode(b"n" * 32).decode()
CANARY = "canary-f00d-5ecre7"


def naming(name: str) -> Configuration:
    """Return a company whose mail account's password is stored under `name`."""
    plain = company().model_dump(mode="json")
    plain["accounts"][0]["smtp"] |= {"user": "support", "password": {"stored": name}}
    return Configuration.model_validate(plain)


def secret(env: dict[str, str], *words: str, value: str = "", code: int = 0) -> str:
    command = [sys.executable, "-m", "postroom_runtime.cli", "secret", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **env}, input=value
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert CANARY not in said
    return said


async def checked(file: Path, env: dict[str, str]) -> str:
    """Return what `config check --secrets` complains of."""
    words = ["config", "check", str(file), "--secrets"]
    done = await asyncio.to_thread(CliRunner().invoke, build("config"), words, env=env)
    assert done.exit_code == int("problem" in done.stderr), done.output
    assert CANARY not in done.output
    return done.stderr if done.exit_code else ""


async def test_a_secret_is_set_used_rotated_and_removed(mongo_uri: str, database_prefix: str, tmp_path: Path) -> None:
    env = {"POSTROOM_MONGO_URI": mongo_uri, "POSTROOM_DATABASE_PREFIX": database_prefix}
    assert "openssl rand -base64 32" in secret(env, "set", "mail", value=CANARY, code=1)
    env["POSTROOM_SECRETS_KEY"] = OLD
    assert "{stored: mail}" in secret(env, "set", "mail", value=f"{CANARY}\n")
    assert "a name is made of" in secret(env, "set", "Mail", value="x", code=2)
    assert "is empty" in secret(env, "set", "mail", value="\n", code=2)

    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix, secrets_key=OLD)
    client = mongo.connect(settings)
    clock = ManualClock(datetime.now(UTC))
    try:
        store = MongoSecretStore(mongo.database(client, settings, DATABASE))
        desk = mongo.database(client, settings, "desk")
        file = tmp_path / "company.yaml"
        file.write_text(as_yaml(naming("mail")))
        assert await checked(file, env) == ""
        assert f"sealed with key {(await store.all())[0].key_id}" in await checked(
            file, {**env, "POSTROOM_SECRETS_KEY": NEW}
        )
        assert "set POSTROOM_SECRETS_KEY" in await checked(file, {**env, "POSTROOM_SECRETS_KEY": ""})
        file.write_text(as_yaml(naming("nothing")))
        assert "accounts[0].smtp.password: nothing is stored as nothing" in await checked(file, env)
        (kept,) = await store.all()
        assert CANARY.encode() not in kept.sealed
        used = open_secrets(client, settings, clock)
        await used.refresh(naming("mail"))
        assert resolve(SecretReference(stored="mail")) == CANARY
        secret(env, "set", "mail", value="another-one")
        await used.refresh(naming("mail"))
        assert resolve(SecretReference(stored="mail")) == "another-one"

        await MongoPeople(desk).add("ana")
        sealed = Sealer([b"o" * 32]).seal("totp", sealed_name("ana"))
        await MongoPeople(desk).set_second_factor("ana", sealed, [], 0)
        grants = mongo.database(client, settings, "grants")
        tokens = Tokens("access", NOW + timedelta(hours=1), "refresh")
        await MongoGrantStore(grants, TokenCipher([b"o" * 32]), clock).replace("mail", tokens)
        assert "under an older key" in secret({**env, "POSTROOM_SECRETS_KEY": f"{NEW},{OLD}"}, "list")
        told = secret({**env, "POSTROOM_SECRETS_KEY": f"{NEW},{OLD}"}, "rotate-key")
        assert "1 secrets, 1 second factors, 1 grants are under key" in told
        rotated = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix, secrets_key=NEW)
        await open_secrets(client, rotated, clock).refresh(naming("mail"))
        assert resolve(SecretReference(stored="mail")) == "another-one"
        person = await MongoPeople(desk).get("ana")
        assert person is not None
        assert Sealer([b"n" * 32]).open(person.second_factor or b"", sealed_name("ana")) == "totp"
        grant = await MongoGrantStore(grants, TokenCipher([b"n" * 32]), clock).load("mail")
        assert grant is not None
        assert grant.refresh_token == "refresh"

        applied = ConfigurationApplied(configuration_version=1, applied_at=NOW, configuration=naming("mail"))
        await MongoConfigurationStore(desk).add(applied)
        assert "refers to mail" in secret(env, "remove", "mail", code=1)
        assert "mail is removed" in secret(env, "remove", "mail", "--force")
        await used.refresh(naming("mail"))
        with pytest.raises(MissingSecretError, match="run `postroom secret set mail`"):
            resolve(SecretReference(stored="mail"))
        assert SECRETS_MISSING._value.get() == 1
        entries = [link async for link in MongoAuditStore(desk).all()]
        assert [(e["action"], e["about"]) for e in entries if e["action"] != "secrets-key-rotated"] == [
            ("secret-set", "mail"),
            ("secret-set", "mail"),
            ("secret-removed", "mail"),
        ]
        assert all(e["principal"].startswith("command line") for e in entries)
        assert len(entries) == 4
        assert CANARY not in repr(entries)
    finally:
        await mongo.close(client)


async def test_an_old_secret_is_called_old_once_a_day_and_one_under_a_lost_key_is_said(
    mongo_uri: str, database_prefix: str
) -> None:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix, secrets_key=NEW)
    client = mongo.connect(settings)
    clock = ManualClock(NOW)
    try:
        store = MongoSecretStore(mongo.database(client, settings, DATABASE))
        await store.put("aged", Sealer([b"n" * 32]).seal(CANARY, "aged"), NOW - timedelta(days=366), "tests")
        used = open_secrets(client, settings, clock)
        with structlog.testing.capture_logs() as said:
            await asyncio.gather(used.refresh(naming("aged")))
            await used.refresh(naming("aged"))
        assert [e["secrets"] for e in said] == [["aged"]]
        assert SECRETS_OLD._value.get() == 1
        await store.put("lost", Sealer([b"o" * 32]).seal(CANARY, "lost"), NOW, "tests")
        with structlog.testing.capture_logs() as said:
            await used.refresh(naming("lost"))
        with pytest.raises(MissingSecretError, match="not in POSTROOM_SECRETS_KEY"):
            resolve(SecretReference(stored="lost"))
        assert CANARY not in repr(said)
        assert CANARY not in repr(settings)
    finally:
        await mongo.close(client)
