"""The commands of an operator as they are typed, from an empty broker to a dead letter given up."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from postroom_contracts.events import Event, encode_body, encode_headers, new_event
from postroom_contracts.facts import NoteAdded
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS, Topic
from postroom_contracts.values import Actor, ContentReference
from postroom_runtime.cli import build
from postroom_runtime.clock import SystemClock
from postroom_runtime.kafka import Outgoing, Publisher, create_topics
from postroom_runtime.tail import read_to_end
from typer.testing import CliRunner, Result

from tests.deployment import SIGNING_KEY, Deployment

pytestmark = pytest.mark.connected
COMPANY = Path(__file__).resolve().parents[3] / "docs" / "examples" / "company.yaml"


class Operator:
    """Somebody at a terminal whose environment leads to the test's servers."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def type(self, *words: str) -> Result:
        return CliRunner().invoke(build(), list(words), env=self.environment)

    async def types(self, *words: str) -> str:
        """Return what a command printed that must succeed."""
        result = await asyncio.to_thread(self.type, *words)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture
def operator(kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str) -> Operator:
    return Operator(
        {
            "POSTROOM_KAFKA_BOOTSTRAP": kafka_bootstrap,
            "POSTROOM_MONGO_URI": mongo_uri,
            "POSTROOM_TOPIC_PREFIX": topic_prefix,
            "POSTROOM_DATABASE_PREFIX": database_prefix,
            "POSTROOM_SIGNING_KEYS": SIGNING_KEY,
            "POSTROOM_SESSION_TIMEOUT_MS": "2500",
            "POSTROOM_HEARTBEAT_INTERVAL_MS": "300",
        }
    )


def test_doctor_names_what_is_missing_with_its_remedy_until_nothing_is(operator: Operator, topic_prefix: str) -> None:
    sick = operator.type("doctor")
    assert sick.exit_code == 1
    assert "ok  indexes of ingest: ingest has not run here yet" in sick.stdout
    assert "no  topics: 0 of 22 exist\n      run `postroom topics apply`" in sick.stdout
    assert "run `postroom config apply FILE`" in sick.stdout

    made = operator.type("topics", "apply").stdout
    assert made.count("created  ") == 22
    assert f"created  {topic_prefix}conversation-events\n" in made
    assert operator.type("topics", "apply").stdout.count("exists   ") == 22
    assert operator.type("config", "apply", str(COMPANY)).stdout.startswith("version 1 applied")
    assert "indexes of desk: missing: audit." in operator.type("doctor").stdout
    assert operator.type("migrate").exit_code == 0

    well = operator.type("doctor")
    faults = [line for line in well.stdout.splitlines() if line.startswith("no  ")]
    assert faults, "the company's mail servers are not there"
    assert all(line.startswith(("no  mailbox ", "no  mail server of ")) for line in faults), well.stdout
    assert re.search(r"ok  clock: \d\.\d s from MongoDB's", well.stdout)  # a busy machine answers late
    assert "ok  groups: nothing runs yet" in well.stdout
    for service in ("ingest", "router", "assigner", "notifier", "analytics", "desk"):
        assert f"ok  indexes of {service}: all there" in well.stdout, well.stdout
    assert re.search(r"ok  versions: Python 3\.\d+\.\d+, Postroom \d", well.stdout)
    assert "ok  configuration: version 1 of Velo" in well.stdout


def test_doctor_says_what_is_away(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cli_doctor", "doctor_checks", "findings"):
        monkeypatch.setattr(f"postroom_runtime.{module}.ANSWER_SECONDS", 1.0)
    operator.environment |= {
        "POSTROOM_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "POSTROOM_MONGO_URI": "mongodb://127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=200",
        "POSTROOM_SIGNING_KEYS": "short",
    }
    found = operator.type("doctor")
    assert found.exit_code == 1
    assert "no  signing keys: 1 set\n      a key needs at least 16 bytes" in found.stdout
    assert "no  kafka: 127.0.0.1:1: " in found.stdout
    assert "set POSTROOM_KAFKA_BOOTSTRAP" in found.stdout
    assert "no  mongodb: " in found.stdout


def test_topics_list_says_of_each_who_writes_and_reads_it(operator: Operator, topic_prefix: str) -> None:
    listed = operator.type("topics", "list").stdout
    assert listed.count("\n    key ") == 22
    assert (
        f"{topic_prefix}inbound-messages\n    key account and the sender's address or handle, normalised; "
        "ingest -> router; kept 7 d\n" in listed
    )


@pytest.fixture
async def deployment(operator: Operator, tmp_path: Path) -> AsyncIterator[Deployment]:
    values = operator.environment
    names = ("KAFKA_BOOTSTRAP", "MONGO_URI", "TOPIC_PREFIX", "DATABASE_PREFIX")
    async with Deployment(*(values[f"POSTROOM_{name}"] for name in names)) as made:
        made.has_bad_records = True
        await operator.types("config", "apply", str(COMPANY))
        yield made


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def until(is_true: Callable[[], bool], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


class Terminal:
    """`postroom run NAMES` with its output."""

    def __init__(self, operator: Operator, log: Path, *names: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "postroom_runtime.cli", "run", *names],
                env={**os.environ, **operator.environment, "POSTROOM_LOG_FORMAT": "console"},
                stdout=out,
                stderr=out,
            )

    def children(self) -> dict[str, int]:
        """Return service to process id."""
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        lines = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in found}
        return {line.rstrip(b"\0").rsplit(b"\0", 1)[1].decode(): child for child, line in lines.items() if line}

    def started(self) -> int:
        return self.log.read_text(errors="replace").count("] started ")


async def test_several_services_run_side_by_side_and_bad_records_are_found_and_given_up(
    operator: Operator, deployment: Deployment, tmp_path: Path
) -> None:
    terminal = Terminal(operator, tmp_path / "log", "router", "analytics")
    try:
        await until(lambda: terminal.started() == 2, "both have started")
        first = terminal.children()
        assert set(first) == {"router", "analytics"}
        os.kill(first["analytics"], signal.SIGKILL)
        await _a_bad_record_is_found_and_given_up(operator, deployment)
        await until(lambda: terminal.started() == 3, "who was killed is there again")
        second = terminal.children()
        assert second["router"] == first["router"]
        assert second["analytics"] != first["analytics"]
        terminal.process.terminate()
        assert await asyncio.to_thread(terminal.process.wait, 40) == 0
        assert [pid for pid in second.values() if is_there(pid)] == []
    finally:
        terminal.process.kill()


async def _a_bad_record_is_found_and_given_up(operator: Operator, deployment: Deployment) -> None:
    topic = deployment.settings.topic(CONVERSATION_COMMANDS.name)
    headers = [("ce_type", b"org.postroom.add-note.v1"), ("ce_id", b"x")]
    await deployment.publisher.publish([Outgoing(topic, b"c1", b"not json but carla@example.test", headers)])
    await until_text(lambda: operator.type("dead-letters", "list", "router-decide").stdout, "permanent")
    listed = await operator.types("dead-letters", "list", "router-decide")
    letter, reason, origin, *_ = listed.split()
    assert (reason, origin.rsplit("/", 2)[0], "key=c1" in listed) == ("permanent", topic, True)
    shown = await operator.types("dead-letters", "show", "router-decide", letter)
    assert "ce_type: org.postroom.add-note.v1\n" in shown
    assert "body: 31 bytes" in shown
    assert "carla" not in listed + shown

    await operator.types("dead-letters", "replay", "router-decide", "--letter", letter)
    again = letter
    while again == letter:  # it fails again, and is parked again
        again = (await operator.types("dead-letters", "list", "router-decide")).split()[0]
    assert await operator.types("dead-letters", "discard", "router-decide", again) == f"discarded {again}\n"
    assert await operator.types("dead-letters", "list", "assigner") == "none\n"
    wrong = await asyncio.to_thread(operator.type, "dead-letters", "list", "nobody")
    assert (wrong.exit_code, "no group nobody; groups: router-thread" in wrong.stderr) == (2, True)
    unknown = await asyncio.to_thread(operator.type, "dead-letters", "show", "router-decide", "9:9")
    assert (unknown.exit_code, "no dead letter 9:9" in unknown.stderr) == (1, True)


async def until_text(look: Callable[[], str], wanted: str) -> None:
    deadline = time.monotonic() + 40
    while wanted not in (found := await asyncio.to_thread(look)):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


async def test_the_events_are_followed_readably_or_as_json_and_what_is_unreadable_is_said(
    operator: Operator, deployment: Deployment
) -> None:
    events = [
        new_event(
            NoteAdded(
                message_id=f"note-{n}",
                actor=Actor(kind="agent", id="ann"),
                content=ContentReference(content_id="c", sha256="0" * 64),
            ),
            source="/postroom/router",
            cause_id=f"cause-{n}",
            subject=f"conversation-{n}",
            time=SystemClock().now(),
            sequence=7,
        )
        for n in range(2)
    ]
    await deployment.publisher.publish_events(CONVERSATION_EVENTS, events)
    await _publish_broken(deployment.publisher, deployment.settings.topic(CONVERSATION_EVENTS.name), events[0])
    text = await operator.types("events", "tail", "--once")
    assert len(text.splitlines()) == 3
    (line,) = [found for found in text.splitlines() if "message_id=note-1" in found]
    assert all(word in line for word in ("router", "#7", "note-added.v1", "conversa"))
    assert sum("unreadable: " in found for found in text.splitlines()) == 1
    chosen = await operator.types("events", "tail", "--once", "--json", "--conversation", "conversation-1")
    (found,) = [json.loads(one) for one in chosen.splitlines()]
    assert (found["type"], found["subject"], found["sequence"]) == (
        "org.postroom.note-added.v1",
        "conversation-1",
        7,
    )
    assert await operator.types("events", "tail", "--once", "--type", "message-received") == ""
    assert (await asyncio.to_thread(operator.type, "events", "tail", "--topic", "nothing")).exit_code == 2


async def test_events_replay_publishes_a_range_again_unchanged_to_a_topic_of_ones_own(
    deployment: Deployment, operator: Operator, topic_prefix: str
) -> None:
    events = [
        new_event(
            NoteAdded(
                message_id=f"note-{n}",
                actor=Actor(kind="agent", id="ann"),
                content=ContentReference(content_id="c", sha256="0" * 64),
            ),
            source="/postroom/router",
            cause_id=f"cause-{n}",
            subject="conversation-1",
            time=SystemClock().now(),
            sequence=n,
        )
        for n in range(1, 6)
    ]
    await deployment.publisher.publish_events(CONVERSATION_EVENTS, events)
    stream = deployment.settings.topic(CONVERSATION_EVENTS.name)
    (partition,) = {r.partition async for r in read_to_end(deployment.settings, stream)}
    mine = Topic("of-the-warehouse", "", "", (), (), -1)
    await create_topics(deployment.settings, [mine])

    said = await operator.types(
        "events",
        "replay",
        "--to",
        f"{topic_prefix}of-the-warehouse",
        "--from",
        f"{partition}:1",
        "--until",
        f"{partition}:4",
    )
    assert said.startswith(f"3 events of {stream} published again")
    copied = [r async for r in read_to_end(deployment.settings, f"{topic_prefix}of-the-warehouse")]
    originals = [r async for r in read_to_end(deployment.settings, stream)][1:4]
    assert [(r.key, r.value, r.headers) for r in copied] == [(r.key, r.value, r.headers) for r in originals]

    later = (SystemClock().now() + timedelta(hours=1)).isoformat()
    assert await operator.types("events", "tail", "--once", "--from", later) == ""
    assert len((await operator.types("events", "tail", "--once", "--from", f"{partition}:3")).splitlines()) == 2
    for words, complaint in {
        ("--to", stream): "is a topic of Postroom",
        ("--to", "nowhere"): "topic nowhere does not exist",
        ("--to", "x", "--from", "yesterday"): "--from: 'yesterday' is none of",
        ("--to", "x", "--until", "2026-03-06T14:00:00"): "has no zone",
    }.items():
        refused = await asyncio.to_thread(operator.type, "events", "replay", *words)
        assert refused.exit_code != 0
        assert complaint in " ".join(refused.output.split())


async def _publish_broken(publisher: Publisher, topic: str, event: Event) -> None:
    body = encode_body(event.data)[:-5]
    await publisher.publish([Outgoing(topic, event.key.encode(), body, encode_headers(event))])
