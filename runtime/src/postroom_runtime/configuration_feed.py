"""The company's configuration as it stands on its topic: every version readable, the newest in use."""

import asyncio
import contextlib
import json
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.topics import CONFIGURATION
from pydantic import ValidationError

from postroom_runtime.errors import ConfigurationNotYetError
from postroom_runtime.kafka import client_options
from postroom_runtime.metrics import CONFIGURATION_VERSION
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.topic_ids import read_topic_ids

log = structlog.get_logger(__name__)
_TYPE = ConfigurationApplied.type_name().encode()


DECODED = 64
"""Versions that are kept as models. Each is some ten times as large as its record, and every change of a preference makes one."""


class _Stored:
    """A version as its record's body, packed, with the names of its sections that hold anything."""

    __slots__ = ("filled", "packed")

    def __init__(self, body: bytes, filled: frozenset[str]) -> None:
        self.packed = zlib.compress(body)
        self.filled = filled


class Configurations:
    """All versions that this process has read; the older ones are unpacked when they are asked for. Version 0 does not exist."""

    def __init__(self) -> None:
        self._decoded: OrderedDict[int, Configuration] = OrderedDict()
        """The last ones used at the end."""
        self._stored: dict[int, _Stored] = {}
        self.latest_version = 0
        self.on_change: list[Callable[[], Any]] = []

    def __contains__(self, version: int) -> bool:
        return version in self._decoded or version in self._stored

    def store(self, version: int, body: bytes, filled: frozenset[str]) -> None:
        """Keep a version's record, to be read when it is asked for; one that is there already stays as it is."""
        if version not in self:
            self._stored[version] = _Stored(body, filled)

    def add(self, applied: ConfigurationApplied) -> None:
        """Take a version in; one that can be read already stays as it is."""
        version = applied.configuration_version
        if version in self._decoded:
            return
        self._remember(version, applied.configuration)
        if version > self.latest_version:
            self.latest_version = version
            CONFIGURATION_VERSION.set(self.latest_version)
            for notify in self.on_change:
                try:
                    notify()
                except Exception:  # the others are told all the same, and the feed goes on
                    log.exception("a listener to the configuration failed")

    def _remember(self, version: int, configuration: Configuration) -> None:
        self._decoded[version] = configuration
        if len(self._decoded) > DECODED:
            oldest = next((v for v in self._decoded if v in self._stored and v != self.latest_version), None)
            if oldest is not None:
                del self._decoded[oldest]

    @property
    def latest(self) -> Configuration:
        return self.at(self.latest_version)

    def at(self, version: int) -> Configuration:
        """Return version `version`; 0 means the newest. Raises ConfigurationNotYetError when it has not come yet."""
        number = version or self.latest_version
        found = self._decoded.get(number)
        if found is None:
            return self._unpacked(number)
        self._decoded.move_to_end(number)
        return found

    def _unpacked(self, number: int) -> Configuration:
        stored = self._stored.get(number)
        if stored is None:
            raise ConfigurationNotYetError(f"configuration version {number} has not been read yet")
        try:
            configuration = read_applied(zlib.decompress(stored.packed)).configuration
        except ValidationError as error:
            raise ConfigurationNotYetError(f"configuration version {number} cannot be read") from error
        self._remember(number, configuration)
        return configuration

    def filled_since(self, section: str) -> int:
        """Return the version from which on this section holds anything in every version; above the newest if not in that."""
        since = self.latest_version + 1
        for version in sorted({*self._decoded, *self._stored}, reverse=True):
            if not self._is_filled(version, section):
                break
            since = version
        return since

    def _is_filled(self, version: int, section: str) -> bool:
        stored = self._stored.get(version)
        return section in stored.filled if stored is not None else bool(getattr(self._decoded[version], section))

    def number(self, version: int) -> int:
        """Return `version`, or the newest number for 0."""
        return version or self.latest_version


def read_applied(body: bytes) -> ConfigurationApplied:
    """Raises pydantic.ValidationError."""
    applied: ConfigurationApplied = ConfigurationApplied.__pydantic_validator__.validate_json(body, extra="ignore")
    return applied


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
        self._take([record for records in fetched.values() for record in records])

    def _take(self, records: Sequence[Any]) -> None:
        """Take these in: the newest that can be read comes into use, the others are kept as they came.

        A record that an older release cannot read must not stop it: it goes on with what it has, and says so.
        """
        found: dict[int, Any] = {}
        for record in records:
            try:
                version, filled = _outline(record)
            except Exception as error:  # noqa: BLE001 - whatever it holds
                _unreadable(record, error)
                continue
            if version not in self._configurations:
                self._configurations.store(version, record.value, filled)
                found[version] = record
        for version in sorted(found, reverse=True):
            if version < self._configurations.latest_version:
                return
            try:
                self._configurations.add(read_applied(found[version].value))
            except Exception as error:  # noqa: BLE001 - as above
                _unreadable(found[version], error)

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


def _outline(record: Any) -> tuple[int, frozenset[str]]:
    """Return a record's version and which sections hold anything, without building the whole. Raises what reading it raises."""
    if dict(record.headers).get("ce_type") != _TYPE:
        raise LookupError("it is no configuration")
    body = json.loads(record.value)
    return int(body["configuration_version"]), frozenset(name for name, held in body["configuration"].items() if held)


def _unreadable(record: Any, error: Exception) -> None:
    log.warning("configuration record unreadable", offset=record.offset, error=type(error).__name__)
