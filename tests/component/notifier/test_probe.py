"""A probe ends as seen, lost or not sent, and says how far it came."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from postroom_contracts.configuration import ConfigurationApplied, MailAccount
from postroom_contracts.events import Data, new_event
from postroom_contracts.examples import event_of
from postroom_contracts.facts import MessageReceived
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import BY_TYPE
from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import Accepted, SendOutcome, TryAgain
from postroom_notifier.probe import prober
from postroom_notifier.probe.prober import FOLLOWED, Prober
from postroom_notifier.probe.settings import ProbeSettings
from postroom_runtime.clock import ManualClock
from postroom_runtime.configuration_feed import Configurations
from prometheus_client import REGISTRY

from tests.unit.ingest.test_probes import COMPANY, KEYS

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def example(model: type[Data], **changes: Any) -> Data:
    return event_of(BY_TYPE[model.type_name()]).data.model_copy(update=changes)


class World:
    """The way of a mail as doubles: `reaches` is the last stage that it comes to."""

    def __init__(self, reaches: str, lost_after_seconds: float = 120) -> None:
        self.reaches = reaches
        self.asked: list[tuple[str, str, str]] = []
        self.sent = 0
        self.position_now = "0:5"
        configurations = Configurations()
        configurations.add(ConfigurationApplied(configuration_version=1, applied_at=NOW, configuration=COMPANY))
        settings = ProbeSettings(probe_timeout_seconds=lost_after_seconds)
        self.prober = Prober(settings, configurations, self, self, ManualClock(NOW), KEYS)  # type: ignore[arg-type]

    async def send(self, account: MailAccount, mail: OutgoingMail) -> SendOutcome:
        self.sent += 1
        if self.reaches == "nothing":
            return TryAgain("unreachable", unreachable=True)
        external_id = next(line for line in mail.body.decode().splitlines() if line.startswith("Message-ID"))[13:-1]
        if self.reaches != "sent":
            self.take(example(InboundReceived, external_id=external_id, message_id="m1", probe=True), "shop")
        if self.reaches in ("routed", "seen"):
            self.take(example(MessageReceived, message_id="m1", probe=True), "conversation-1")
        return Accepted()

    def take(self, data: Data, subject: str) -> None:
        self.prober.sightings.take(new_event(data, source="/postroom/x", cause_id="c", subject=subject, time=NOW))

    async def position(self) -> str:
        return self.position_now

    async def shows(self, conversation_id: str, message_id: str, since: str) -> bool:
        self.asked.append((conversation_id, message_id, since))
        return self.reaches == "seen" and len(self.asked) > 1

    async def probe(self, account_id: str) -> str:
        account = COMPANY.accounts[0]
        assert isinstance(account, MailAccount)
        return await self.prober.probe(account.model_copy(update={"id": account_id}), "shop@acme.test")


def counted(account: str, stage: str) -> float | None:
    return REGISTRY.get_sample_value("postroom_probe_seconds_count", {"account": account, "stage": stage})


async def test_a_probe_is_seen_when_the_desk_shows_it() -> None:
    world = World("seen")
    assert await world.probe("probe-1") == "seen"
    assert world.asked == [("conversation-1", "m1", "0:5")] * 2
    assert [counted("probe-1", stage) for stage in ("stored", "routed", "seen")] == [1, 1, 1]
    success = REGISTRY.get_sample_value("postroom_probe_last_success_timestamp_seconds", {"account": "probe-1"})
    assert success == NOW.timestamp()


async def test_what_comes_half_way_is_lost_and_the_stages_say_how_far() -> None:
    halves = {"sent": [0, 0, 0], "stored": [1, 0, 0], "routed": [1, 1, 0]}
    found = await asyncio.gather(*(World(reaches, 1).probe(f"probe-{reaches}") for reaches in halves))
    assert found == ["lost"] * 3
    assert {h: [counted(f"probe-{h}", s) for s in ("stored", "routed", "seen")] for h in halves} == halves


def success(account: str) -> float | None:
    return REGISTRY.get_sample_value("postroom_probe_last_success_timestamp_seconds", {"account": account})


async def test_an_account_of_which_no_probe_ever_arrives_is_silent_since_the_first(monkeypatch: Any) -> None:
    world, clock = World("nothing"), ManualClock(NOW)
    monkeypatch.setattr(world.prober, "clock", clock)
    await world.probe("probe-never")
    clock.advance(600)
    await world.probe("probe-never")
    assert success("probe-never") == NOW.timestamp()


async def test_an_account_that_is_probed_no_more_is_not_silent_for_ever() -> None:
    world = World("seen")
    await world.probe("probe-gone")
    world.prober.forget_others({"probe-other"})
    assert success("probe-gone") is None
    world.prober.forget_others({"probe-other"})
    assert await world.probe("probe-gone") == "seen"
    assert success("probe-gone") == NOW.timestamp(), "it is probed again"


async def test_a_desk_that_was_away_when_it_was_sent_does_not_show_it() -> None:
    world = World("seen", 1)
    world.position_now = ""
    assert await world.probe("probe-3") == "lost"
    assert world.asked == []


async def test_what_the_server_does_not_take_was_not_sent() -> None:
    assert await World("nothing").probe("probe-2") == "not_sent"
    labels = {"account": "probe-2", "outcome": "not_sent"}
    assert REGISTRY.get_sample_value("postroom_probe_mails_total", labels) == 1


async def test_the_first_probe_leaves_when_both_topics_are_followed_however_long_that_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, may_begin = World("nothing"), {t.name: asyncio.Event() for t in FOLLOWED}

    async def follow(_settings: Any, topic: str, *, start: str, begun: Callable[[], None]) -> AsyncIterator[Any]:
        assert start == "end"
        await may_begin[topic.removeprefix("postroom-")].wait()
        begun()
        await asyncio.Event().wait()
        yield

    async def turn() -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    monkeypatch.setattr(prober, "follow", follow)
    tasks = [asyncio.create_task(world.prober.follow(topic)) for topic in FOLLOWED]
    tasks.append(asyncio.create_task(world.prober.run()))
    for begins in may_begin.values():
        await turn()
        assert world.sent == 0
        begins.set()
    async with asyncio.timeout(20):
        while not world.sent:
            await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
