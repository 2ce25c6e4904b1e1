"""`postroom user`: on a real database, through the program."""

import asyncio
import base64
from datetime import UTC, datetime

import pytest
from postroom_contracts.configuration import ConfigurationApplied
from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_desk.adapters.identity_stores import identity_stores
from postroom_desk.audit.store import MongoAuditStore
from postroom_desk.identity.sessions import digest
from postroom_runtime import mongo
from postroom_runtime.cli import build
from postroom_runtime.settings import RuntimeSettings
from typer.testing import CliRunner

from tests.integration.desk.office import company

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)


async def test_people_are_let_in_reset_listed_and_put_out(mongo_uri: str, database_prefix: str) -> None:
    env = {"POSTROOM_MONGO_URI": mongo_uri, "POSTROOM_DATABASE_PREFIX": database_prefix}
    env |= {
        "POSTROOM_PUBLIC_URL": "https://desk.velo.test",
        "POSTROOM_SECRETS_KEY": base64.b64encode(bytes(32)).decode(),
    }

    async def user(*words: str, code: int = 0) -> str:
        """Run the command in a thread: it has a loop of its own."""
        done = await asyncio.to_thread(CliRunner().invoke, build("user"), ["user", *words], env=env)
        assert done.exit_code == code, done.output
        return str(done.output)

    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    try:
        database = mongo.database(client, settings, "desk")
        assert "run `postroom config apply FILE` first" in await user("add", "ana", code=1)
        first = ConfigurationApplied(configuration_version=1, applied_at=NOW, configuration=company())
        await MongoConfigurationStore(database).add(first)
        assert "nobody yet" in await user("list")
        link = (await user("add", "ana@velo.test")).splitlines()[-1]
        assert link.startswith("https://desk.velo.test/invitation/")
        stores = identity_stores(database)
        found = await stores.links.get(digest(link.rpartition("/")[2]), datetime.now(UTC))
        assert found is not None
        assert (found.agent_id, found.purpose) == ("ana", "invitation")
        assert found.made_by.startswith("command line")
        assert "no agent of the configuration" in await user("add", "nobody", code=2)
        assert "may not log in" in await user("reset", "ben", code=2)
        await stores.people.set_second_factor("ana", b"sealed", [], 0)
        assert "/reset/" in await user("reset", "ana", "--second-factor")
        person = await stores.people.get("ana")
        assert person is not None
        assert person.second_factor is None
        assert (await user("list")).split() == ["ana", "agent", "invited", "-"]
        env["POSTROOM_NOTIFIER_URL"] = "http://127.0.0.1:1"
        assert "the desk mails the link to ana@velo.test" in await user("reset", "ana")
        assert (await user("list")).split() == ["ana", "agent", "invited", "-", "reset", "mail", "waiting"]
        assert (await stores.letters.all())["ana"].made_by.startswith("command line")
        assert "/invitation/" in await user("add", "ana", "--print")
        assert "ana is out" in await user("disable", "ana")
        assert (await user("list")).split()[:4] == ["ana", "agent", "out", "-"]
        told = [(e["action"], e["about"]) async for e in MongoAuditStore(database).all()]
        assert told == [
            ("person-invited", "ana"),
            ("second-factor-taken-off", "ana"),
            ("reset-link-made", "ana"),
            ("reset-link-made", "ana"),
            ("person-invited", "ana"),
            ("person-disabled", "ana"),
        ]
    finally:
        await mongo.close(client)
