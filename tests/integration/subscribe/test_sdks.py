"""Every event type, in both modes, read from real Kafka by the CloudEvents SDKs of Python, JavaScript and Java."""

import json
import subprocess
import threading
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from postroom_contracts.events import Event, EventMode, encode
from postroom_contracts.examples import event_of
from postroom_contracts.registry import REGISTRATIONS
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.kafka import Outgoing, Publisher, create_topics
from postroom_runtime.settings import RuntimeSettings

from tests.integration.subscribe.readers import READERS

pytestmark = pytest.mark.connected
MODES: tuple[EventMode, ...] = ("binary", "structured")
TEXT = ("id", "source", "type", "subject", "partitionkey", "correlationid", "causationid")


def golden() -> dict[str, tuple[Event, EventMode]]:
    """Return every type's golden event in each mode, by an id that names both."""
    events = [(event_of(registration), mode) for registration in REGISTRATIONS for mode in MODES]
    return {f"{mode}-{event.id}": (replace(event, id=f"{mode}-{event.id}"), mode) for event, mode in events}


@pytest.fixture
async def filled_topic(kafka_bootstrap: str, topic_prefix: str) -> str:
    settings = RuntimeSettings(kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    await create_topics(settings, [CONVERSATION_EVENTS])
    publisher = Publisher(settings)
    await publisher.start()
    topic = settings.topic(CONVERSATION_EVENTS.name)
    records = []
    for event, mode in golden().values():
        headers, body = encode(event, mode)
        records.append(Outgoing(topic, event.key.encode(), body, headers))
    await publisher.publish(records)
    await publisher.stop()
    return topic


def read_by(command: list[str], count: int) -> list[dict[str, Any]]:
    """Return the first `count` events that the subscriber prints, then stop it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    timer = threading.Timer(90, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [line for line in (process.stdout.readline() for _ in range(count)) if line]
        process.kill()
        said = process.stderr.read().decode()[-2000:]
    finally:
        timer.cancel()
        process.kill()
        process.wait(10)
    assert len(lines) == count, f"{len(lines)} of {count} events were read\n{said}"
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("language", READERS)
async def test_the_sdk_reads_every_event_type_in_both_modes(
    language: str, kafka_bootstrap: str, filled_topic: str
) -> None:
    expected = golden()
    found = {e["id"]: e for e in read_by(READERS[language](kafka_bootstrap, filled_topic), len(expected))}
    assert sorted(found) == sorted(expected)
    for identifier, (event, _) in expected.items():
        read = found[identifier]
        assert {name: read[name] for name in TEXT} == {
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "partitionkey": event.key,
            "correlationid": event.correlation_id,
            "causationid": event.causation_id,
        }
        assert datetime.fromisoformat(read["time"]) == event.time
        assert read.get("sequence") == (None if event.sequence is None else str(event.sequence))
        assert read["data"] == event.data.model_dump(mode="json", exclude_none=True)
