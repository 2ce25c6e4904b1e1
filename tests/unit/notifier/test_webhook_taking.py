"""Which inbox a conversation is in, when a subscription is younger than it: asked of the fold, and never written for nobody."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration, ConfigurationApplied, WebhookSubscription
from postroom_contracts.events import Event
from postroom_contracts.facts import ConversationRouted
from postroom_contracts.values import Actor
from postroom_notifier.domain.webhooks import Receiver, WebhookDelivery
from postroom_notifier.webhooks.taking import InboxNotKnownYetError, TakeEvents
from postroom_runtime.clock import ManualClock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.records import Position

from tests.unit.notifier.company import CONVERSATION, Facts, configuration

NOW = datetime(2026, 3, 6, 15, 0, tzinfo=UTC)


@dataclass
class Store:
    """The part of port WebhookStore that taking uses."""

    noted: dict[str, tuple[str, int]] = field(default_factory=dict)
    fold: dict[str, str | None] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    added: list[list[str]] = field(default_factory=list)

    async def locate(self, found: Mapping[str, str], version: int) -> None:
        self.calls += ["locate"] if found else []
        self.noted |= {c: (i, version) for c, i in found.items()}

    async def located(self, conversation_ids: Iterable[str], since: int) -> dict[str, str]:
        return {c: self.noted[c][0] for c in conversation_ids if c in self.noted and self.noted[c][1] >= since}

    async def folded(self, conversation_ids: Iterable[str]) -> dict[str, str | None]:
        self.calls.append("folded")
        return {c: self.fold[c] for c in conversation_ids if c in self.fold}

    async def disabled(self) -> dict[str, Receiver]:
        return {}

    async def add(self, deliveries: Sequence[WebhookDelivery], now: datetime) -> None:
        self.calls.append("add")
        self.added.append([d.id for d in deliveries])


@dataclass
class Bench:
    store: Store = field(default_factory=Store)
    configurations: Configurations = field(default_factory=Configurations)
    behind: float = 0.0

    def __post_init__(self) -> None:
        self.taking = TakeEvents(
            self.store,  # type: ignore[arg-type]  # the part that is used
            self.configurations,
            ManualClock(NOW),
            lambda: None,
            lambda: self.behind,
        )

    def configure(self, version: int, *webhooks: str) -> None:
        shared = configuration()
        private = {"id": "ana", "address": "ana@acme.test", "aliases": [], "teams": [], "owner": "ana"}
        fields = {
            "inboxes": [*shared.inboxes, shared.inboxes[0].model_copy(update=private)],
            "webhooks": [
                WebhookSubscription.model_validate(
                    {"id": name, "url": "https://example.com/h", "secrets": [{"env": "S"}]}
                )
                for name in webhooks
            ],
        }
        made: Configuration = shared.model_copy(update=fields)
        self.configurations.add(ConfigurationApplied(configuration_version=version, applied_at=NOW, configuration=made))

    async def told(self, *events: Event) -> list[str]:
        """Return the types of what is due."""
        due = await self.taking.due([(event, n) for n, event in enumerate(events)])
        return [d.event_type.split(".")[2] for d in due]


def moved(facts: Facts, inbox: str) -> Event:
    return facts.event(ConversationRouted(actor=Actor(kind="agent", id="ana"), inbox_id=inbox, configuration_version=1))


def incoming(event: Event) -> Any:
    class Taken:
        pass

    found = Taken()
    found.event = found.the_event = event  # type: ignore[attr-defined]
    return found


async def test_without_a_subscription_nothing_is_written_or_asked() -> None:
    bench = Bench()
    bench.configure(1)
    await bench.taking.handle([incoming(Facts().received())], {})
    assert bench.store.calls == []


async def test_a_subscription_of_today_gets_events_of_conversations_of_yesterday() -> None:
    bench, facts = Bench(), Facts()
    facts.received()
    bench.configure(1)
    bench.store.fold[CONVERSATION] = "support"
    bench.configure(2, "crm")
    assert await bench.told(facts.replied()) == ["reply-accepted"]


async def test_what_was_noted_before_a_time_without_subscriptions_counts_no_more() -> None:
    """Meanwhile the conversation was moved into a private inbox, and nobody noted it."""
    bench, facts = Bench(), Facts()
    bench.configure(1, "crm")
    await bench.told(facts.received())
    assert bench.store.noted[CONVERSATION] == ("support", 1)
    bench.configure(2)
    bench.configure(3, "crm")
    bench.store.fold[CONVERSATION] = "ana"
    assert await bench.told(facts.replied()) == []
    bench.configure(4, "crm", "other")
    assert (
        await bench.told(moved(facts, "support"), facts.replied())
        == ["conversation-routed"] * 2 + ["reply-accepted"] * 2
    )


async def test_of_two_events_of_a_batch_only_the_one_before_the_move_into_a_private_inbox_is_told() -> None:
    bench, facts = Bench(), Facts()
    bench.configure(1, "crm")
    assert await bench.told(facts.received(), moved(facts, "ana"), facts.replied()) == ["message-received"]
    assert await bench.told(facts.replied("r2")) == []


async def test_a_conversation_that_the_fold_has_not_met_is_waited_for_while_the_fold_is_behind() -> None:
    bench, facts = Bench(), Facts()
    facts.received()
    bench.configure(1, "crm")
    bench.behind = 0.2
    event = facts.replied()
    with pytest.raises(InboxNotKnownYetError):
        await bench.told(event)
    bench.store.fold[CONVERSATION] = "support"
    assert await bench.told(event) == ["reply-accepted"]


async def test_one_that_nobody_knows_is_told_to_nobody_and_stops_nothing() -> None:
    bench, facts = Bench(), Facts()
    facts.received()
    bench.configure(1, "crm")
    assert await bench.told(facts.replied()) == []


async def test_a_replay_goes_by_where_the_conversation_is_now_and_notes_nothing() -> None:
    bench, facts = Bench(), Facts()
    bench.configure(1, "crm")
    events = [facts.received(), moved(facts, "ana")]
    await bench.told(*events)
    bench.store.calls.clear()
    range_of_the_log = [(event, n) for n, event in enumerate(events)]
    assert await bench.taking.again(range_of_the_log, "crm", "r1") == []
    await bench.told(moved(facts, "support"))
    bench.store.calls.clear()
    assert len(await bench.taking.again(range_of_the_log, "crm", "r1")) == 2
    assert bench.store.noted[CONVERSATION][0] == "support"
    assert bench.store.calls == []


async def test_a_batch_for_very_many_subscriptions_is_stored_in_parts() -> None:
    bench, facts = Bench(), Facts()
    bench.configure(1, *(f"w{n}" for n in range(300)))
    events = [facts.received(), *(facts.replied(f"r{n}") for n in range(9))]
    batch = [incoming(event) for event in events]
    for n, one in enumerate(batch):
        one.position = Position("1" * 32, 0, n)
    await bench.taking.handle(batch, {})
    assert [len(ids) for ids in bench.store.added] == [1000, 1000, 1000]
    assert len({i for ids in bench.store.added for i in ids}) == 3000
