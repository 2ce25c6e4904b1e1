"""The embedded Kafka is a real one: it keeps what it acknowledged, over a crash too."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError
from postroom_local.errors import PortTakenError, StartFailedError
from postroom_local.kafka import KafkaServer
from postroom_local.kafka_probe import Metadata, ask_metadata
from postroom_local.ports import free_port

pytestmark = pytest.mark.connected


async def make_topic(bootstrap: str, topic: str, partitions: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, value, key=b"key")


async def consume(bootstrap: str, topic: str, group: str) -> bytes | None:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest")
    async with consumer:
        got = await consumer.getmany(timeout_ms=20_000, max_records=1)
        await consumer.commit()
    return next((record.value for records in got.values() for record in records), None)


async def test_a_record_is_produced_and_consumed(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}letters"
    await make_topic(kafka_bootstrap, topic)
    await produce(kafka_bootstrap, topic, b"hello")
    assert await consume(kafka_bootstrap, topic, f"{topic_prefix}readers") == b"hello"


async def test_records_and_commits_survive_kill_and_restart_on_the_same_port(
    kafka_server: Callable[..., KafkaServer],
) -> None:
    server = kafka_server()
    bootstrap = server.bootstrap
    await make_topic(bootstrap, "letters", partitions=3)
    await produce(bootstrap, "letters", b"first")
    assert await consume(bootstrap, "letters", "old-readers") == b"first"
    server.kill()
    assert server.pid is None
    assert ask_metadata(server.port) is None
    server.start()
    assert server.bootstrap == bootstrap
    await produce(bootstrap, "letters", b"second")
    assert await consume(bootstrap, "letters", "new-readers") == b"first"
    assert await consume(bootstrap, "letters", "old-readers") == b"second"


async def test_data_opens_at_another_port(kafka_server: Callable[..., KafkaServer]) -> None:
    server = kafka_server()
    await make_topic(server.bootstrap, "letters", partitions=2)
    await produce(server.bootstrap, "letters", b"first")
    server.stop()
    moved = KafkaServer(server.data_dir)
    assert moved.port != server.port
    moved.start()
    try:
        assert await consume(moved.bootstrap, "letters", "readers") == b"first"
        assert ask_metadata(moved.port) == Metadata(brokers=1, leaderless=0)
    finally:
        moved.kill()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker that nobody stops; the session's need not be an embedded one."""
    server = KafkaServer(tmp_path_factory.mktemp("embedded"))
    server.start()
    yield server
    server.kill()


async def test_topics_are_not_made_by_themselves(embedded: KafkaServer) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=embedded.bootstrap)
    await admin.start()
    try:
        answer = await admin.describe_topics(["nobody-made-me"])
        assert answer[0]["error_code"] == UnknownTopicOrPartitionError.errno
        assert "nobody-made-me" not in await admin.list_topics()
    finally:
        await admin.close()


def test_a_taken_port_is_named_with_its_remedy(embedded: KafkaServer, tmp_path: Path) -> None:
    with pytest.raises(PortTakenError, match=rf"port {embedded.port} of Kafka is taken.*choose another port"):
        KafkaServer(tmp_path / "second", embedded.port).start()


def test_a_failed_start_quotes_the_log(tmp_path: Path) -> None:
    server = KafkaServer(tmp_path, free_port(), settings={"num.io.threads": "0"})
    with pytest.raises(StartFailedError, match=r"num\.io\.threads"):
        server.start()
    assert server.pid is None
