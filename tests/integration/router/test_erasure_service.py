"""An erasure by the router as a process that is killed at each of its steps: it comes to its end, and nothing stays."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from postroom_contracts.commands import EraseContact
from postroom_contracts.events import Event, new_event
from postroom_contracts.facts import ContentErased
from postroom_contracts.ids import content_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS
from postroom_contracts.values import Address
from postroom_runtime import mongo
from postroom_runtime.content_store import MongoContentStore
from pymongo import MongoClient

from tests.deployment import Deployment
from tests.integration.router.test_router_service import conversations, deliver
from tests.unit.router.build import ANN, configuration, inbound

pytestmark = pytest.mark.connected
STEPS = ("erasure.buried", "erasing.blobs_deleted")
PERSON = "cleo@example.test"


@pytest.fixture
async def house(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> AsyncIterator[Deployment]:
    async with Deployment(
        kafka_bootstrap, mongo_uri, topic_prefix, database_prefix, erasure_settle_seconds=1
    ) as deployment:
        await deployment.configure(configuration())
        yield deployment


async def store(house: Deployment, mails: list[InboundReceived]) -> None:
    client = mongo.connect(house.settings)
    content = MongoContentStore(mongo.database(client, house.settings, "content"))
    for mail in mails:
        file = {"blob_id": f"blob-{mail.message_id}"}
        people = {"from": mail.sender.model_dump(), "cc": [a.model_dump() for a in mail.cc]}
        await content.put([{"_id": content_id(mail.message_id), **people, "attachments": [file]}])
        await content.put_blobs({content_id(mail.ledger_id, "raw"): PERSON.encode(), file["blob_id"]: b"file"})
    await mongo.close(client)


def databases(house: Deployment) -> dict[str, list[dict[str, Any]]]:
    """Return every document of every collection of this deployment, by `database.collection`."""
    found: dict[str, list[dict[str, Any]]] = {}
    with MongoClient[dict[str, Any]](house.settings.mongo_uri.get_secret_value()) as client:
        for name in client.list_database_names():
            if name.startswith(house.settings.database_prefix):
                for collection in client[name].list_collection_names():
                    found[f"{name}.{collection}"] = list(client[name][collection].find())
    return found


async def done(house: Deployment, contact: str) -> dict[str, Any]:
    """Return the erasure when it is done."""
    async with asyncio.timeout(60):
        while True:
            rows = databases(house).get(f"{house.settings.database('router')}.erasures", [])
            if any(row["_id"] == contact and row["done_at"] for row in rows):
                return rows[0]
            await asyncio.sleep(0.2)


def _tells_of_messages(event: Event) -> bool:
    return isinstance(event.data, ContentErased) and bool(event.data.message_ids)


async def test_killed_at_each_step_an_erasure_comes_to_its_end_and_leaves_nothing(house: Deployment) -> None:
    mails = [inbound(f"m{n}") for n in range(3)]
    other = inbound("other", sender="dora@example.test", cc=[Address(address=PERSON, name="Cleo")])
    await store(house, [*mails, other])
    first = house.start("router")
    await first.ready()
    await deliver(house, [*mails, other])
    await house.wait_for_events(CONVERSATION_EVENTS, 4)
    await first.stop()
    stored = conversations(house).values()
    contact = next(c for d in stored for c, a in d["state"].get("participants", {}).items() if a == PERSON)
    command = new_event(
        EraseContact(actor=ANN, contact_id=contact),
        source=source_of("desk"),
        cause_id="erase",
        subject=contact,
        time=house.clock.now(),
    )
    await house.publisher.publish_events(CONVERSATION_COMMANDS, [command])
    for step in STEPS:
        dying = house.start("router", POSTROOM_KILL_AT=step)
        await house.killed(dying)
    await house.start("router").ready()
    erasure = await done(house, contact)
    assert (erasure["conversations"], erasure["key"]) == (4, None)
    everything = databases(house)
    left = [name for name, rows in everything.items() if PERSON in str(rows)]
    assert left == [
        f"{house.settings.database('content')}.blobs"
    ]  # the raw mail of somebody else, who wrote to her, too
    blobs = {row["blob"] for row in everything[left[0]]}
    assert blobs == {content_id(other.ledger_id, "raw"), f"blob-{other.message_id}"}
    facts = await house.wait_for_events(
        CONVERSATION_EVENTS, len(mails), where=_tells_of_messages
    )  # they follow the save
    erased = [fact.data for fact in facts if isinstance(fact.data, ContentErased)]
    assert {m for fact in erased for m in fact.message_ids} == {m.message_id for m in mails}
    assert {b for fact in erased for b in fact.blob_ids} == {f"blob-{m.message_id}" for m in mails}
