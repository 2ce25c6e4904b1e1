"""Every topic, declared once: key, writers, readers, retention. Names stand behind a configurable prefix."""

from dataclasses import dataclass

PREFIX = "postroom-"
LOCAL_PARTITIONS = 4
PRODUCTION_PARTITIONS = 12
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `retention_ms` is -1 for unlimited; `writers` and `readers` are services."""

    name: str
    description: str
    key: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    retention_ms: int
    keyed_partitions: bool = True
    """False: exactly one partition."""
    compacted: bool = False
    public: bool = False
    """Other systems read it: it holds no personal data, and is written in the deployment's event mode."""

    def partitions(self, wanted: int) -> int:
        return wanted if self.keyed_partitions else 1


INBOUND_MESSAGES = Topic(
    name="inbound-messages",
    description="Messages of every channel, normalised to one contract by ingest, before they are threaded.",
    key="account and the sender's address or handle, normalised",
    writers=("ingest",),
    readers=("router",),
    retention_ms=7 * DAY_MS,
)
CONVERSATION_COMMANDS = Topic(
    name="conversation-commands",
    description="Requests about one conversation, decided one after another by the service that handles their type.",
    key="conversation id",
    writers=("desk", "router", "assigner"),
    readers=("router", "assigner"),
    retention_ms=7 * DAY_MS,
)
CONVERSATION_EVENTS = Topic(
    name="conversation-events",
    description="The truth and the public interface: all facts of one conversation, in order, in one partition.",
    key="conversation id",
    writers=("router", "assigner", "notifier"),
    readers=("ingest", "assigner", "notifier", "analytics", "desk"),
    retention_ms=-1,
    public=True,
)
CONVERSATION_STATES = Topic(
    name="conversation-states",
    description="The present state of each conversation, compacted: for subscribers who start late.",
    key="conversation id",
    writers=("desk",),
    readers=(),
    retention_ms=-1,
    compacted=True,
    public=True,
)
CONFIGURATION = Topic(
    name="configuration",
    description="Checked snapshots of the whole configuration; every version stays readable.",
    key="the word configuration",
    writers=("desk",),
    readers=("ingest", "router", "assigner", "notifier", "analytics", "desk"),
    retention_ms=-1,
    keyed_partitions=False,
)
AGENT_PRESENCE = Topic(
    name="agent-presence",
    description="Who looks at which conversation and who writes there: read from the present end on, kept by nobody.",
    key="agent id",
    writers=("desk",),
    readers=("desk",),
    retention_ms=HOUR_MS,
)
TOPICS: tuple[Topic, ...] = (
    INBOUND_MESSAGES,
    CONVERSATION_COMMANDS,
    CONVERSATION_EVENTS,
    CONVERSATION_STATES,
    CONFIGURATION,
    AGENT_PRESENCE,
)


@dataclass(frozen=True, slots=True)
class Group:
    """One consumer group: which service runs it and what it reads."""

    name: str
    service: str
    topics: tuple[Topic, ...]


GROUPS: tuple[Group, ...] = (
    Group("router-thread", "router", (INBOUND_MESSAGES,)),
    Group("router-decide", "router", (CONVERSATION_COMMANDS,)),
    Group("assigner", "assigner", (CONVERSATION_EVENTS, CONVERSATION_COMMANDS)),
    Group("notifier", "notifier", (CONVERSATION_EVENTS,)),
    Group("webhooks", "notifier", (CONVERSATION_EVENTS,)),
    Group("analytics", "analytics", (CONVERSATION_EVENTS,)),
    Group("desk", "desk", (CONVERSATION_EVENTS,)),
    Group("ingest", "ingest", (CONVERSATION_EVENTS,)),
)
GROUP_BY_NAME: dict[str, Group] = {group.name: group for group in GROUPS}


def dead_letter_topic(group: str) -> Topic:
    """Return the topic of what `group` parked: records as they were, with headers that say where from and why."""
    service = GROUP_BY_NAME[group].service if group in GROUP_BY_NAME else group
    return Topic(f"{group}-dlq", f"What {group} could not handle.", "as at its origin", (service,), (), 30 * DAY_MS)


def replay_topic(group: str) -> Topic:
    """Return the topic through which parked records come back to `group` alone."""
    service = GROUP_BY_NAME[group].service if group in GROUP_BY_NAME else group
    return Topic(
        f"{group}-replay",
        f"Parked records given back to {group}.",
        "as at its origin",
        ("runtime",),
        (service,),
        30 * DAY_MS,
    )


def all_topics() -> tuple[Topic, ...]:
    """Return every topic with the dead-letter and replay topics of every group."""
    return TOPICS + tuple(make(g.name) for g in GROUPS for make in (dead_letter_topic, replay_topic))
