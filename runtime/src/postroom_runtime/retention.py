"""The truth must not expire: topics that the contracts keep for ever are looked up on the broker before we are ready."""

from collections.abc import Iterable

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from postroom_contracts.topics import TOPICS, Topic

from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)
_WANTED = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
_NONE, _NO_ACCESS = 0, (29, 30, 31)
"""Kafka's error codes TOPIC_, GROUP_ and CLUSTER_AUTHORIZATION_FAILED."""


async def retention_faults(settings: RuntimeSettings, topics: Iterable[Topic] = TOPICS) -> list[str]:
    """Return what would delete records that must stay, each with its remedy; empty when nothing would.

    A topic that does not exist has no fault. Where we may not ask, that is logged and taken for none. Raises KafkaError.
    """
    kept = {settings.topic(topic.name): _wanted(topic) for topic in topics if topic.retention_ms < 0}
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        wanted = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_WANTED, "")) for name in kept]
        answers = await admin.describe_configs(wanted)
    finally:
        await admin.close()
    faults: list[str] = []
    for answer in answers:
        for code, _message, _kind, name, entries in answer.resources:
            if code in _NO_ACCESS:
                log.warning("retention not known: DESCRIBE_CONFIGS is not allowed", topic=name)
            elif code == _NONE:
                faults += _faults_of(name, {entry[0]: entry[1] for entry in entries}, kept[name])
    return faults


def _wanted(topic: Topic) -> dict[str, str]:
    return _WANTED | {"cleanup.policy": "compact" if topic.compacted else "delete"}


def _faults_of(topic: str, found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    return [
        f"{topic} has {key}={found[key]}, which deletes records that are kept nowhere else; "
        f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {key}={value}"
        for key, value in wanted.items()
        if key in found and found[key] != value
    ]
