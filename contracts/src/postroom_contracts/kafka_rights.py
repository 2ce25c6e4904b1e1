"""What each service must be allowed on Kafka, and nothing more: derived from the topics and groups that the contracts declare.

Names stand without a deployment's prefix, `""` with `prefixed` meaning all that begin with it. `Read` and `Write` imply
`Describe` (Kafka's own rule). No service uses transactions, so no transactional id; a producer is idempotent by its right to
write (since Kafka 2.8, KIP-679; older brokers want `IdempotentWrite` on the cluster).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from postroom_contracts.topics import (
    CONFIGURATION,
    CONVERSATION_EVENTS,
    GROUPS,
    INBOUND_MESSAGES,
    TOPICS,
    Topic,
    dead_letter_topic,
    replay_topic,
)

Operation = Literal["Read", "Write", "Describe", "DescribeConfigs", "Create", "IdempotentWrite"]
Resource = Literal["topic", "group", "cluster"]
SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")
PROBE, JOB, OPERATOR, SCALER = "probe", "configure", "operator", "scaler"
PRINCIPALS = (*SERVICES, PROBE, JOB, OPERATOR, SCALER)
"""The services, the probe, the chart's Job, whoever runs the commands of docs/operations, and KEDA."""
_ORDER: tuple[Operation, ...] = ("Read", "Write", "Describe", "DescribeConfigs", "Create", "IdempotentWrite")
_KINDS: tuple[Resource, ...] = ("topic", "group", "cluster")


@dataclass(frozen=True, slots=True)
class Right:
    """Operations on one topic or group, or, `prefixed`, on all whose names begin so; or on the cluster, which has no name."""

    resource: Resource
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


def rights_of(principal: str) -> list[Right]:
    """Return what one of PRINCIPALS needs, topics first, each resource once. Raises KeyError for another name."""
    if principal not in PRINCIPALS:
        raise KeyError(principal)
    found: dict[tuple[Resource, str, bool], set[Operation]] = {}
    for right in _each(principal):
        found.setdefault((right.resource, right.name, right.prefixed), set()).update(right.operations)
    merged = [Right(kind, name, _sorted(operations), prefixed) for (kind, name, prefixed), operations in found.items()]
    return sorted(merged, key=lambda right: (_KINDS.index(right.resource), right.name))


def _sorted(operations: set[Operation]) -> tuple[Operation, ...]:
    implied = {"Describe"} if operations & {"Read", "Write"} else set()
    return tuple(operation for operation in _ORDER if operation in operations - implied)


def _each(principal: str) -> Iterator[Right]:
    if principal == OPERATOR:  # dead letters, events tail and replay, recover, doctor, rebuilds
        yield Right("topic", "", ("Read", "Write", "DescribeConfigs"), prefixed=True)
        yield Right("group", "", ("Read", "Describe"), prefixed=True)
        return
    if principal == JOB:
        yield Right("topic", "", ("Create", "Describe", "DescribeConfigs"), prefixed=True)
        yield _topic(CONFIGURATION, "Read", "Write")
        return
    if principal == SCALER:
        yield from _lag()
        return
    if principal == PROBE:  # follows what becomes of its mails, without a group; its producer writes nothing
        yield from (_topic(topic, "Read") for topic in (INBOUND_MESSAGES, CONVERSATION_EVENTS))
        yield Right("cluster", "", ("IdempotentWrite",))
    yield _topic(CONFIGURATION, "Read")
    yield from (_topic(topic, "DescribeConfigs") for topic in TOPICS if topic.retention_ms < 0)  # readiness looks
    yield from (_topic(topic, "Write") for topic in TOPICS if principal in topic.writers)
    yield from (_topic(topic, "Read") for topic in TOPICS if principal in topic.readers)
    for group in (group for group in GROUPS if group.service == principal):
        yield Right("group", group.name, ("Read",))
        yield from (_topic(topic, "Read") for topic in (*group.topics, replay_topic(group.name)))
        yield _topic(dead_letter_topic(group.name), "Write")
    if principal == "desk":
        yield from _lag()  # it shows that of every group, and the dead letters that wait
        yield from (_topic(make(group.name), "Read") for group in GROUPS for make in (dead_letter_topic, replay_topic))


def _lag() -> Iterator[Right]:
    """What it takes to see how far each group is."""
    for group in GROUPS:
        yield Right("group", group.name, ("Describe",))
        yield from (_topic(topic, "Describe") for topic in group.topics)


def _topic(topic: Topic, *operations: Operation) -> Right:
    return Right("topic", topic.name, operations)
