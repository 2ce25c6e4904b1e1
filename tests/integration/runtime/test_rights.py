"""Each service works with the rights that are written down for it, on a broker that asks for them, and gets no others."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from postroom_analytics.app import Analytics
from postroom_assigner.app import Assigner
from postroom_contracts.commands import AddNote
from postroom_contracts.events import Data, Event, decode, new_event
from postroom_contracts.facts import MessageReceived, NoteAdded, NotificationSent
from postroom_contracts.kafka_rights import PRINCIPALS, rights_of
from postroom_contracts.registry import MODELS
from postroom_contracts.topics import (
    CONVERSATION_COMMANDS,
    CONVERSATION_EVENTS,
    CONVERSATION_STATES,
    GROUPS,
    Topic,
    dead_letter_topic,
)
from postroom_contracts.values import Actor, ContentReference
from postroom_desk.app import Desk
from postroom_desk.settings import DeskSettings
from postroom_ingest.app import Ingest, IngestSettings
from postroom_local.dovecot import DovecotServer
from postroom_local.mail import MailUser
from postroom_local.smtp_sink import SmtpSink
from postroom_notifier.app import Notifier
from postroom_notifier.probe.app import Probe
from postroom_notifier.probe.settings import ProbeSettings
from postroom_notifier.settings import NotifierSettings
from postroom_router.app import Router
from postroom_runtime.clock import SystemClock
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import Outgoing, Publisher, client_options
from postroom_runtime.records import header_map
from postroom_runtime.service import connect
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end
from pydantic import SecretStr

from tests.e2e.test_answers_by_mail import ANN, ANSWERS, CUSTOMER, SUPPORT, House, company
from tests.integration.runtime.support import until
from tests.integration.runtime.test_operators_commands import Operator
from tests.standins.acls import GuardedKafka, allow

pytestmark = pytest.mark.connected
PREFIX = "rights-"
SERVICE: dict[str, tuple[Any, type[RuntimeSettings]]] = {
    "ingest": (Ingest, IngestSettings),
    "router": (Router, RuntimeSettings),
    "assigner": (Assigner, RuntimeSettings),
    "notifier": (Notifier, NotifierSettings),
    "analytics": (Analytics, RuntimeSettings),
    "desk": (Desk, DeskSettings),
    "probe": (Probe, ProbeSettings),
}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    server = GuardedKafka(tmp_path_factory.mktemp("rights"), PRINCIPALS)
    server.start()
    try:
        asyncio.run(allow(server.bootstrap, {name: rights_of(name) for name in PRINCIPALS}, PREFIX))
        yield server
    finally:
        server.kill()


class Doors:
    """How each user comes to the servers."""

    def __init__(self, kafka: GuardedKafka, mongo_uri: str, database_prefix: str) -> None:
        self._kafka, self._mongo_uri, self._databases = kafka, mongo_uri, database_prefix

    def settings(self, user: str, model: type[RuntimeSettings] = RuntimeSettings, **more: Any) -> Any:
        return model(
            kafka_bootstrap=self._kafka.door,
            kafka_security="SASL_PLAINTEXT",
            kafka_sasl_mechanism="PLAIN",
            kafka_user=user,
            kafka_password=SecretStr(f"{user}-password"),
            mongo_uri=SecretStr(self._mongo_uri),
            topic_prefix=PREFIX,
            database_prefix=self._databases,
            signing_keys=SecretStr("a-signing-key-of-the-tests-0001"),
            partitions=1,
            **more,
        )

    def command_line(self, user: str) -> Operator:
        found = self.settings(user)
        secrets = {
            "kafka_password": f"{user}-password",
            "mongo_uri": self._mongo_uri,
            "signing_keys": "0123456789abcdef",
        }
        names = (
            "kafka_bootstrap",
            "kafka_security",
            "kafka_sasl_mechanism",
            "kafka_user",
            "topic_prefix",
            "database_prefix",
        )
        values = {name: str(getattr(found, name)) for name in names} | secrets | {"partitions": "1"}
        return Operator({f"POSTROOM_{name.upper()}": value for name, value in values.items()})


@pytest.fixture
async def house(kafka: GuardedKafka, doors: Doors, tmp_path: Path) -> AsyncIterator[House]:
    """All services, each as its own user, after the Job as its own; whoever looks does so as the operator."""
    (tmp_path / "password").write_text("secret\n")
    async with AsyncExitStack() as stack:
        dovecot = DovecotServer([MailUser(address, "secret") for address in (SUPPORT, ANSWERS)])
        dovecot.start()
        stack.callback(dovecot.close)
        sink = SmtpSink()
        sink.start()
        stack.callback(sink.stop)
        made = company(dovecot.port, sink.port, tmp_path / "password", None).model_dump(mode="json", exclude_unset=True)
        (tmp_path / "company.yaml").write_text(yaml.safe_dump(made))
        job = doors.command_line("configure")
        await job.types("topics", "apply")
        await job.types("config", "apply", str(tmp_path / "company.yaml"))
        for name, (definition, model) in SERVICE.items():
            more = {"delivery_poll_seconds": 0.05, "delivery_sweep_seconds": 0.2} if model is NotifierSettings else {}
            runtime = await connect(
                definition(), doors.settings(name, model, desk_url="https://desk.acme.test", **more)
            )
            stack.push_async_callback(runtime.stop)
            await runtime.start()
        yield House(doors.settings("operator"), dovecot, sink)


@pytest.fixture
def doors(kafka: GuardedKafka, mongo_uri: str, database_prefix: str) -> Doors:
    return Doors(kafka, mongo_uri, database_prefix)


async def log_of(settings: RuntimeSettings) -> list[Event]:
    return [
        decode(header_map(record), record.value, MODELS)
        async for record in read_to_end(settings, settings.topic(CONVERSATION_EVENTS.name))
    ]


async def fact_of(settings: RuntimeSettings, kind: type[Data]) -> Event:
    """Return the first fact of a kind, as soon as it is there."""
    found: list[Event] = []

    async def there() -> bool:
        found.extend(event for event in await log_of(settings) if isinstance(event.data, kind))
        return bool(found)

    await until(there, f"a {kind.__name__}")
    return found[0]


async def publish(settings: RuntimeSettings, *records: Outgoing, commands: Sequence[Event] = ()) -> None:
    publisher = Publisher(settings)
    await publisher.start()
    try:
        await publisher.publish(records)
        await publisher.publish_events(CONVERSATION_COMMANDS, commands)
    finally:
        await publisher.stop()


def note_in(conversation: str) -> Event:
    content = ContentReference(content_id="c", sha256="0" * 64)
    note = AddNote(actor=Actor(kind="agent", id="ann"), message_id="n1", content=content)
    return new_event(note, source="/postroom/desk", cause_id="test", subject=conversation, time=SystemClock().now())


async def test_what_is_written_down_is_enough_and_all_else_is_refused(
    house: House, doors: Doors, kafka: GuardedKafka
) -> None:
    operator = doors.settings("operator")
    house.write(SUPPORT, CUSTOMER, "They squeal since Tuesday.", "q1@example.test", "Squealing brakes")
    await house.mail_to(ANN, bool)
    await fact_of(operator, NotificationSent)
    received = await fact_of(operator, MessageReceived)
    await publish(doors.settings("desk"), commands=[note_in(received.subject)])
    await fact_of(operator, NoteAdded)
    await until(lambda: some_records(operator, CONVERSATION_STATES), "the desk tells of the conversation's state")
    await each_group_parks_and_the_operator_gives_it_up(doors)
    assert [line for line in kafka.denied() if not line.startswith("User:ANONYMOUS")] == []
    await all_else_is_refused(doors)
    assert set(kafka.denied()) == {
        f"User:analytics DESCRIBE Topic:LITERAL:{PREFIX}inbound-messages",
        f"User:ingest DESCRIBE Topic:LITERAL:{PREFIX}conversation-commands",
        f"User:notifier DESCRIBE Topic:LITERAL:{PREFIX}router-decide-dlq",
        f"User:notifier DESCRIBE Topic:LITERAL:{PREFIX}conversation-commands",
        f"User:analytics WRITE Topic:LITERAL:{PREFIX}conversation-events",
        f"User:desk WRITE Topic:LITERAL:{PREFIX}conversation-events",
        f"User:analytics DESCRIBE Group:LITERAL:{PREFIX}desk",
    }


async def some_records(settings: RuntimeSettings, topic: Topic) -> bool:
    return bool([r async for r in read_to_end(settings, settings.topic(topic.name))])


async def each_group_parks_and_the_operator_gives_it_up(doors: Doors) -> None:
    """What nobody can read is on every topic of dead letters, written by each service, found by the operator."""
    operator, typed = doors.settings("operator"), doors.command_line("operator")
    sources = {topic.name for group in GROUPS for topic in group.topics}
    bad = [Outgoing(operator.topic(name), b"k", b"not json", [("ce_type", b"x")]) for name in sorted(sources)]
    await publish(operator, *bad)
    for group in GROUPS:
        letters = dead_letter_topic(group.name)
        await until(lambda topic=letters: some_records(operator, topic), f"{group.name} parks it")
    seen = (await asyncio.to_thread(typed.type, "doctor")).stdout
    assert "ok  topics: " in seen
    assert "ok  groups: " in seen
    assert "ok  configuration: version 1 of Acme" in seen
    assert " permanent " in await typed.types("dead-letters", "list", "notifier")
    assert await typed.types("dead-letters", "replay", "notifier", "--readable") == (
        "replayed 0 records; 1 cannot be read by this release either\n"
    )
    assert await typed.types("dead-letters", "discard", "notifier", "0:0") == "discarded 0:0\n"


READS = {"analytics": "inbound-messages", "ingest": "conversation-commands", "notifier": "router-decide-dlq"}
WRITES = {"analytics": "conversation-events", "desk": "conversation-events", "notifier": "conversation-commands"}


async def all_else_is_refused(doors: Doors) -> None:
    for user, name in READS.items():
        with pytest.raises(TopicAuthorizationFailedError):
            await read_one(doors.settings(user), name)
    for user, name in WRITES.items():
        given = doors.settings(user)
        with pytest.raises((InfrastructureError, TopicAuthorizationFailedError)):
            await publish(given, Outgoing(given.topic(name), b"k", b"{}", []))
    with pytest.raises(GroupAuthorizationFailedError):
        await read_one(doors.settings("analytics"), "conversation-events", group=f"{PREFIX}desk")


async def read_one(settings: RuntimeSettings, name: str, group: str | None = None) -> None:
    topic = settings.topic(name)
    consumer = AIOKafkaConsumer(**client_options(settings), group_id=group, auto_offset_reset="earliest")
    consumer.subscribe([topic]) if group else consumer.assign([TopicPartition(topic, 0)])
    try:
        await consumer.start()
        await asyncio.wait_for(consumer.getone(), 20)
    finally:
        await consumer.stop()
