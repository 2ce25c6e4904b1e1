"""What earlier releases wrote is read by this one: `contracts/recorded/RELEASE/TOPIC.jsonl`, made by `postroom demo --record`."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postroom_analytics.domain.log import FoldedLog
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Event, decode, encode_body, encode_headers
from postroom_contracts.facts import MessageReceived
from postroom_contracts.registry import MODELS
from postroom_contracts.topics import AGENT_PRESENCE, TOPICS

from tests.contract.test_examples import FakeRecord
from tests.validation import validate_record

RECORDED = Path(__file__).resolve().parents[2] / "contracts" / "recorded"
LATER = {"0.1": ("conversation-states",)}
"""Topics that a recording has not, because they came after it."""
RELEASES = sorted(path for path in RECORDED.iterdir() if path.is_dir())


def lines(release: Path, topic: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (release / f"{topic}.jsonl").read_text(encoding="utf-8").splitlines()]


def read(line: dict[str, Any]) -> Event:
    """Read a line as the record in binary mode that it was."""
    headers = {f"ce_{name}": str(value).encode() for name, value in line.items() if name != "data"}
    return decode(headers, json.dumps(line["data"]).encode(), MODELS)


def events(release: Path, topic: str) -> Iterator[Event]:
    return (read(line) for line in lines(release, topic))


@pytest.fixture(params=RELEASES, ids=lambda release: release.name)
def release(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def test_every_record_is_read_and_still_has_its_shape(release: Path) -> None:
    for topic in (t for t in TOPICS if t is not AGENT_PRESENCE):  # which nobody keeps
        if topic.name in LATER.get(release.name, ()):
            continue
        found = lines(release, topic.name)
        assert found, topic.name
        for line in found:
            event = read(line)
            headers: list[tuple[str, bytes | None]] = list(encode_headers(event))
            validate_record(FakeRecord(topic.name, event.key.encode(), encode_body(event.data), headers))


def test_facts_of_a_conversation_stand_without_gap(release: Path) -> None:
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events(release, "conversation-events"):
        assert event.sequence is not None
        numbers[event.subject, event.source].append(event.sequence)
    assert len(numbers) > 50
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())


def test_the_log_gives_figures(release: Path) -> None:
    applied = [e.data for e in events(release, "configuration")]
    versions = {d.configuration_version: d.configuration for d in applied if isinstance(d, ConfigurationApplied)}
    facts = list(events(release, "conversation-events"))
    log = FoldedLog(versions)
    log.fold(facts)
    opened = sum(isinstance(e.data, MessageReceived) and e.data.opened for e in facts)
    kinds = [row.kind for conversation in log.rows for row in log.rows_of(conversation)]
    assert kinds.count("conversation") == opened > 20
    assert kinds.count("first_response") > 5
