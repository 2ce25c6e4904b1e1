"""`postroom migrate` on real MongoDB: all indexes of all services, once; what stands in the way is named."""

from typing import Any

import pytest
from postroom_runtime.cli import build
from pymongo import MongoClient
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.connected

INDEXES = {
    "analytics": {"rows_1": 6, "rollups_1": 1},
    "assigner": {"assignments": 2},
    "content": {"blobs": 1},
    "desk": {"conversations": 5, "events": 4, "requests": 1},
    "ingest": {"ledger": 1, "places": 2},
    "notifier": {"addresses": 1, "deliveries": 5, "receivers": 2},
    "router": {"contacts": 1, "conversations": 1},
}
"""How many indexes each collection has beside that of its ids."""


def migrate(uri: str, prefix: str, *services: str) -> Result:
    settings = {"POSTROOM_MONGO_URI": uri, "POSTROOM_DATABASE_PREFIX": prefix}
    return CliRunner().invoke(build("migrate"), ["migrate", *services], env=settings)


def test_makes_every_index_once_and_says_which(mongo_uri: str, database_prefix: str) -> None:
    first = migrate(mongo_uri, database_prefix)
    assert first.exit_code == 0, first.stderr
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        found = {
            service: {
                name: len(indexes) - 1
                for name in client[f"{database_prefix}{service}"].list_collection_names()
                if len(indexes := client[f"{database_prefix}{service}"][name].index_information()) > 1
            }
            for service in INDEXES
        }
    assert found == INDEXES
    assert "router     index contacts.contact" in first.stdout.splitlines()
    again = migrate(mongo_uri, database_prefix)
    assert [line.split(maxsplit=1) for line in again.stdout.splitlines()] == [
        [name, "nothing to do"] for name in ("analytics", "assigner", "desk", "ingest", "notifier", "router")
    ]


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
