"""The sender with doubles."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.facts import MessageFailed
from postroom_contracts.values import Actor
from postroom_notifier.composing import Composer
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.follow import Surroundings, follow
from postroom_notifier.domain.outcomes import Accepted, Refusal, Rejected, SendOutcome, TryAgain
from postroom_notifier.reporting import Reporter
from postroom_notifier.sending import Sender
from postroom_notifier.settings import NotifierSettings
from postroom_notifier.watching import AddressWatch
from postroom_runtime.clock import SystemClock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import InMemoryContentStore
from postroom_runtime.kafka import Publisher
from prometheus_client import REGISTRY
from pydantic import ValidationError

from tests.component.notifier.doubles import (
    InMemoryAddressBook,
    InMemoryDeliveryLogStore,
    InMemoryDeliveryStore,
    InMemoryReceiverLimit,
    RecordingMailSender,
    RecordingPublisher,
)
from tests.unit.notifier.company import FRIDAY, KEY, Facts, configuration, contents


class Office:
    def __init__(self, *outcomes: SendOutcome) -> None:
        self.deliveries = InMemoryDeliveryStore()
        self.logs = InMemoryDeliveryLogStore()
        self.publisher = RecordingPublisher()
        self.mail = RecordingMailSender(*outcomes)
        self.content = InMemoryContentStore()
        configurations = Configurations()
        configurations.add(
            ConfigurationApplied(configuration_version=1, applied_at=FRIDAY, configuration=configuration())
        )
        clock = SystemClock()
        composer = Composer(self.content, configurations, clock, [KEY], "https://desk.test", 1_000_000)
        reporter = Reporter(self.deliveries, self.logs, cast("Publisher", self.publisher), clock, 0.05)
        settings = NotifierSettings(delivery_poll_seconds=0.02)
        self.addresses = InMemoryAddressBook(clock)
        self.limit = InMemoryReceiverLimit(clock)
        watch = AddressWatch(self.addresses, self.limit)
        self.sender = Sender(self.deliveries, composer, self.mail, reporter, clock, settings, watch)

    async def due(self, *conversations: str, **reply: Any) -> None:
        config = configuration()
        for conversation in conversations:
            facts = Facts(conversation, start=datetime.now(UTC) - timedelta(seconds=1))
            around = Surroundings(facts.now, lambda _version: config, 1, {}, timedelta(hours=72))
            state = follow(follow(None, facts.received(), around), facts.replied(**reply), around)
            await self.deliveries.add(state.due)
        self.sender.wake()

    async def deliver(self, *conversations: str, count: int = 1, **reply: Any) -> list[Delivery]:
        """Send until `count` results are reported; return all deliveries by kind, then number."""
        await self.due(*conversations, **reply)
        async with self.open():
            await self.until(lambda: len(self.reported()) == count)
        return sorted(self.deliveries.all(), key=lambda d: (d.kind, d.number))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.sender.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(self, is_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_true():
                await asyncio.sleep(0.005)

    def reported(self) -> list[Delivery]:
        return [d for d in self.deliveries.all() if d.reported_at]


@pytest.fixture
async def office() -> Office:
    office = Office()
    await office.content.put(contents())
    return office


IDS = [f"{n:08d}-1111-5111-8111-111111111111" for n in range(30)]


async def test_everything_due_goes_out_once_and_is_reported(office: Office) -> None:
    await office.due(*IDS)
    async with office.open():
        await office.until(lambda: len(office.reported()) == len(IDS))
    assert len(office.mail.mails) == len(IDS)
    assert len({m.body for m in office.mail.mails}) == len(IDS)
    assert sorted(r.key or b"" for r in office.publisher.published) == sorted(i.encode() for i in IDS)


async def test_at_most_eight_are_in_flight(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    open_now = most = 0
    send = office.mail.send

    async def slow(*arguments: Any) -> SendOutcome:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.01)
        open_now -= 1
        return await send(*arguments)

    monkeypatch.setattr(office.mail, "send", slow)
    await office.due(*IDS)
    async with office.open():
        await office.until(lambda: len(office.reported()) == len(IDS))
    assert most == 8


async def test_what_becomes_due_while_the_store_is_asked_does_not_wait_for_the_next_look(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.sender.settings = NotifierSettings(delivery_poll_seconds=60)
    lease, late = office.deliveries.lease, [IDS[0]]

    async def slow(*arguments: Any, **options: Any) -> list[Delivery]:
        found = await lease(*arguments, **options)
        if late:
            await office.due(late.pop())
        return found

    monkeypatch.setattr(office.deliveries, "lease", slow)
    async with office.open():
        await office.until(lambda: len(office.reported()) == 1)


async def test_stop_lets_what_is_in_flight_end_and_puts_the_rest_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()
    send = office.mail.send

    async def slow(*arguments: Any) -> SendOutcome:
        begun.set()
        await asyncio.sleep(0.1)
        return await send(*arguments)

    monkeypatch.setattr(office.mail, "send", slow)
    await office.due(*IDS)
    async with office.open():
        await begun.wait()
    assert len(office.mail.mails) == len(office.reported()) == 8
    now = datetime.now(UTC)
    left = [d for d in office.deliveries.all() if d.state == "due"]
    assert len(left) == len(IDS) - 8
    assert all(d.lease is None and d.next_at and d.next_at <= now and d.attempts == 0 for d in left)


async def test_result_that_kafka_did_not_take_is_swept(office: Office) -> None:
    office.publisher.fail_next = 2
    await office.due(*IDS[:3])
    async with office.open():
        await office.until(lambda: len(office.reported()) == 3)
    assert {r.body for r in office.publisher.published} == {
        o.record.body for log in office.logs.logs.values() for o in log.out
    }
    assert {log.sequence for log in office.logs.logs.values()} == {1}


async def test_unreachable_server_costs_no_attempt() -> None:
    office = Office(TryAgain("unreachable", unreachable=True))
    await office.content.put(contents())
    await office.due(IDS[0])
    async with office.open():
        await office.until(lambda: bool(office.reported()))
    [delivery] = office.deliveries.all()
    assert (delivery.attempts, delivery.state) == (1, "accepted")


async def test_erased_text_fails_instead_of_going_out_empty(office: Office) -> None:
    await office.content.delete(["reply-content"])
    await office.due(IDS[0])
    async with office.open():
        await office.until(lambda: bool(office.reported()))
    [delivery] = office.deliveries.all()
    fact = delivery.results[0].fact
    assert isinstance(fact, MessageFailed)
    assert fact.reason == "content_erased"
    assert office.mail.mails == []


def test_lease_must_outlast_a_send() -> None:
    with pytest.raises(ValidationError, match="smtp_lease_seconds"):
        NotifierSettings(smtp_send_seconds=60, smtp_lease_seconds=60)


def text_of(office: Office, recipient: str) -> str:
    [mail] = [m for m in office.mail.mails if m.recipients == (recipient,)]
    return mail.body.decode().replace("=\r\n", "").replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (Rejected("too_large", "5.3.4"), "Why: it is larger than the mail server takes"),
        (
            Rejected("refused", "5.1.1", (Refusal("carla@example.test", 550, "5.1.1"),)),
            "Not reached: carla@example.test (5.1.1: there is no such mailbox).",
        ),
    ],
    ids=["too-large", "refused"],
)
async def test_author_is_told_why_a_reply_did_not_go_out(outcome: SendOutcome, sentence: str) -> None:
    office = Office(outcome)
    await office.content.put(contents())
    reply, told = await office.deliver(IDS[0], count=2)
    assert (reply.state, told.kind, told.receiver, told.state) == ("failed", "undelivered", "ana", "accepted")
    assert [r.name for r in told.results] == ["NotificationSent"]
    assert sentence in text_of(office, "ana@staff.acme.test")
    assert "carla@example.test" not in str(office.deliveries.stored), "it is forgotten once it was told"


async def test_two_get_it_once_and_the_third_is_reported(office: Office) -> None:
    to = [{"address": f"{name}@example.test"} for name in ("a", "b", "c")]
    await office.content.put([{"_id": "three", "kind": "reply", "text": "Hello.", "to": to}])
    office.mail.outcomes = [Accepted((Refusal("b@example.test", 550, "5.1.1"),))]
    reply, _ = await office.deliver(IDS[0], count=2, content_id="three")
    assert [r.name for r in reply.results] == ["MessageSent", "MessageBounced"]
    assert len(office.mail.mails) == 2
    assert "Not reached: b@example.test (5.1.1: there is no such mailbox). Who is not named here has it." in text_of(
        office, "ana@staff.acme.test"
    )
    assert list(office.addresses.marks) == ["b@example.test"]


async def test_automatic_mail_to_a_marked_or_full_address_is_skipped_and_a_persons_is_not(office: Office) -> None:
    rule: dict[str, Any] = {"actor": Actor(kind="rule", id="thanks"), "via": "rule"}
    await office.addresses.mark(["carla@example.test"], "5.1.1")
    [marked] = await office.deliver(IDS[0], **rule)
    assert (marked.state, marked.last_reason, office.mail.mails) == ("skipped", "undeliverable", [])
    fact = marked.results[0].fact
    assert isinstance(fact, MessageFailed)
    assert fact.reason == "undeliverable"
    await office.deliver(IDS[1], count=2)
    assert len(office.mail.mails) == 1
    assert office.addresses.marks == {}, "it got through"
    office.limit._most = 0
    await office.deliver(IDS[2], count=3, **rule)
    assert len(office.mail.mails) == 1
    await office.deliver(IDS[3], count=4)
    assert len(office.mail.mails) == 2


async def test_refused_log_in_keeps_the_mail_and_a_new_configuration_sends_it() -> None:
    office = Office(TryAgain("account_refused", unreachable=True, code="535"))
    await office.content.put(contents())
    await office.due(IDS[0])
    async with office.open():
        await office.until(lambda: office.sender.gates.rest_seconds("mail") > 1)
        assert REGISTRY.get_sample_value("postroom_smtp_account_refused", {"account": "mail"}) == 1
        [delivery] = office.deliveries.all()
        office.deliveries.stored[delivery.id]["next_at"] = datetime.now(UTC)
        office.sender.mended()
        await office.until(lambda: bool(office.reported()))
    assert len(office.mail.mails) == 1
    assert REGISTRY.get_sample_value("postroom_smtp_account_refused", {"account": "mail"}) == 0
