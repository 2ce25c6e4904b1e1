"""What a running service says of itself: lag, readiness, retention; and that a build that fails half-way leaves nothing."""

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import Outgoing, Publisher, client_options, create_topics
from postroom_runtime.retention import retention_faults
from postroom_runtime.service import Runtime
from prometheus_client import REGISTRY

from tests.integration.runtime.support import Bench, publisher, until, until_states
from tests.integration.runtime.test_rebalance import spread
from tests.integration.runtime.toy import GROUP, Toy, note

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def lag(topic: str) -> float:
    series = (s for m in REGISTRY.collect() for s in m.samples if s.name == "postroom_consumer_lag_records")
    return sum(s.value for s in series if s.labels["topic"] == topic)


async def test_lag_rises_while_the_consumer_is_stuck_and_falls_to_nothing(bench: Bench) -> None:
    toy = Toy(delay_seconds=20.0)
    async with bench.member(toy) as runtime:
        await until(lambda: runtime.lag_seconds() == 0, "the first look found nothing to do")
        await bench.publish([note("c1", "m1", NOW)])
        await until(lambda: bool(toy.decider.batches), "the handler is stuck")
        await bench.publish([note("c1", f"m{n}", NOW) for n in range(2, 12)])
        await until(lambda: lag(bench.commands) == 11, "eleven records are behind")
        await until(lambda: runtime.lag_seconds() > 3, "their age rises")
        assert all(runtime.readiness().values()), "a slow handler is no reason to be taken out"
        toy.decider.delay_seconds = 0
        (consumer,) = runtime.consumers
        assert consumer._work is not None
        consumer._work.cancel()  # as the limit of a batch does
        await until_states(bench, {"c1": [f"m{n}" for n in range(1, 12)]})
        await until(lambda: lag(bench.commands) == 0 and runtime.lag_seconds() == 0, "no lag is left")


async def test_lag_of_a_backlog_at_the_start_holds_timers_back_until_it_is_worked_off(bench: Bench) -> None:
    await bench.publish([note("c1", f"m{n}", NOW) for n in range(5)])
    async with bench.member(Toy(delay_seconds=1.0)) as runtime:
        assert runtime.lag_seconds() > 5
        await until(lambda: runtime.lag_seconds() == 0, "the backlog is worked off")
        assert bench.states() == {"c1": [f"m{n}" for n in range(5)]}


async def test_a_dead_consume_loop_turns_readiness_red_and_ends_the_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroom_runtime.service.GIVE_UP_SECONDS", 0.5)
    async with bench.member() as runtime:
        assert all(runtime.readiness().values())
        ((subscriber, _),) = runtime._subscribers
        subscriber.tasks[0].cancel()
        await until(lambda: not runtime.readiness()["polling"], "readiness turns red")
        await asyncio.wait_for(runtime.failed.wait(), 20)


async def test_a_consumer_that_does_not_poll_turns_readiness_red(bench: Bench) -> None:
    async with bench.member() as runtime:
        (consumer,) = runtime.consumers
        consumer.last_poll_at -= 1000
        assert not runtime.readiness()["polling"]
        await until(lambda: runtime.readiness()["polling"], "the next poll turns it green")


async def set_retention(bench: Bench, value: str) -> None:
    admin = AIOKafkaAdminClient(**client_options(bench.settings))
    await admin.start()
    name = bench.topic(CONVERSATION_EVENTS.name)
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": value})])
    await admin.close()


async def test_readiness_refuses_a_broker_that_would_delete_the_truth(bench: Bench) -> None:
    await set_retention(bench, "604800000")

    async def faulty() -> bool:  # the brokers learn of it after the answer
        return bool(await retention_faults(bench.settings))

    await until(faulty, "the broker says what it was told")
    async with bench.member() as runtime:
        assert not runtime.readiness()["retention"]
        (fault,) = await retention_faults(bench.settings)
        name = bench.topic(CONVERSATION_EVENTS.name)
        assert f"{name} has retention.ms=604800000" in fault
        assert f"--entity-name {name} --add-config retention.ms=-1" in fault
        await set_retention(bench, "-1")

        async def mended() -> bool:
            return not await faulty()

        await until(mended, "the broker says what it was told")
        await runtime.check_retention()
        assert all(runtime.readiness().values())


async def test_a_build_that_fails_half_way_leaves_no_second_of_anything(bench: Bench) -> None:
    class Flaky(Toy):
        attempts = 0
        closed = 0
        running = 0

        async def build(self, runtime: Runtime) -> None:
            await super().build(runtime)
            runtime.on_stop(self.close)
            runtime.background("loop", self.loop)
            self.attempts += 1
            if self.attempts < 3:
                raise InfrastructureError("MongoDB is not up yet")

        async def close(self) -> None:
            self.closed += 1

        async def loop(self) -> None:
            self.running += 1
            await asyncio.sleep(1000)

    toy = Flaky()
    async with bench.member(toy) as runtime:
        assert (toy.attempts, toy.closed) == (3, 2)
        assert len(runtime.consumers) == 1
        await until(lambda: toy.running > 0, "the loop runs")
        assert toy.running == 1
        notes, expected = spread(30, 3)
        await bench.publish(notes)
        await until_states(bench, expected)
    assert toy.closed == 3


async def test_a_producer_whose_partition_refused_a_batch_is_replaced_and_goes_on(bench: Bench) -> None:
    """The refused batch's numbers are missing: the broker would refuse everything that this producer sends after it."""
    name = bench.commands
    async with publisher(bench.settings) as out:
        first = out._producer
        with pytest.raises(Exception, match="larger than"):
            await out.publish([Outgoing(name, b"k", b"x" * 1_500_000, [])], max_bytes=2_000_000)
        await out.publish([Outgoing(name, b"k", b"%d" % n, []) for n in range(3)])
        assert out._producer is not first
    assert [r.value for r in await bench.records("conversation-commands")] == [b"0", b"1", b"2"]


async def test_publishing_with_kafka_away_ends_in_time_and_sends_nothing_old_later(bench: Bench) -> None:
    settings = bench.settings.model_copy(update={"publish_timeout_seconds": 1.0})
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    async with publisher(settings) as out:
        assert out._producer is not None
        blocked = out._producer._sender
        blocked._muted_partitions = _Everything()  # its records stay where they are, as with a leader that is away
        with pytest.raises(InfrastructureError, match="TimeoutError"):
            await out.publish([Outgoing(bench.commands, b"k", b"old", [])])
        out._settings = bench.settings  # the second was for what cannot succeed
        await out.publish([Outgoing(bench.commands, b"k", b"new", [])])
        await out.probe()
    assert [r.value for r in await bench.records("conversation-commands")] == [b"new"]
    del blocked
    gc.collect()
    assert complaints == [], "an outage brings no errors of asyncio into the log"


class _Everything(set[object]):
    def __contains__(self, _: object) -> bool:
        return True


async def test_probe_says_no_when_no_broker_answers(bench: Bench) -> None:
    nowhere = Publisher(bench.settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"}))
    nowhere._started = True
    with pytest.raises(InfrastructureError):
        await nowhere.probe()
    await nowhere.stop()


async def make_anew(bench: Bench) -> None:
    """Delete the topic of commands and create it again; its offsets begin at 0."""
    admin = AIOKafkaAdminClient(**client_options(bench.settings))
    await admin.start()
    try:
        await admin.delete_topics([bench.commands])
        await until(lambda: _gone(admin, bench.commands), "the topic is deleted")
        await create_topics(bench.settings, [CONVERSATION_COMMANDS])
    finally:
        await admin.close()


async def _gone(admin: AIOKafkaAdminClient, topic: str) -> bool:
    return topic not in await admin.list_topics()


@pytest.mark.parametrize("stands_still", [False, True], ids=["it looks on", "it stands still meanwhile"])
async def test_topic_made_anew_under_a_running_service_ends_it_and_nothing_is_taken_for_a_repeat(
    bench: Bench, stands_still: bool
) -> None:
    before, after = [f"m{n}" for n in range(20)], [f"n{n}" for n in range(5)]

    async def begin_anew() -> None:
        await make_anew(bench)
        await bench.publish([note("c1", message, NOW) for message in after])

    async with bench.member() as runtime:
        await bench.publish([note("c1", message, NOW) for message in before])
        await until_states(bench, {"c1": before})
        await until(lambda: runtime.lag_seconds() == 0, "all of it is committed")
        if stands_still:  # as a process that is starved: it never sees that the topic is away
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, begin_anew()).result(60)
        else:
            await begin_anew()
        await asyncio.wait_for(runtime.failed.wait(), 30)
        assert not runtime.readiness()["consumers"]
        assert bench.states() == {"c1": before}
    async with bench.member():
        await until_states(bench, {"c1": before + after})


async def test_two_processes_never_hold_one_lease(bench: Bench) -> None:
    """Though they have host and number in common, as processes of containers on the host's network have."""
    toy = Toy(decides=False)
    async with bench.member(toy) as one, bench.member(toy) as two:
        assert await one.leases.acquire("timers", 60) is not None
        assert await two.leases.acquire("timers", 60) is None


async def test_groups_are_named_behind_the_prefix(bench: Bench) -> None:
    async with bench.member() as runtime:
        await bench.publish([note("c1", "m", NOW)])
        await until_states(bench, {"c1": ["m"]})
        await until(lambda: runtime.lag_seconds() == 0, "it is committed")
    assert sum((await bench.committed(GROUP.name)).values()) == 1
