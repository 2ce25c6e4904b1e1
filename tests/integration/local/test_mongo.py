"""The embedded MongoDB is a replica set: transactions work, and what was acknowledged survives a crash."""

from collections.abc import Callable
from typing import Any

import pytest
from postroom_local.mongo import MongoServer
from pymongo import MongoClient, WriteConcern
from pymongo.client_session import ClientSession

pytestmark = pytest.mark.connected


def connect(uri: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, serverSelectionTimeoutMS=15_000)


def test_a_transaction_is_all_or_nothing(mongo_uri: str, database_prefix: str) -> None:
    class Halfway(Exception):  # noqa: N818
        pass

    with connect(mongo_uri) as client, client.start_session() as session:
        database = client[f"{database_prefix}bank"]
        database.accounts.insert_one({"_id": 1})

        def fail_halfway(inner: ClientSession) -> None:
            database.accounts.insert_one({"_id": 2}, session=inner)
            raise Halfway

        with pytest.raises(Halfway):
            session.with_transaction(fail_halfway)
        session.with_transaction(lambda inner: database.accounts.insert_one({"_id": 3}, session=inner))
        assert sorted(row["_id"] for row in database.accounts.find()) == [1, 3]


def test_the_databases_of_a_test_are_its_own(mongo_uri: str, database_prefix: str) -> None:
    with connect(mongo_uri) as client:
        assert not [name for name in client.list_database_names() if name.startswith(database_prefix)]


def test_journalled_writes_survive_kill_and_restart_on_the_same_port(mongo_server: Callable[..., MongoServer]) -> None:
    server = mongo_server()
    uri = server.uri
    with connect(uri) as client:
        letters = client.post.get_collection("letters", write_concern=WriteConcern("majority", j=True))
        letters.insert_one({"_id": "first"})
        server.kill()
        assert server.pid is None
        server.start()
        assert server.uri == uri
        assert [row["_id"] for row in letters.find()] == ["first"]
        letters.insert_one({"_id": "second"})


def test_data_opens_at_another_port(mongo_server: Callable[..., MongoServer]) -> None:
    server = mongo_server()
    with connect(server.uri) as client:
        client.post.letters.insert_one({"_id": "first"})
    server.stop()
    moved = MongoServer(server.data_dir)
    assert moved.port != server.port
    moved.start()
    try:
        with connect(moved.uri) as client:
            client.post.letters.insert_one({"_id": "second"})
            assert sorted(row["_id"] for row in client.post.letters.find()) == ["first", "second"]
    finally:
        moved.kill()
