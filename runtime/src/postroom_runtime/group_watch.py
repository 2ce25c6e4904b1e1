"""The lag of every group of the deployment, seen from outside: a group of which nobody runs shows no lag itself."""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from postroom_contracts.topics import Group, Topic, replay_topic
from prometheus_client import Gauge

from postroom_runtime.clock import monotonic
from postroom_runtime.kafka import Publisher, client_options
from postroom_runtime.lag import Lag, LagReporter
from postroom_runtime.settings import RuntimeSettings

SECONDS = Gauge(
    "postroom_group_lag_seconds", "Age of the oldest uncommitted record of a group, whoever runs.", ["group"]
)
RECORDS = Gauge("postroom_group_lag_records", "Uncommitted records of a group, whoever runs.", ["group"])
LOOK_SECONDS = 5.0


class GroupWatch:
    """Looks at all `groups` in turn, for ever. The age is known from the first look on: a backlog found then begins there."""

    def __init__(self, settings: RuntimeSettings, publisher: Publisher, groups: Sequence[Group], service: str) -> None:
        self._settings = settings
        self._publisher = publisher
        self._groups = groups
        self._reporter = LagReporter(settings, service)
        self._lags = {group.name: Lag(group.name) for group in groups}

    def reached(self, group: str, topic: Topic, partition: int) -> int:
        """Return the offset up to which a group has committed, as of the last look; 0 for one that is not known."""
        lag = self._lags.get(group)
        return 0 if lag is None else lag.reached(TopicPartition(self._settings.topic(topic.name), partition))

    async def run(self) -> None:
        """Look every five seconds until cancelled. Raises what keeps it from connecting."""
        ends = AIOKafkaConsumer(**client_options(self._settings), enable_auto_commit=False)
        await ends.start()
        try:
            while True:
                for group in self._groups:
                    await self._look(ends, group)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._reporter.close()
            await ends.stop()

    async def _look(self, ends: AIOKafkaConsumer, group: Group) -> None:
        lag = self._lags[group.name]
        topics = [self._settings.topic(t.name) for t in (*group.topics, replay_topic(group.name))]
        counts = {topic: await self._publisher.partitions(topic) for topic in topics}
        await self._reporter.turn(lag, ends, f"{self._settings.topic_prefix}{group.name}", counts)
        SECONDS.labels(group.name).set(lag.known_seconds(monotonic()))
        RECORDS.labels(group.name).set(lag.total())
