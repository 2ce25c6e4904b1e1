"""The worked examples of `docs/metrics.md` through router, assigner, notifier and analytics, with a clock that is moved.

All examples run in one company, each in an inbox with the calendar that it needs, in the order of their times: customers'
mail comes as ingest publishes it, agents act as the desk does, replies go out over SMTP, snoozes end by the router's timer.
Expected values are written by hand. Not here, until what they need is there: 5 (bots), 7c and 8 and the targets of 9 (deadline
timers), 12 (agent-started by mail to several).
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from postroom_analytics.app import Analytics
from postroom_analytics.rebuild import rebuild
from postroom_assigner.app import Assigner
from postroom_contracts import commands as c
from postroom_contracts import ids
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import Data, decode, new_event
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import MODELS, source_of
from postroom_contracts.topics import (
    CONFIGURATION,
    CONVERSATION_COMMANDS,
    CONVERSATION_EVENTS,
    INBOUND_MESSAGES,
    Topic,
    all_topics,
)
from postroom_contracts.values import Actor, ContentReference
from postroom_local.smtp_sink import SmtpSink
from postroom_notifier.app import Notifier
from postroom_notifier.settings import NotifierSettings
from postroom_router.app import Router
from postroom_runtime.clock import ManualClock
from postroom_runtime.kafka import create_topics
from postroom_runtime.service import Runtime, connect
from postroom_runtime.tail import read_to_end
from pydantic import SecretStr

from tests.quiet import Ends, ends_if_done
from tests.validation import validate_record

pytestmark = [pytest.mark.connected, pytest.mark.timeout(600)]

UTC_ = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GROUPS = ("router-thread", "router-decide", "assigner", "notifier", "analytics")
MINUTE, HOUR = 60, 3600
STEP_SECONDS = 60.0


def daily(*intervals: str, days: Sequence[str] = WEEK) -> dict[str, list[str]]:
    return {day: list(intervals) for day in days}


def company(smtp_port: int) -> Configuration:
    """One inbox and team per calendar: always open, office hours, the two night shifts; `merge` counts for itself."""
    calendars = {
        "always": ("UTC", daily("00:00-24:00")),
        "office": ("Europe/Berlin", daily("09:00-17:00", days=WEEK[:5])),
        "night": ("Europe/Berlin", daily("00:00-06:00", "22:00-24:00")),
        "late": ("Europe/Berlin", daily("00:00-02:30", "22:00-24:00")),
    }
    inboxes = {name: name for name in calendars} | {"merge": "always"}
    return Configuration.model_validate(
        {
            "company": {"name": "Acme", "default_calendar": "always", "domain": "acme.test"},
            "calendars": [{"id": i, "time_zone": zone, "hours": hours} for i, (zone, hours) in calendars.items()],
            "accounts": [
                {"id": "mail", "channel": "email", "smtp": {"host": "127.0.0.1", "port": smtp_port, "tls": "none"}}
            ],
            "inboxes": [
                {"id": i, "name": i, "account": "mail", "address": f"{i}@acme.test", "teams": [team]}
                for i, team in inboxes.items()
            ],
            "teams": [{"id": i, "name": i, "members": ["ann", "ben"], "calendar": i} for i in calendars],
            "agents": [
                {"id": i, "first_name": i.title(), "email": f"{i}@staff.acme.test", "calendar": "always"}
                for i in ("ann", "ben")
            ],
            "notifications": {"assigned": False, "replied": False},
        }
    )


class Office:
    """The four services in this process under one clock, and the hands that customers and agents have."""

    def __init__(self, settings: NotifierSettings, clock: ManualClock, runtimes: list[Runtime]) -> None:
        self.settings = settings
        self.clock = clock
        self.router, self.assigner, self.notifier, self.analytics = runtimes
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.analytics.door), base_url="http://analytics.test"
        )
        self.consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
        self.admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
        self.count = 0

    async def publish(self, topic: Topic, data: Data, source: str, subject: str, key: str | None = None) -> None:
        self.count += 1
        event = new_event(
            data,
            source=source_of(source),
            cause_id=f"cause-{self.count}",
            subject=subject,
            time=self.clock.now(),
            key=key,
        )
        await self.router.publisher.publish_events(topic, [event])

    async def mail(self, thread: "Thread", received_at: datetime | None = None, **changes: Any) -> None:
        """Bring in a mail of the thread's customer, as ingest does."""
        thread.mails += 1
        external_id = thread.external_id if thread.mails == 1 else f"{thread.mails}.{thread.external_id}"
        parent = [] if thread.mails == 1 else [thread.external_id]
        ledger_id = ids.digest("ledger", external_id)
        message_id = ids.message_id(ledger_id, thread.inbox)
        reference = ContentReference(content_id=ids.content_id(message_id), sha256="0" * 64)
        sender = {"address": thread.customer, "name": "Carla Cruz"}
        content = {
            "_id": reference.content_id,
            "kind": "message",
            "inbox_id": thread.inbox,
            "text": "Where is it?",
            "subject": "Order",
            "from": sender,
            "to": [{"address": f"{thread.inbox}@acme.test", "name": ""}],
            "external_id": external_id,
            "references": parent,
        }
        await self.router.content.put([content])
        now = self.clock.now()
        record = InboundReceived.model_validate(
            {
                "message_id": message_id,
                "ledger_id": ledger_id,
                "account_id": "mail",
                "inbox_id": thread.inbox,
                "channel": "email",
                "external_id": external_id,
                "in_reply_to": parent,
                "references": parent,
                "sender": sender,
                "to": [{"address": f"{thread.inbox}@acme.test"}],
                "subject": "Order",
                "text": "Where is it?",
                "content": reference,
                "received_at": received_at or now,
                "ingested_at": now,
            }
            | changes
        )
        await self.publish(INBOUND_MESSAGES, record, "ingest", thread.inbox, f"mail\n{thread.customer}")

    async def ask(self, thread: "Thread", request: type[c.Request], **fields: Any) -> None:
        """Have an agent, who has seen everything, ask for something, as the desk does."""
        stored = await self.router.database["conversations"].find_one({"_id": thread.conversation})
        assert stored is not None, f"{thread.conversation} is not known to the router"
        given = {"actor": Actor(kind="agent", id="ann"), "expected_sequence": stored["state"]["sequence"]} | fields
        await self.publish(CONVERSATION_COMMANDS, request.model_validate(given), "desk", thread.conversation)

    async def reply(self, thread: "Thread") -> None:
        self.count += 1
        message_id = ids.derived_id("reply", thread.conversation, str(self.count))
        content = {"_id": ids.content_id(message_id), "kind": "reply", "text": "It left today.", "attachments": []}
        await self.notifier.content.put([content])
        reference = ContentReference(content_id=content["_id"], sha256="0" * 64)
        await self.ask(thread, c.SendReply, message_id=message_id, content=reference)

    async def claim(self, thread: "Thread") -> None:
        stored = await self.assigner.database["assignments"].find_one({"_id": thread.conversation})
        assert stored is not None
        await self.ask(thread, c.ClaimConversation, agent_id="ben", epoch=stored["state"].get("epoch", 0))

    # --- waiting ------------------------------------------------------------------------------------------------

    async def quiet(self) -> None:
        """Return when nothing is left to do: every record folded and committed, every mail sent and told."""
        try:
            async with asyncio.timeout(STEP_SECONDS):
                before = await self._ends_if_done()
                while before is None or await self._mail_to_do() or await self._ends_if_done() != before:
                    await asyncio.sleep(0.03)
                    before = await self._ends_if_done()
        except TimeoutError:
            raise AssertionError(f"not quiet at {self.clock.now()}") from None

    async def _ends_if_done(self) -> Ends | None:
        return await ends_if_done(self.settings, self.consumer, self.admin, GROUPS)

    async def _mail_to_do(self) -> bool:
        undone = {"$or": [{"next_at": {"$exists": True}}, {"unreported_since": {"$exists": True}}]}
        return await self.notifier.database["deliveries"].find_one(undone) is not None

    async def until_woken(self, thread: "Thread") -> None:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                while await self._status(thread) == "snoozed":
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{thread.name}: its snooze did not end") from None

    async def _status(self, thread: "Thread") -> str:
        stored = await self.router.database["conversations"].find_one({"_id": thread.conversation})
        assert stored is not None
        return str(stored["state"].get("status", "open"))

    # --- reading ------------------------------------------------------------------------------------------------

    async def get(self, path: str) -> Any:
        answer = await self.http.get(f"/api/v1/metrics/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@dataclass
class Thread:
    """One conversation of an example: a customer who writes to an inbox."""

    name: str
    inbox: str = "always"
    customer: str = ""
    mails: int = 0

    def __post_init__(self) -> None:
        self.customer = self.customer or f"customer-{self.name}@example.test"

    @property
    def external_id(self) -> str:
        return f"{self.name}@example.test"

    @property
    def conversation(self) -> str:
        return ids.conversation_id(self.inbox, self.external_id)


Act = Callable[[Office, Thread], Awaitable[None]]
Acts = Mapping[str, Act | tuple[Act, ...]]


async def customer(office: Office, thread: Thread) -> None:
    await office.mail(thread)


async def agent(office: Office, thread: Thread) -> None:
    await office.reply(thread)


async def claimed(office: Office, thread: Thread) -> None:
    await office.claim(thread)


async def resolved(office: Office, thread: Thread) -> None:
    await office.ask(thread, c.ResolveConversation)


async def waiting(office: Office, thread: Thread) -> None:
    await office.ask(thread, c.SetWaiting)


async def snooze_ends(office: Office, thread: Thread) -> None:
    await office.until_woken(thread)


async def never_answered(office: Office, thread: Thread) -> None:
    """Not an act: what must hold at this moment."""
    assert (await office.get(f"conversations/{thread.conversation}"))["never_answered"]


async def out_of_office(office: Office, thread: Thread) -> None:
    await office.mail(thread, message_kind="auto_reply", automatic="auto-reply")


def snoozed(minutes: float) -> Act:
    async def act(office: Office, thread: Thread) -> None:
        await office.ask(thread, c.SnoozeConversation, until=office.clock.now() + timedelta(minutes=minutes))

    return act


def fetched_late(minutes: float) -> Act:
    async def act(office: Office, thread: Thread) -> None:
        await office.mail(thread, received_at=office.clock.now() - timedelta(minutes=minutes))

    return act


def merged_into(target: Thread) -> Act:
    async def act(office: Office, thread: Thread) -> None:
        await office.ask(thread, c.MergeConversations, target_id=target.conversation)

    return act


def counts(volume: int, unattended: int) -> Act:
    """Not an act: what the inbox must count at this moment."""

    async def act(office: Office, thread: Thread) -> None:
        rows = (await office.get(f"summary?cut=inbox&value={thread.inbox}"))["conversation"]["outcomes"]
        now = next(row for row in await office.get("now?cut=inbox") if row["value"] == thread.inbox)
        assert (rows.get("opened", 0), now["unattended"]) == (volume, unattended), office.clock.now()

    return act


@dataclass
class Script:
    """What happens when, in the order in which it is written."""

    steps: list[tuple[datetime, Thread, Act]] = field(default_factory=list)

    def on(self, day: str, zone: ZoneInfo, thread: Thread, **acts: Act | tuple[Act, ...]) -> None:
        """Add acts by wall clock, `at_0930=customer`; several at one moment one after the other."""
        for name, at_once in acts.items():
            hour, minute = int(name[3:5]), int(name[5:7])
            at = datetime.fromisoformat(day).replace(hour=hour, minute=minute, tzinfo=zone).astimezone(UTC_)
            for act in at_once if isinstance(at_once, tuple) else (at_once,):
                self.steps.append((at, thread, act))

    async def play(self, office: Office) -> None:
        for at, thread, act in sorted(self.steps, key=lambda step: step[0]):
            office.clock.set(at)
            await act(office, thread)
            await office.quiet()


THREADS = {
    name: Thread(name, inbox)
    for name, inbox in {
        "01": "always",
        "02": "always",
        "03": "office",
        "04": "office",
        "06": "always",
        "07a": "night",
        "07b": "night",
        "07d-forward": "late",
        "07d-back": "late",
        "09a": "always",
        "09b": "always",
        "09c": "always",
        "11": "office",
        "13": "always",
    }.items()
} | {
    "10-a": Thread("10-a", "merge", "same-customer@example.test"),
    "10-b": Thread("10-b", "merge", "same-customer@example.test"),
}


def script() -> Script:
    made, of = Script(), THREADS
    day = "2026-03-03"
    first: Acts = {"at_0900": customer, "at_0910": claimed, "at_0911": agent, "at_0915": customer, "at_0920": agent}
    made.on(day, UTC_, of["01"], **first, at_0930=resolved)
    made.on(day, UTC_, of["02"], **first, at_0930=resolved, at_0945=customer, at_0950=agent, at_1015=resolved)
    made.on("2026-03-06", BERLIN, of["03"], at_1630=customer)
    made.on("2026-03-09", BERLIN, of["03"], at_1030=agent)
    made.on("2026-03-03", BERLIN, of["04"], at_2000=customer)
    made.on("2026-03-04", BERLIN, of["04"], at_0915=agent)
    made.on(day, UTC_, of["06"], at_0900=customer, at_0930=(resolved, never_answered), at_0945=customer, at_0950=agent)
    made.on("2026-03-28", BERLIN, of["07a"], at_2330=customer)
    made.on("2026-03-29", BERLIN, of["07a"], at_0630=agent)
    made.on("2026-10-24", BERLIN, of["07b"], at_2330=customer)
    made.on("2026-10-25", BERLIN, of["07b"], at_0630=agent)
    made.on("2026-03-28", BERLIN, of["07d-forward"], at_2200=customer)
    made.on("2026-03-29", BERLIN, of["07d-forward"], at_0630=agent)
    made.on("2026-10-24", BERLIN, of["07d-back"], at_2200=customer)
    made.on("2026-10-25", BERLIN, of["07d-back"], at_0630=agent)
    quiet: Acts = {"at_0900": customer, "at_0910": (agent, waiting), "at_1100": customer, "at_1105": agent}
    made.on(day, UTC_, of["09a"], **quiet, at_1110=snoozed(170), at_1400=snooze_ends, at_1420=resolved)
    made.on(day, UTC_, of["09b"], **quiet, at_1110=snoozed(170), at_1200=customer, at_1410=agent, at_1420=resolved)
    made.on(
        day,
        UTC_,
        of["09c"],
        at_0900=customer,
        at_0905=snoozed(60),
        at_1005=snooze_ends,
        at_1010=agent,
        at_1030=resolved,
    )
    a, b = of["10-a"], of["10-b"]
    made.on(day, UTC_, a, at_0900=customer, at_0910=agent, at_0940=(agent, counts(1, 0)), at_0950=resolved)
    made.on(day, UTC_, b, at_0920=customer, at_0925=counts(2, 1), at_0930=(merged_into(a), counts(1, 1)))
    made.on("2026-03-02", BERLIN, of["11"], at_0900=customer, at_0930=agent, at_1000=resolved, at_1001=out_of_office)
    made.on("2026-03-05", BERLIN, of["11"], at_1645=customer)
    made.on("2026-03-06", BERLIN, of["11"], at_0915=agent, at_1000=resolved)
    made.on(day, UTC_, of["13"], at_0850=customer, at_0910=agent, at_0930=fetched_late(30), at_0940=agent)
    return made


Pair = tuple[float, float]


def both(minutes: float) -> Pair:
    """Where nothing is ever closed both clocks show the same."""
    return (minutes * MINUTE, minutes * MINUTE)


EXPECTED: dict[str, dict[str, Any]] = {
    "01": {
        "first_response": both(11),
        "next_response": [(both(5), False)],
        "resolution": [both(30)],
        "net_resolution": [both(30)],
    },
    "02": {
        "first_response": both(11),
        "next_response": [(both(5), False), (both(5), True)],
        "resolution": [both(30), both(30)],
        "full_resolution": both(75),
        "first_resolution": both(30),
    },
    "03": {"first_response": (66 * HOUR, 2 * HOUR)},
    "04": {"first_response": (13.25 * HOUR, 15 * MINUTE)},
    "06": {
        "first_response": None,
        "next_response": [(both(5), True)],
        "resolution": [both(30)],
        "unanswered": 1,
        "never_answered": False,
    },
    "07a": {"first_response": (6 * HOUR, 5.5 * HOUR)},
    "07b": {"first_response": (8 * HOUR, 7.5 * HOUR)},
    "07d-forward": {"first_response": (7.5 * HOUR, 4.5 * HOUR)},
    "07d-back": {"first_response": (9.5 * HOUR, 4.5 * HOUR)},
    "09a": {
        "first_response": both(10),
        "next_response": [(both(5), False)],
        "resolution": [both(320)],
        "net_resolution": [both(40)],
    },
    "09b": {
        "first_response": both(10),
        "next_response": [(both(5), False), (both(130), False)],
        "resolution": [both(320)],
        "net_resolution": [both(160)],
    },
    "09c": {"first_response": both(70), "resolution": [both(90)], "net_resolution": [both(90)]},
    "10-a": {"first_response": both(10), "next_response": [(both(20), False)], "resolution": [both(50)], "volume": 1},
    "10-b": {"first_response": None, "next_response": [], "resolution": [], "moved": 1, "volume": 0},
    "11": {
        "first_response": both(30),
        "next_response": [((16.5 * HOUR, 30 * MINUTE), True)],
        "resolution": [both(60), (17.25 * HOUR, 75 * MINUTE)],
        "first_resolution": both(60),
        "full_resolution": (97 * HOUR, 33 * HOUR),
    },
    "13": {"first_response": both(20), "next_response": [(both(40), False)]},
}


def brief(figures: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """Return the figures called `names` as they are written above."""
    result: dict[str, Any] = {}
    for name in names:
        value = figures[name]
        if name == "next_response":
            result[name] = [(_pair(one), one["reopened"]) for one in value]
        elif name in ("unanswered", "moved"):
            result[name] = len(value)
        elif isinstance(value, list):
            result[name] = [_pair(one) for one in value]
        else:
            result[name] = _pair(value) if isinstance(value, dict) else value
    return result


def _pair(figure: dict[str, Any]) -> Pair:
    return figure["wall_seconds"], figure["business_seconds"]


@pytest.fixture
async def office(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> AsyncIterator[Office]:
    clock = ManualClock(datetime(2026, 3, 2, 6, 0, tzinfo=UTC_))
    settings = NotifierSettings(
        kafka_bootstrap=kafka_bootstrap,
        mongo_uri=SecretStr(mongo_uri),
        topic_prefix=topic_prefix,
        database_prefix=database_prefix,
        signing_keys=SecretStr("a-signing-key-of-the-tests-0001"),
        partitions=2,
        delivery_poll_seconds=0.05,
        delivery_sweep_seconds=0.2,
    )
    await create_topics(settings, all_topics())
    sink = SmtpSink()
    sink.start()
    async with AsyncExitStack() as stack:
        stack.callback(sink.stop)
        await _configure(settings, clock, company(sink.port))
        runtimes = []
        for definition in (Router(), Assigner(), Notifier(), Analytics()):
            runtime = await connect(definition, settings, clock)
            stack.push_async_callback(runtime.stop)
            await runtime.start()
            runtimes.append(runtime)
        made = Office(settings, clock, runtimes)
        stack.push_async_callback(made.http.aclose)
        await made.consumer.start()
        stack.push_async_callback(made.consumer.stop)
        await made.admin.start()
        stack.push_async_callback(made.admin.close)
        yield made


async def _configure(settings: NotifierSettings, clock: ManualClock, configuration: Configuration) -> None:
    from postroom_runtime.kafka import Publisher

    publisher = Publisher(settings)
    await publisher.start()
    data = ConfigurationApplied(configuration_version=1, applied_at=clock.now(), configuration=configuration)
    event = new_event(
        data, source=source_of("desk"), cause_id=str(uuid.uuid4()), subject="configuration", time=clock.now()
    )
    await publisher.publish_events(CONFIGURATION, [event])
    await publisher.stop()


async def test_the_worked_examples_through_the_real_services(office: Office) -> None:
    await script().play(office)
    found = {}
    for name, expected in EXPECTED.items():
        figures = await office.get(f"conversations/{THREADS[name].conversation}")
        found[name] = brief(figures, expected)
    assert found == EXPECTED
    refused = []
    async for record in read_to_end(office.settings, office.settings.topic(CONVERSATION_EVENTS.name)):
        validate_record(record)
        event = decode(dict(record.headers), record.value, MODELS)
        refused += [event.data] if type(event.data).__name__ in ("RequestRefused", "MessageFailed") else []
    assert refused == []
    again = await rebuild(office.settings, switch=False)
    assert (again.differences, again.failed) == ([], [])
