"""A changed configuration, applied as an operator does it while messages come in, in all six services."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import yaml
from postroom_analytics.app import Analytics
from postroom_assigner.app import Assigner
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Event, decode, new_event
from postroom_contracts.facts import ConversationAssigned, MessageReceived
from postroom_contracts.ids import content_id, message_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import MODELS, source_of
from postroom_contracts.topics import CONFIGURATION, CONVERSATION_EVENTS, INBOUND_MESSAGES, Topic, all_topics
from postroom_contracts.values import Address, Channel, ContentReference
from postroom_desk.app import Desk
from postroom_desk.settings import DeskSettings
from postroom_ingest.app import Ingest, IngestSettings
from postroom_local.smtp_sink import SmtpSink
from postroom_notifier.app import Notifier
from postroom_notifier.settings import NotifierSettings
from postroom_router.app import Router
from postroom_runtime.kafka import create_topics
from postroom_runtime.service import Runtime, ServiceDefinition, connect
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end

from tests.validation import validate_record

pytestmark = pytest.mark.connected
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PER_SECOND = 50
AFTER_THE_CHANGE = 60
"""Five seconds of them."""
REACHES_ALL_SECONDS = 20.0


def company(name: str, smtp_port: int) -> dict[str, Any]:
    """Everything that a message's way depends on is called after the version: its tag, its team, its agents, its inbox."""
    return {
        "company": {"name": "Acme", "default_calendar": "always", "domain": "acme.test"},
        "calendars": [{"id": "always", "time_zone": "UTC", "hours": {day: ["00:00-24:00"] for day in WEEK}}],
        "accounts": [
            {"id": "mail", "channel": "email", "smtp": {"host": "127.0.0.1", "port": smtp_port, "tls": "none"}}
        ],
        "inboxes": [
            {"id": "support", "name": name, "account": "mail", "address": "support@acme.test", "teams": ["old", "new"]}
        ],
        "teams": [{"id": n, "name": n, "members": [f"{n}-a", f"{n}-b"]} for n in ("old", "new")],
        "agents": [
            {"id": f"{n}-{x}", "first_name": n, "email": f"{n}-{x}@staff.acme.test"}
            for n in ("old", "new")
            for x in "ab"
        ],
        "rules": [
            {
                "id": "all",
                "name": "All",
                "when": {"field": "subject", "operator": "contains", "value": "question"},
                "then": {"add_tags": [name], "team": name},
            }
        ],
    }


class Office:
    """Six services in this process, the program for the operator."""

    def __init__(self, base: dict[str, Any], runtimes: list[Runtime], sink: SmtpSink, folder: Path) -> None:
        self.base, self.runtimes, self.sink, self.folder = base, runtimes, sink, folder
        self.settings = RuntimeSettings(**base)

    async def apply(self, name: str, content: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(apply, self.base, self.folder / f"{name}.yaml", content)

    def versions(self) -> list[int]:
        return [runtime.configurations.latest_version for runtime in self.runtimes]

    async def events(self, topic: Topic) -> list[Event]:
        found: dict[tuple[str, str], Event] = {}
        async for record in read_to_end(self.settings, self.settings.topic(topic.name)):
            validate_record(record)
            event = decode(dict(record.headers), record.value, MODELS)
            found[event.source, event.id] = event
        return list(found.values())


def apply(base: dict[str, Any], path: Path, content: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "postroom_runtime.cli", "config", "apply", str(path)],
        env={**os.environ, **{f"POSTROOM_{key}".upper(): str(value) for key, value in base.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
async def office(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, tmp_path: Path
) -> AsyncIterator[Office]:
    base: dict[str, Any] = {
        "kafka_bootstrap": kafka_bootstrap,
        "mongo_uri": mongo_uri,
        "topic_prefix": topic_prefix,
        "database_prefix": database_prefix,
        "signing_keys": "a-signing-key-of-the-tests-0001",
        "partitions": 2,
    }
    plain, desk, ingest = RuntimeSettings(**base), DeskSettings(**base), IngestSettings(**base)
    notifier = NotifierSettings(**base, delivery_poll_seconds=0.05, delivery_sweep_seconds=0.2)
    services: list[tuple[ServiceDefinition, RuntimeSettings]] = [
        (Router(), plain),
        (Assigner(), plain),
        (Notifier(), notifier),
        (Analytics(), plain),
        (Desk(), desk),
        (Ingest(), ingest),
    ]
    await create_topics(plain, all_topics())
    sink = SmtpSink()
    sink.start()
    async with AsyncExitStack() as stack:
        stack.callback(sink.stop)
        first = await asyncio.to_thread(apply, base, tmp_path / "old.yaml", company("old", sink.port))
        assert first.returncode == 0, first.stderr
        runtimes: list[Runtime] = []
        for definition, settings in services:
            runtime = await connect(definition, settings)
            stack.push_async_callback(runtime.stop)
            await runtime.start()
            runtimes.append(runtime)
        yield Office(base, runtimes, sink, tmp_path)


def inbound(n: int, runtime: Runtime) -> tuple[Event, dict[str, Any]]:
    now = runtime.clock.now()
    identifier = message_id(f"ledger-{n}", "support")
    text = f"This is question {n}."
    data = InboundReceived(
        message_id=identifier,
        ledger_id=f"ledger-{n}",
        account_id="mail",
        inbox_id="support",
        channel=Channel.EMAIL,
        external_id=f"q{n}@example.test",
        sender=Address(address=f"c{n}@example.test"),
        to=[Address(address="support@acme.test")],
        subject=f"A question {n}",
        text=text,
        body_bytes=len(text),
        content=ContentReference(content_id=content_id(identifier), sha256="0" * 64),
        received_at=now,
        ingested_at=now,
    )
    document = {"_id": content_id(identifier), "kind": "message", "text": text, "subject": data.subject, "from": {}}
    key = data.sender.address
    return new_event(
        data, source=source_of("ingest"), cause_id=identifier, subject="support", time=now, key=key
    ), document


async def feed(office: Office, changed: asyncio.Event) -> int:
    """Publish 50 messages a second by the clock, however long a publication takes, until some came after the change.

    Return how many there were.
    """
    router, began = office.runtimes[0], time.monotonic()
    sent = left = 0
    while left < AFTER_THE_CHANGE:
        await asyncio.sleep(max(0.0, began + sent / PER_SECOND - time.monotonic()))
        event, document = inbound(sent, router)
        await router.content.put([document])
        await router.publisher.publish_events(INBOUND_MESSAGES, [event])
        sent += 1
        left += changed.is_set()
    return sent


async def all_have(office: Office, version: int) -> None:
    """Return as soon as all services use `version`; fail when one does not take it."""
    began = time.monotonic()
    while set(office.versions()) != {version}:
        assert time.monotonic() - began < REACHES_ALL_SECONDS, f"not everywhere in time: {office.versions()}"
        await asyncio.sleep(0.01)


async def test_a_change_reaches_all_services_under_load_and_no_message_sees_two_versions(office: Office) -> None:
    changed = asyncio.Event()
    feeding = asyncio.create_task(feed(office, changed))
    bad = company("new", office.sink.port)
    bad["inboxes"][0]["teams"] = ["nobody"]
    refused = await office.apply("bad", bad)
    assert refused.returncode == 1
    assert "inboxes[0].teams[0]: 'nobody' is not a team" in refused.stderr
    assert office.versions() == [1] * 6
    applied = await office.apply("new", company("new", office.sink.port))
    assert applied.stdout.startswith("version 2 applied"), applied.stderr
    await all_have(office, 2)
    changed.set()
    messages = await feeding

    await asyncio.to_thread(office.sink.wait_for, messages, 60)
    changes = [
        e.data.configuration_version
        for e in await office.events(CONFIGURATION)
        if isinstance(e.data, ConfigurationApplied)
    ]
    assert changes == [1, 2]
    events = await office.events(CONVERSATION_EVENTS)
    received = {e.key: e.data for e in events if isinstance(e.data, MessageReceived)}
    assigned = {e.key: e.data for e in events if isinstance(e.data, ConversationAssigned)}
    assert len(received) == len(assigned) == messages
    by_version = [sum(m.configuration_version == v for m in received.values()) for v in (1, 2)]
    assert min(by_version) >= 20, f"both versions were in use: {by_version}"
    names = {1: "old", 2: "new"}
    for key, message in received.items():
        name = names[message.configuration_version]
        owner = assigned[key]
        assert (message.tags, message.team_id, owner.team_id) == (["support", name], name, name)
        assert owner.record.configuration_version == message.configuration_version
        assert owner.agent_id.startswith(name)
    for mail in office.sink.mails:
        told = message_from_bytes(mail.content, policy=policy.default)
        name = told["To"].addresses[0].addr_spec.partition("-")[0]
        assert told["Subject"].startswith(f"[{name}] A question"), "the notification is of the message's own version"
