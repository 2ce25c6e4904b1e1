"""The samples for another team, run as they stand: the rights of acls.sh on a broker that asks for them, and, with no more than
those, warehouse.py. The same rights stand in kafka-user.yaml."""

import asyncio
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from postroom_contracts.topics import TOPICS
from postroom_local.kafka import KafkaServer
from postroom_local.ports import LOOPBACK, free_port
from postroom_runtime.settings import RuntimeSettings

from tests.groups import bury
from tests.standins import kafka_tools
from tests.validation import StructuredRecord

pytestmark = pytest.mark.connected
ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "docs" / "examples"
RECORDED = ROOT / "contracts" / "recorded" / "0.1" / "conversation-events.jsonl"
EVENTS, STATES, INBOUND = (
    f"postroom-{name}" for name in ("conversation-events", "conversation-states", "inbound-messages")
)
TABLE = "SELECT conversation, inbox, team, status, opened_at, owner FROM conversations"
GROUP = "warehouse-table"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


@dataclass(frozen=True)
class Guarded:
    """A broker that lets nobody do what no rule allows; whoever comes by `admin` without a log-in may do all."""

    admin: str
    door: str
    commands: list[list[str]]
    """What acls.sh called, each as its arguments."""

    def options(self, user: str) -> dict[str, Any]:
        login = {"sasl_plain_username": user, "sasl_plain_password": f"{user}-password"}
        return {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", **login}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder, ports = tmp_path_factory.mktemp("acls"), {n: free_port() for n in ("PLAINTEXT", "CONTROLLER", "SASL")}
    places = {name: f"{name}://{LOOPBACK}:{port}" for name, port in ports.items()}
    users = " ".join(f'user_{name}="{name}-password"' for name in ("warehouse", "stranger"))
    settings = {
        "listeners": ",".join(places.values()),
        "advertised.listeners": f"{places['PLAINTEXT']},{places['SASL']}",
        "controller.quorum.voters": f"1@{LOOPBACK}:{ports['CONTROLLER']}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT",
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": f"{PLAIN} required {users};",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    server = KafkaServer(folder / "kafka", ports["PLAINTEXT"], settings=settings)
    server.start()
    try:
        asyncio.run(_make_topics(server.bootstrap))
        commands = _run_acls(server, folder)
        yield Guarded(server.bootstrap, f"{LOOPBACK}:{ports['SASL']}", commands)
    finally:
        server.kill()


async def _make_topics(bootstrap: str) -> None:
    async with _closing(AIOKafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        await admin.create_topics([NewTopic(f"postroom-{topic.name}", 1, 1) for topic in TOPICS])


def _run_acls(server: KafkaServer, folder: Path) -> list[list[str]]:
    """Run acls.sh as it stands; return what it called."""
    tools = kafka_tools.install(folder)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    command = [str(SAMPLES / "acls.sh"), server.bootstrap, "warehouse"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.split() for line in (tools / "called").read_text().splitlines()]


@asynccontextmanager
async def _closing(admin: AIOKafkaAdminClient) -> AsyncIterator[AIOKafkaAdminClient]:
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def publish(guarded: Guarded, topic: str, lines: Sequence[str]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=guarded.admin) as producer:
        for line in lines:
            record = StructuredRecord.of(line, topic)
            await producer.send(topic, record.value, key=record.key, headers=record.headers)
        await producer.flush()


async def first_of(guarded: Guarded, user: str, topic: str, group: str | None = None) -> Any:
    """Return the first record of a topic as the user gets it: without a group, or as a member of one."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=guarded.door, group_id=group, auto_offset_reset="earliest", **guarded.options(user)
    )
    consumer.subscribe([topic]) if group else consumer.assign([TopicPartition(topic, 0)])
    try:
        await consumer.start()
        return await asyncio.wait_for(consumer.getone(), 30)
    finally:
        await consumer.stop()


async def test_the_team_reads_what_is_public_and_can_do_nothing_else(guarded: Guarded) -> None:
    [line, *_] = RECORDED.read_text().splitlines()
    for topic in (EVENTS, STATES, INBOUND):
        await publish(guarded, topic, [line])
    for topic in (EVENTS, STATES):
        assert (await first_of(guarded, "warehouse", topic)).topic == topic
    assert (await first_of(guarded, "warehouse", STATES, "warehouse-states")).topic == STATES
    with pytest.raises(TopicAuthorizationFailedError):
        await first_of(guarded, "warehouse", INBOUND)
    for group in ("postroom-desk", "warehouse"):  # one of ours, and one that only looks like the team's
        with pytest.raises(GroupAuthorizationFailedError):
            await first_of(guarded, "warehouse", EVENTS, group)
    for user, topic in (("warehouse", EVENTS), ("stranger", EVENTS)):
        async with AIOKafkaProducer(bootstrap_servers=guarded.door, **guarded.options(user)) as producer:
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(topic, b"{}")
    with pytest.raises(TopicAuthorizationFailedError):
        await first_of(guarded, "stranger", EVENTS)


def test_strimzis_user_has_the_rights_of_the_script(guarded: Guarded) -> None:
    user = yaml.safe_load((SAMPLES / "kafka-user.yaml").read_text())
    declared = {
        (rule["resource"]["type"], rule["resource"]["name"], rule["resource"]["patternType"], operation)
        for rule in user["spec"]["authorization"]["acls"]
        for operation in rule["operations"]
    }
    called = set()
    for command in guarded.commands:
        pairs = list(itertools.pairwise(command))
        kind = "prefix" if ("--resource-pattern-type", "prefixed") in pairs else "literal"
        operations = [value for option, value in pairs if option == "--operation"]
        resources = [(option[2:], value) for option, value in pairs if option in ("--topic", "--group")]
        called |= {(resource, name, kind, operation) for resource, name in resources for operation in operations}
        assert ("--allow-principal", f"User:{user['metadata']['name']}") in pairs
    assert declared == called
    assert len(declared) == 6


def start(guarded: Guarded, database: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "KAFKA_OPTIONS": json.dumps(guarded.options("warehouse"))}
    command = [sys.executable, str(SAMPLES / "warehouse.py"), guarded.door, EVENTS, GROUP, str(database)]
    return subprocess.Popen(command, env=environment)


def rows(path: Path, query: str) -> list[Any]:
    with sqlite3.connect(path) as db:
        return list(db.execute(query))


async def wait_for(path: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if rows(path, "SELECT count(*) FROM events")[0][0] >= count:
                return
        except sqlite3.OperationalError:
            pass
        assert time.monotonic() < deadline, "the warehouse stands still"
        await asyncio.sleep(0.05)


async def test_the_warehouse_is_filled_once_over_kills_repeats_and_facts_that_come_late(
    guarded: Guarded, tmp_path: Path
) -> None:
    lines = RECORDED.read_text().splitlines()
    late = "3312b7c4-3c28-5861-a606-29dff3df1ae9"  # queued, then Paulo's: its facts come backwards
    backwards = [line for line in lines if late in line][::-1]
    others = [line for line in lines if late not in line]
    database = tmp_path / "warehouse.db"
    await publish(guarded, EVENTS, others[:150])
    first = start(guarded, database)
    try:
        await wait_for(database, 100)
    finally:
        first.kill()
        first.wait(10)
    await bury(RuntimeSettings(kafka_bootstrap=guarded.admin, topic_prefix=""), [GROUP])
    await publish(guarded, EVENTS, [*others[:120], *backwards, *others[150:-1]])  # 120 come once more
    await publish(guarded, EVENTS, [*others[100:200], others[-1]])
    second = start(guarded, database)
    try:
        await wait_for(database, len(lines))
    finally:
        second.kill()
        second.wait(10)
    assert rows(database, "SELECT count(*), count(DISTINCT source || id) FROM events") == [(305, 305)]
    assert rows(database, "SELECT count(*) FROM conversations") == [(48,)]
    found = {row[0]: row[1:] for row in rows(database, TABLE)}
    assert found[late] == ("sales", "sales", "open", "2026-11-25T18:42:20.000Z", "paulo")
    ordinary = "a9cfd653-4f3c-5a51-8a77-d67e16c46e5b"
    assert found[ordinary] == ("support", "workshop", "open", "2026-11-25T18:41:56.000Z", "jonas")
    assert rows(database, "SELECT count(*) FROM conversations WHERE owner IS NOT NULL") == [(40,)]


def test_the_samples_are_short_enough_to_be_read() -> None:
    lines = [line for line in (SAMPLES / "warehouse.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 55
