"""The raw floor: the pipeline's hops with plain aiokafka and PyMongo in batches of 200, and nothing else.

`python -m benchmarks.floor STAGE RECIPE` runs one process: `route` (thread and decide, as the router does both),
`assign`, `analyse`. Each stage makes the records and documents of the recipe, found and written as the services do.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from postroom_runtime.settings import RuntimeSettings
from pymongo import AsyncMongoClient, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from benchmarks.recipe import Recipe, RecordTemplate

BATCH = 200


def conversation_of(record: ConsumerRecord) -> str:
    """The floor threads nothing: the feed says in a header which conversation it is."""
    return str(next(v for k, v in record.headers if k == "x-conversation").decode())


class Stage:
    """Connections and the loop of one consumer group."""

    def __init__(self, settings: RuntimeSettings, recipe: Recipe) -> None:
        self.settings = settings
        self.recipe = recipe
        self.client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            settings.mongo_uri.get_secret_value(), w="majority", journal=True
        )
        self.producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True, max_batch_size=131_072
        )

    def collection(self, name: str) -> Any:
        return self.client[self.settings.database("floor")][name]

    async def run(self, group: str, topics: list[str], work: Any) -> None:
        consumer = AIOKafkaConsumer(
            *(self.settings.topic(t) for t in topics),
            bootstrap_servers=self.settings.kafka_bootstrap,
            group_id=f"{self.settings.topic_prefix}{group}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            while True:
                fetched = await consumer.getmany(timeout_ms=200, max_records=BATCH)
                records = [r for part in fetched.values() for r in part]
                if not records:
                    continue
                await work(records)
                await consumer.commit(
                    {TopicPartition(tp.topic, tp.partition): part[-1].offset + 1 for tp, part in fetched.items()}
                )
        finally:
            await consumer.stop()

    async def send(self, topic: str, template: RecordTemplate, made: list[tuple[str, ConsumerRecord]]) -> None:
        futures = []
        for conversation, record in made:
            body = template.body.replace(template.conversation, conversation.encode())
            headers = [*template.headers, *((k, v) for k, v in record.headers if k.startswith("x-"))]
            futures.append(
                await self.producer.send(
                    self.settings.topic(topic), value=body, key=conversation.encode(), headers=headers
                )
            )
        if futures:
            await asyncio.gather(*futures)

    def copy(self, name: str, _id: str) -> dict[str, Any]:
        return {**self.recipe.documents[name], "_id": _id}

    async def find(self, name: str, ids: list[str]) -> set[str]:
        found = await self.collection(name).find({"_id": {"$in": ids}}, batch_size=len(ids) + 1).to_list(len(ids) + 1)
        return {d["_id"] for d in found}

    async def insert(self, name: str, ids: list[str]) -> None:
        if ids:
            try:
                await self.collection(name).bulk_write([InsertOne(self.copy(name, i)) for i in ids], ordered=False)
            except BulkWriteError:
                return

    async def replace(self, name: str, ids: list[str], session: Any = None) -> None:
        await self.collection(name).bulk_write(
            [ReplaceOne({"_id": i}, self.copy(name, i), upsert=True) for i in ids], ordered=False, session=session
        )


async def thread(stage: Stage, records: list[ConsumerRecord]) -> None:
    made, claims = [], []
    for record in records:
        body = json.loads(record.value)
        made.append((conversation_of(record), record))
        claims += [body["external_id"], *body["references"]]
    wanted = list(dict.fromkeys(claims))
    known = await stage.find("claims", wanted)
    await stage.insert("claims", [c for c in wanted if c not in known])
    await stage.send("conversation-commands", stage.recipe.records["accept"], made)


async def decide(stage: Stage, records: list[ConsumerRecord]) -> None:
    made = []
    for record in records:
        json.loads(record.value)
        made.append((conversation_of(record), record))
    conversations = list(dict.fromkeys(c for c, _ in made))
    await stage.find("conversations", conversations)
    contacts = [f"contact-{c}" for c in conversations]
    known = await stage.find("contacts", contacts)
    await stage.insert("contacts", [c for c in contacts if c not in known])
    await stage.replace("conversations", conversations)
    await stage.send("conversation-events", stage.recipe.records["received"], made)


async def assign(stage: Stage, records: list[ConsumerRecord]) -> None:
    received = [r for r in records if ("x-assigned", b"1") not in r.headers]
    if not received:
        return
    opened = []
    conversations = []
    for record in received:
        json.loads(record.value)
        conversation = conversation_of(record)
        conversations.append(conversation)
        if ("x-opens", b"1") in record.headers:
            opened.append((conversation, record))
    conversations = list(dict.fromkeys(conversations))
    await stage.find("assignments", conversations)
    agents = [f"agent-{n:03}" for n in range(200)]
    await stage.find("loads", agents)
    if opened:
        chosen = {agents[(hash(c) + n) % 200] for n, (c, _) in enumerate(opened)}
        await stage.collection("loads").bulk_write(
            [
                UpdateOne(
                    {"_id": a},
                    {"$inc": {"load": 1, "v": 1}, "$set": {"p": stage.recipe.documents["loads"].get("p", {})}},
                    upsert=True,
                )
                for a in chosen
            ],
            ordered=False,
        )
    await stage.replace("assignments", conversations)
    template = stage.recipe.records["assigned"]
    marked = RecordTemplate(template.body, [*template.headers, ("x-assigned", b"1")], template.conversation)
    await stage.send("conversation-events", marked, opened)


async def analyse(stage: Stage, records: list[ConsumerRecord]) -> None:
    by_conversation: dict[str, int] = {}
    cells: set[str] = set()
    for record in records:
        json.loads(record.value)
        by_conversation.setdefault(conversation_of(record), record.partition)
    conversations = list(by_conversation)
    for conversation, partition in by_conversation.items():
        cells.update(f"{cut}:{partition}" for cut in ("all", "inbox", "channel", "tag", "team"))
        cells.add(f"agent-{hash(conversation) % 200:03}:{partition}")
    await stage.find("states", conversations)
    async with stage.client.start_session() as session:
        await session.start_transaction(
            write_concern=WriteConcern("majority", j=True), read_concern=ReadConcern("snapshot")
        )
        await stage.collection("meta").find_one({"_id": "generation"}, session=session)
        await stage.replace("states", conversations, session)
        await stage.replace("rows", conversations, session)
        await stage.collection("rollups").bulk_write(
            [
                UpdateOne(
                    {"_id": c},
                    {"$inc": {"now.open": 1, "now.unattended": 1}, "$setOnInsert": {"scope": "total"}},
                    upsert=True,
                )
                for c in cells
            ],
            ordered=False,
            session=session,
        )
        await session.commit_transaction()


async def main(stage_name: str, recipe: Recipe) -> None:
    known = RuntimeSettings.model_fields
    names = {k.removeprefix("POSTROOM_").lower(): v for k, v in os.environ.items() if k.startswith("POSTROOM_")}
    stage = Stage(RuntimeSettings(**{k: v for k, v in names.items() if k in known}), recipe)  # type: ignore[arg-type]
    await stage.producer.start()
    for name in recipe.documents:  # made beforehand: a transaction cannot wait for a collection that is being made
        await stage.collection(name).update_one({"_id": "none"}, {"$set": {"n": 0}}, upsert=True)
    loops = {
        "route": [
            ("router-thread", ["inbound-messages"], thread),
            ("router-decide", ["conversation-commands"], decide),
        ],
        "assign": [("assigner", ["conversation-events"], assign)],
        "analyse": [("analytics", ["conversation-events"], analyse)],
    }[stage_name]
    Path(os.environ["POSTROOM_HTTP_PORT_FILE"]).write_text("0")
    await asyncio.gather(*(stage.run(group, topics, _bound(stage, work)) for group, topics, work in loops))


def _bound(stage: Stage, work: Any) -> Any:
    async def call(records: list[ConsumerRecord]) -> None:
        await work(stage, records)

    return call


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Recipe.load(Path(sys.argv[2]))))
