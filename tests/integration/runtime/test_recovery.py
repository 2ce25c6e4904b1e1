"""The steps of `postroom recover`, each by itself; `make check-disaster` carries all of them out on the whole house."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaConsumer
from postroom_contracts.topics import CONVERSATION_EVENTS, all_topics
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.kafka import Publisher, client_options, create_topics
from postroom_runtime.recovery import Recovery, ServiceRecovery
from postroom_runtime.recovery_steps import (
    ServicesRunningError,
    forget_positions,
    pass_over,
    publish_pending,
    read_ends,
    require_stopped,
    reset_offsets,
)
from postroom_runtime.settings import RuntimeSettings

from tests.integration.runtime.support import Bench, until, until_states
from tests.integration.runtime.toy import FOLLOWERS, Toy, note, noted

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROUTER = "/postroom/router"


async def _folds(recovery: Recovery) -> dict[str, tuple[str, ...]]:
    return {FOLLOWERS.name: ("followed", "figures")}


TOY = ServiceRecovery("toy", folds=_folds)


@asynccontextmanager
async def recovering(settings: RuntimeSettings, since: datetime = NOW) -> AsyncIterator[Recovery]:
    client, publisher = mongo.connect(settings), Publisher(settings)
    await publisher.start()
    try:
        yield Recovery(settings, SystemClock(), client, publisher, since)
    finally:
        await publisher.stop()
        await mongo.close(client)


async def test_a_reader_that_waits_for_a_lost_fact_goes_on_and_one_that_has_it_is_told_nothing(bench: Bench) -> None:
    facts = [noted("c1", "m1", NOW, 1), noted("c1", "m4", NOW, 4), noted("c2", "n1", NOW, 1)]
    await bench.publish(facts, CONVERSATION_EVENTS)
    toy = Toy(decides=False, follows=True)
    async with bench.member(toy):
        await until_states(bench, {"c1": ["m1"], "c2": ["n1"]}, collection="followed")

        async def waits() -> bool:
            return len(bench.notes("followed")["c1"]["ahead"]) == 1

        await until(waits, "the fourth waits for the second")
    async with recovering(bench.settings) as recovery:
        await recovery.read_log()
        lost = {("c1", ROUTER): recovery.log.of("c1", ROUTER).missing(4), ("c2", ROUTER): [1]}
        assert lost["c1", ROUTER] == [2, 3]
        figures = mongo.database(recovery.client, bench.settings, "toy")["figures"]
        have = [{"_id": "c1", "sequences": {ROUTER: 3}}, {"_id": "c2", "sequences": {ROUTER: 1}}]
        await figures.insert_many(have)  # the form of the figures: they have them all
        assert await pass_over(recovery, [TOY], lost) == 2  # not of c2, whose first fact it has
    async with bench.member(Toy(decides=False, follows=True)):
        await until_states(bench, {"c1": ["m1", "m4"], "c2": ["n1"]}, collection="followed")
        await bench.publish([noted("c1", "m5", NOW, 5)], CONVERSATION_EVENTS)
        await until_states(bench, {"c1": ["m1", "m4", "m5"], "c2": ["n1"]}, collection="followed")


async def test_output_that_only_a_document_holds_comes_to_a_new_log_once(bench: Bench) -> None:
    await bench.publish([note("c1", "m1", NOW), note("c2", "n1", NOW)])
    async with bench.member():
        await until_states(bench, {"c1": ["m1"], "c2": ["n1"]})
    other = bench.settings.model_copy(update={"topic_prefix": f"{bench.settings.topic_prefix}new-"})
    await create_topics(other, [CONVERSATION_EVENTS])
    with_old_names = bench.notes()
    async with recovering(other) as recovery:
        collection = mongo.database(recovery.client, other, "toy")["notes"]
        for key, document in with_old_names.items():  # the same names on a cluster that is empty
            renamed = [{**p, "t": recovery.publisher.topic(CONVERSATION_EVENTS)} for p in document["out"]]
            await collection.update_one({"_id": key}, {"$set": {"out": renamed}})
        assert await recovery.read_log() == 0
        assert await publish_pending(recovery, collection) == ["2 facts and 0 commands published that only it held"]
        assert await publish_pending(recovery, collection) == []
        assert await recovery.read_log() == 2
        assert (1 in recovery.log.of("c1", ROUTER), 2 in recovery.log.of("c1", ROUTER)) == (True, False)


async def test_a_command_at_a_place_that_was_taken_before_the_topic_was_restored_is_carried_out(bench: Bench) -> None:
    await bench.publish([note("c1", "m1", NOW)])
    async with bench.member():
        await until_states(bench, {"c1": ["m1"]})
    [stream] = bench.notes()["c1"]["applied"]
    async with recovering(bench.settings) as recovery:
        collection = mongo.database(recovery.client, bench.settings, "toy")["notes"]
        ahead = {f"applied.{stream}": 700}  # as if the topic had been restored to a moment before
        await collection.update_one({"_id": "c1"}, {"$set": ahead})
        recovery.ends = await read_ends(bench.settings)
        said = await forget_positions(recovery, collection)
        assert said == ["1 positions forgotten that the restored topics have not reached yet"]
        assert bench.notes()["c1"]["applied"] == {stream: 0}
        assert await forget_positions(recovery, collection) == []
    await bench.publish([note("c1", "m2", NOW)])
    async with bench.member():
        await until_states(bench, {"c1": ["m1", "m2"]})


async def test_it_refuses_while_a_group_has_members_and_lets_groups_read_again_since_the_backup(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> None:
    settings = RuntimeSettings(
        kafka_bootstrap=kafka_bootstrap,
        mongo_uri=mongo_uri,
        topic_prefix=topic_prefix,
        database_prefix=database_prefix,
        partitions=1,
    )
    await create_topics(settings, all_topics())
    topic, group = settings.topic(CONVERSATION_EVENTS.name), f"{topic_prefix}desk"
    async with recovering(settings) as recovery:
        await recovery.publisher.publish_events(CONVERSATION_EVENTS, [noted("c1", f"m{n}", NOW, n) for n in (1, 2, 3)])
        member = AIOKafkaConsumer(
            topic,
            **client_options(settings),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await member.start()
        try:
            for _ in range(3):
                await member.getone()
            await member.commit()
            with pytest.raises(ServicesRunningError, match=r"these groups have members: desk$"):
                await require_stopped(recovery, patience_seconds=0)
        finally:
            await member.stop()
        await require_stopped(recovery)
        recovery.since = SystemClock().now() - timedelta(hours=1)
        lines = await reset_offsets(recovery)
        assert "group desk: 2 partitions read again" in lines  # of the log, and of its replay topic
        assert await reset_offsets(recovery) == []
        again = AIOKafkaConsumer(**client_options(settings), group_id=group, enable_auto_commit=False)
        await again.start()
        try:
            again.subscribe([topic])
            assert (await again.getone()).offset == 0
        finally:
            await again.stop()
