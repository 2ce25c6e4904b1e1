"""Batches on real Kafka and MongoDB become the rows and rollups that the same log gives in memory."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from postroom_contracts.business_time import to_epoch_ms
from postroom_contracts.events import encode_body, encode_headers

from tests.deployment import ServiceProcess
from tests.integration.analytics.conftest import Figures, ask, wait_for
from tests.integration.analytics.history import START, Chronicle, company, histories, mixed

pytestmark = pytest.mark.connected


async def test_a_conversation_becomes_rows_and_rollups(figures: Figures) -> None:
    one = Chronicle("c1")
    events = [one.customer(), one.assigned("ann")]
    one.later(660)
    events += [one.accepted("ann", "r1"), one.sent("r1")]
    one.later(1140)
    events.append(one.resolved("ann"))
    await figures.start()
    await figures.publish(events)
    await figures.settled()
    stored = await figures.stored()
    rows = {d["kind"]: d for d in stored["rows"].values()}
    # Monday 2026-03-02, Berlin opens at 09:00 (08:00Z): business time runs from the first message on.
    first, whole = rows["first_response"], rows["full_resolution"]
    assert (first["wall_ms"], first["business_ms"]) == (660_000, 660_000)
    assert first["credit"] == {"agent": "ann", "team": "care", "tags": ("support",)}
    assert (first["policy"], first["breached"]) == ("gold", False)
    assert first["closed_at"] == to_epoch_ms(START) + 660_000
    assert (whole["wall_ms"], rows["net_resolution"]["wall_ms"]) == (1_800_000, 1_800_000)
    assert rows["sla_resolution"]["outcome"] == "met"
    assert rows["conversation"]["closed_at"] == to_epoch_ms(START)
    for name in ("total all", "2026-03-02 agent ann", "total team care", "total tag support", "total inbox support"):
        kinds = stored["rollups"][name]["kinds"]
        assert (kinds["first_response"]["answered"], kinds["first_response"]["wall"]["sum"]) == (1, 660_000), name
    assert "now" not in stored["rollups"], stored["rollups"].get("now")  # it is resolved: every count is zero
    await figures.assert_equal_to_fold()


async def test_redelivery_from_the_first_offset_and_repeats_change_nothing(figures: Figures) -> None:
    events = mixed(histories(120, seed=2))
    process = await figures.start(POSTROOM_MAX_RECORDS="60")
    await figures.publish(events)
    await figures.assert_equal_to_fold()
    before = await figures.stored()
    await figures.again(events[::3])
    await figures.settled()
    assert await process.stop() == 0
    await figures.reset_offsets()
    assert await figures.lag() > len(events)
    await figures.start()
    await figures.settled()
    assert await figures.stored() == before


async def test_a_number_sent_again_behind_its_successors_is_waited_for(figures: Figures) -> None:
    one = Chronicle("c1")
    events = [one.customer()]
    one.later(600)
    events += [one.accepted("ann", "r1"), one.sent("r1")]
    await figures.start()
    figures.published = events
    await figures.again([events[1]])
    await figures.settled()
    assert (await figures.stored())["rollups"] == {}
    await figures.again([events[0], events[2]])  # the notifier, too, waits for the missing one before it sends
    await figures.assert_equal_to_fold()
    kinds = (await figures.stored())["rollups"]["total all"]["kinds"]
    assert kinds["first_response"]["wall"]["sum"] == 600_000


@pytest.mark.parametrize("step", ["analytics.written:2", "analytics.saved:2", "analytics.written:5"])
async def test_killed_at_a_step_it_loses_and_doubles_nothing(figures: Figures, step: str) -> None:
    events = mixed(histories(100, seed=3))
    await figures.publish(events[:300])
    process = figures.deployment.start("analytics", POSTROOM_KILL_AT=step, POSTROOM_MAX_RECORDS="25")
    await figures.deployment.killed(process)
    await figures.publish(events[300:])
    await figures.start(POSTROOM_MAX_RECORDS="25")
    await figures.assert_equal_to_fold()


async def test_replicas_that_come_and_go_equal_one(figures: Figures) -> None:
    events = mixed(histories(400, seed=4))

    slow = {"POSTROOM_MAX_RECORDS": "30"}
    first = await figures.start(**slow)

    async def come_and_go() -> ServiceProcess:
        second = await figures.start(**slow)
        first.kill()
        third = await figures.start(**slow)
        assert await second.stop() == 0
        return third

    third = await figures.publish_while(events, come_and_go(), 40)
    await figures.assert_equal_to_fold()
    assert third.process.poll() is None


async def test_an_unreadable_record_counts_as_seen(figures: Figures) -> None:
    figures.deployment.has_bad_records = True
    one = Chronicle("c1")
    opened = one.customer()
    one.later(60)
    broken = one.accepted("ann", "lost")
    one.later(60)
    rest = [one.accepted("ann", "r2"), one.sent("r2")]
    await figures.start()
    await figures.publish([opened])
    async with AIOKafkaProducer(bootstrap_servers=figures.deployment.settings.kafka_bootstrap) as producer:
        headers = encode_headers(broken)
        body = encode_body(broken.data)[:-20]
        await producer.send_and_wait(figures.topic, body, key=b"c1", headers=headers)
    await figures.publish(rest)
    await figures.settled()
    stored = await figures.stored()
    first = next(d for d in stored["rows"].values() if d["kind"] == "first_response")
    assert (first["wall_ms"], first["credit"]["agent"]) == (120_000, "ann")
    done = await asyncio.to_thread(figures.rebuild("--check").communicate, timeout=60)
    assert ", 0 figures differ, compared" in done[0], done


async def test_a_fact_of_a_version_that_has_not_come_waits_for_it(figures: Figures) -> None:
    known, unknown = Chronicle("c1"), Chronicle("c2", version=2)
    process = await figures.start()
    await figures.publish([known.customer()])
    await figures.settled()
    await figures.publish([unknown.customer()])
    await wait_for(
        lambda: 'postroom_consumer_waiting{group="analytics"} 1.0' in process.get("/metrics"), "the consumer waits"
    )
    assert ask(process, "/api/v1/metrics/conversations/c2")[0] == 404
    figures.configurations[2] = company()
    await figures.deployment.configure(company())
    await figures.assert_equal_to_fold()
    status, found = ask(process, "/api/v1/metrics/conversations/c2")
    assert (status, found["unattended"], found["volume"]) == (200, True, 1)
