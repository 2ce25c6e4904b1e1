"""`postroom migrate` on real MongoDB: all indexes of all services, once; what stands in the way is named."""

import asyncio
from typing import Any

import pytest
from postroom_assigner.app import Assigner
from postroom_desk.app import Desk
from postroom_ingest.app import Ingest
from postroom_notifier.app import Notifier
from postroom_router.app import Router
from postroom_runtime.cli import build
from postroom_runtime.index_names import expected_indexes
from pymongo import MongoClient
from pymongo.database import Database
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.connected

INDEXED = {
    "analytics": {"rows_1", "rollups_1"},
    "assigner": {"assignments"},
    "content": {"blobs"},
    "desk": {"conversations", "events", "requests"},
    "ingest": {"ledger", "places"},
    "notifier": {"addresses", "deliveries", "receivers"},
    "router": {"contacts", "conversations"},
}
"""Collections that have indexes beside that of their ids, by database; later releases may index more."""


def migrate(uri: str, prefix: str, *services: str) -> Result:
    settings = {"POSTROOM_MONGO_URI": uri, "POSTROOM_DATABASE_PREFIX": prefix}
    return CliRunner().invoke(build("migrate"), ["migrate", *services], env=settings)


def indexes(database: Database[dict[str, Any]]) -> list[str]:
    """Return `collection.index` of all indexes but those of ids."""
    names = {name: database[name].index_information() for name in database.list_collection_names()}
    return [f"{name}.{index}" for name, found in names.items() for index in found if index != "_id_"]


def test_makes_every_index_once_and_says_which(mongo_uri: str, database_prefix: str) -> None:
    first = migrate(mongo_uri, database_prefix)
    assert first.exit_code == 0, first.stderr
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        found = {service: indexes(client[f"{database_prefix}{service}"]) for service in INDEXED}
    for service, collections in INDEXED.items():
        assert collections <= {name.split(".")[0] for name in found[service]}, service
    made = [line.split()[-1] for line in first.stdout.splitlines() if " index " in line]
    assert sorted(made) == sorted(name for names in found.values() for name in names)
    assert "router     index contacts.contact" in first.stdout.splitlines()
    again = migrate(mongo_uri, database_prefix)
    assert [line.split(maxsplit=1) for line in again.stdout.splitlines()] == [
        [name, "nothing to do"] for name in ("analytics", "assigner", "desk", "ingest", "notifier", "router")
    ]


def test_what_doctor_asks_for_is_what_migrate_makes(mongo_uri: str, database_prefix: str) -> None:
    assert migrate(mongo_uri, database_prefix).exit_code == 0
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        for definition in (Assigner(), Desk(), Ingest(), Notifier(), Router()):
            found = indexes(client[f"{database_prefix}{definition.name}"])
            expected = asyncio.run(expected_indexes(definition))
            wanted = [f"{collection}.{index}" for collection, names in expected.items() for index in names]
            assert sorted(wanted) == sorted(found), definition.name


def test_an_index_that_is_in_the_way_is_named_and_what_was_made_stays(mongo_uri: str, database_prefix: str) -> None:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        client[f"{database_prefix}router"]["contacts"].create_index("other", name="contact")
    done = migrate(mongo_uri, database_prefix, "desk", "router")
    assert done.exit_code == 1
    assert "desk       index events." in done.stdout
    assert "error: router:" in done.stderr
    assert "contact" in done.stderr


def test_an_unknown_service_is_refused() -> None:
    done = migrate("mongodb://127.0.0.1:1", "x_", "ruoter")
    assert done.exit_code == 2
    assert "no service ruoter; installed: analytics, assigner" in done.stderr
