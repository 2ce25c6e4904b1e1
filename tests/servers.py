"""Fixtures that give real Kafka, MongoDB and mail servers; without one a test fails by name, it is never skipped.

`kafka_bootstrap` and `mongo_uri` take the servers named by POSTROOM_TEST_KAFKA and POSTROOM_TEST_MONGO; else containers
where a Docker engine answers; else the embedded servers. They are shared by the session, so each test works under a
`topic_prefix` and `database_prefix` of its own, whose topics and databases are dropped after it. A test that kills a
server takes its own from `kafka_server`, `mongo_server`, `greenmail_server` or `dovecot_server`, always embedded.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from postroom_local.dovecot import DovecotServer
from postroom_local.kafka import KafkaServer
from postroom_local.kafka_probe import is_in_service
from postroom_local.mail import GreenMailServer, MailUser
from postroom_local.mongo import MongoServer, become_primary
from postroom_local.ports import LOOPBACK, free_port
from postroom_local.smtp_sink import SmtpSink
from pymongo import MongoClient

MAIL_USERS = (
    MailUser("support@acme.test", "support-password"),
    MailUser("billing@acme.test", "billing-password"),
    MailUser("ana@acme.test", "ana-password"),
    MailUser("ben@acme.test", "ben-password"),
    MailUser("customer@example.test", "customer-password"),
)
# The releases that deployments are tested with; the embedded mongod is older, a container need not be.
KAFKA_IMAGE = "apache/kafka:4.1.0"
MONGO_IMAGE = "mongo:7.0.14"
_CONTAINER_DEADLINE_SECONDS = 120.0


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address, `host:port`, of the session's Kafka."""
    if given := os.environ.get("POSTROOM_TEST_KAFKA"):
        yield given
    elif docker_answers():
        with kafka_container() as bootstrap:
            yield bootstrap
    else:
        server = KafkaServer(tmp_path_factory.mktemp("kafka"))
        server.start()
        yield server.bootstrap
        server.kill()  # its data is thrown away


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of the session's MongoDB, a replica set."""
    if given := os.environ.get("POSTROOM_TEST_MONGO"):
        yield given
    elif docker_answers():
        with mongo_container() as uri:
            yield uri
    else:
        server = MongoServer(tmp_path_factory.mktemp("mongo"))
        server.start()
        with MongoClient[dict[str, Any]](
            server.uri
        ) as client:  # the tests' clock stands far behind: nothing is too old
            client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
        yield server.uri
        server.kill()  # its data is thrown away


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix for topic and group names that no other test has; ends in a hyphen."""
    uses_kafka = "kafka_bootstrap" in request.fixturenames
    bootstrap: str | None = request.getfixturevalue("kafka_bootstrap") if uses_kafka else None
    prefix = f"t{uuid.uuid4().hex[:10]}-"
    yield prefix
    if bootstrap:
        with ThreadPoolExecutor(1) as thread:  # the test's own event loop may still be there
            thread.submit(asyncio.run, _delete_topics(bootstrap, prefix)).result(30)


@pytest.fixture
def database_prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix for database names that no other test has; ends in an underscore."""
    uses_mongo = "mongo_uri" in request.fixturenames
    uri: str | None = request.getfixturevalue("mongo_uri") if uses_mongo else None
    prefix = f"t{uuid.uuid4().hex[:10]}_"
    yield prefix
    if uri:
        _drop_databases(uri, prefix)


@pytest.fixture
def kafka_server(tmp_path: Path) -> Iterator[Callable[..., KafkaServer]]:
    """A factory of started brokers of the test's own; its keyword arguments are those of KafkaServer."""
    with ExitStack() as stack:

        def make(**options: Any) -> KafkaServer:
            server = KafkaServer(tmp_path / f"kafka-{uuid.uuid4().hex[:6]}", **options)
            stack.callback(server.kill)
            server.start()
            return server

        yield make


@pytest.fixture
def mongo_server(tmp_path: Path) -> Iterator[Callable[..., MongoServer]]:
    """A factory of started mongods of the test's own; its keyword arguments are those of MongoServer."""
    with ExitStack() as stack:

        def make(**options: Any) -> MongoServer:
            server = MongoServer(tmp_path / f"mongo-{uuid.uuid4().hex[:6]}", **options)
            stack.callback(server.kill)
            server.start()
            return server

        yield make


@pytest.fixture(scope="module")
def greenmail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GreenMailServer]:
    """A GreenMail for a module with MAIL_USERS; mailboxes are shared, so tell mails apart by their Message-ID.

    Not for the session: over a connection that a test broke off it turns with a whole core (see `mail.greets`).
    """
    server = GreenMailServer(tmp_path_factory.mktemp("greenmail"), MAIL_USERS)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def greenmail_server(tmp_path: Path) -> Iterator[Callable[..., GreenMailServer]]:
    """A factory of started GreenMail servers of the test's own; `users` is MAIL_USERS if not given."""
    with ExitStack() as stack:

        def make(**options: Any) -> GreenMailServer:
            directory = tmp_path / f"greenmail-{uuid.uuid4().hex[:6]}"
            server = GreenMailServer(directory, **{"users": MAIL_USERS, **options})
            stack.callback(server.kill)
            server.start()
            return server

        yield make


@pytest.fixture
def dovecot(dovecot_server: Callable[..., DovecotServer]) -> DovecotServer:
    """A Dovecot of the test's own with MAIL_USERS and empty mailboxes (it is up in 0.1 s)."""
    return dovecot_server()


@pytest.fixture
def dovecot_server() -> Iterator[Callable[..., DovecotServer]]:
    """A factory of started Dovecot servers of the test's own; `users` is MAIL_USERS if not given."""
    with ExitStack() as stack:

        def make(**options: Any) -> DovecotServer:
            server = DovecotServer(**{"users": MAIL_USERS, **options})
            stack.callback(server.close)
            server.start()
            return server

        yield make


@pytest.fixture
def smtp_sink() -> Iterator[SmtpSink]:
    """A started SMTP sink of the test's own, which keeps what it gets and asks for no log-in."""
    sink = SmtpSink()
    sink.start()
    yield sink
    sink.stop()


def docker_answers() -> bool:
    """Return whether a Docker engine answers here."""
    import docker  # type: ignore[import-untyped]  # comes with testcontainers; slow to import

    try:
        client = docker.from_env(timeout=3)
        client.ping()
    except docker.errors.DockerException:
        return False
    client.close()
    return True


@contextmanager
def kafka_container() -> Iterator[str]:
    """Run Kafka in a container on a fixed loopback port, which is also the one that it advertises."""
    from testcontainers.core.container import DockerContainer

    port = free_port()
    environment = {
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_NODE_ID": "1",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_GROUP_COORDINATOR_APPEND_LINGER_MS": "0",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    }
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(port, port)
    for name, value in environment.items():
        container = container.with_env(name, value)
    with container:
        wait_until(lambda: is_in_service(port), f"{KAFKA_IMAGE} at port {port}")
        yield f"{LOOPBACK}:{port}"


@contextmanager
def mongo_container() -> Iterator[str]:
    """Run MongoDB in a container, a replica set of one, on the same port inside and outside."""
    from testcontainers.core.container import DockerContainer

    port = free_port()
    container = DockerContainer(MONGO_IMAGE).with_bind_ports(port, port)
    parameters = "--setParameter transactionLifetimeLimitSeconds=10 --setParameter ttlMonitorEnabled=false"
    command = f"--replSet rs0 --bind_ip_all --port {port} {parameters}"
    with container.with_command(command):
        wait_until(lambda: become_primary(port), f"{MONGO_IMAGE} at port {port}")
        yield f"mongodb://{LOOPBACK}:{port}/?replicaSet=rs0&directConnection=true"


def wait_until(is_true: Callable[[], bool], what: str, deadline_seconds: float = _CONTAINER_DEADLINE_SECONDS) -> None:
    """Return when `is_true()` does; fails the test, naming `what`, after the deadline."""
    give_up_at = time.monotonic() + deadline_seconds
    while not is_true():
        if time.monotonic() > give_up_at:
            pytest.fail(f"{what} was not ready within {deadline_seconds:g} s")
        time.sleep(0.1)


async def _delete_topics(bootstrap: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        if topics := [topic for topic in await admin.list_topics() if topic.startswith(prefix)]:
            await admin.delete_topics(topics)
    finally:
        await admin.close()


def _drop_databases(uri: str, prefix: str) -> None:
    with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=10_000) as client:
        for name in client.list_database_names():
            if name.startswith(prefix):
                client.drop_database(name)
