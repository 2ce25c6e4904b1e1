"""The company's configuration as it stands on its topic: every version readable, the newest in use."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import decode
from postroom_contracts.topics import CONFIGURATION

from postroom_runtime.errors import ConfigurationNotYetError
from postroom_runtime.kafka import client_options
from postroom_runtime.metrics import CONFIGURATION_VERSION
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.topic_ids import read_topic_ids

log = structlog.get_logger(__name__)
_MODELS = {ConfigurationApplied.type_name(): ConfigurationApplied}


class Configurations:
    """All versions that this process has read. Version 0 does not exist."""

    def __init__(self) -> None:
        self._versions: dict[int, ConfigurationApplied] = {}
        self.latest_version = 0
        self.on_change: list[Callable[[], Any]] = []

    def add(self, applied: ConfigurationApplied) -> None:
        """Take a version in; one that is there already stays as it is."""
        if applied.configuration_version in self._versions:
            return
        self._versions[applied.configuration_version] = applied
        if applied.configuration_version > self.latest_version:
            self.latest_version = applied.configuration_version
            CONFIGURATION_VERSION.set(self.latest_version)
            for notify in self.on_change:
                try:
                    notify()
                except Exception:  # the others are told all the same, and the feed goes on
                    log.exception("a listener to the configuration failed")

    @property
    def latest(self) -> Configuration:
        return self.at(self.latest_version)

    def at(self, version: int) -> Configuration:
        """Return version `version`; 0 means the newest. Raises ConfigurationNotYetError when it has not come yet."""
        applied = self._versions.get(version or self.latest_version)
        if applied is None:
            raise ConfigurationNotYetError(f"configuration version {version} has not been read yet")
        return applied.configuration

    def unbroken(self, holds: Callable[[Configuration], bool]) -> int:
        """Return the version from which on `holds` is true of every version up to the newest; above it if not of that."""
        since = self.latest_version + 1
        for version in sorted(self._versions, reverse=True):
            if not holds(self._versions[version].configuration):
                break
            since = version
        return since

    def number(self, version: int) -> int:
        """Return `version`, or the newest number for 0."""
        return version or self.latest_version


class ConfigurationFeed:
    """Follows the configuration topic without a group: every process reads all of it."""

    def __init__(self, settings: RuntimeSettings, configurations: Configurations) -> None:
        self._settings = settings
        self._configurations = configurations
        self._partition = TopicPartition(settings.topic(CONFIGURATION.name), 0)
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, wait_for_first: float = 60.0) -> None:
        """Read to the end; then go on in the background. Waits for a first version, at most `wait_for_first` seconds.

        Raises TimeoutError saying what to do when there is no configuration, LookupError when there is no topic.
        """
        # Asked for first: aiokafka's consumer would look for a missing topic in a busy loop.
        await read_topic_ids(client_options(self._settings), [self._partition.topic])
        await self.stop()  # of an attempt that failed
        self._consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
        )
        await self._consumer.start()
        self._consumer.assign([self._partition])
        await self._consumer.seek_to_beginning(self._partition)
        end = (await self._consumer.end_offsets([self._partition]))[self._partition]
        try:
            async with asyncio.timeout(wait_for_first):
                while await self._consumer.position(self._partition) < end or not self._configurations.latest_version:
                    await self._poll()
        except TimeoutError as error:
            raise TimeoutError(
                f"no configuration on {self._partition.topic}; apply one with `postroom config apply FILE`"
            ) from error
        self._task = asyncio.create_task(self._follow(), name="configuration feed")

    async def _poll(self) -> None:
        assert self._consumer is not None
        fetched = await self._consumer.getmany(timeout_ms=500)
        for record in (r for records in fetched.values() for r in records):
            self._take(record)

    def _take(self, record: Any) -> None:
        try:
            event = decode(dict(record.headers), record.value, _MODELS)
        except Exception as error:  # noqa: BLE001 - whatever it holds
            # A record that an older release cannot read must not stop it: it goes on with what it has, and says so.
            log.warning("configuration record unreadable", offset=record.offset, error=type(error).__name__)
            return
        assert isinstance(event.data, ConfigurationApplied)
        self._configurations.add(event.data)

    async def _follow(self) -> None:
        while True:
            try:
                await self._poll()
            except Exception as error:  # noqa: BLE001 - a feed that ended would leave old configuration in use unseen
                log.warning("configuration feed waits", error=type(error).__name__)
                await asyncio.sleep(1)

    async def stop(self) -> None:
        """Close; what was read stays readable. No effect when it is not open."""
        task, self._task = self._task, None
        consumer, self._consumer = self._consumer, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task}, timeout=5)
        if consumer is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), 5)
