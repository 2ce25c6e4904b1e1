"""The batch handler: facts of many conversations into states, rows and rollups, in one transaction."""

from collections.abc import Mapping, Sequence

from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data, Event
from postroom_contracts.registry import models_of
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.fold import RecordFailedError
from postroom_runtime.records import Incoming

from postroom_analytics.domain.changes import Changes, changes, needs_stored_rows
from postroom_analytics.domain.fold import apply_all, apply_skipped, versions_needed
from postroom_analytics.domain.model import ConversationMetrics
from postroom_analytics.store import MetricsStore, PartitionChanges


class MetricsHandler:
    """Folds batches of `conversation-events`. A repeat changes nothing: each state counts its sources' sequences."""

    def __init__(self, store: MetricsStore, configurations: Configurations, generation: int | None = None) -> None:
        self.models: Mapping[str, type[Data]] = models_of(CONVERSATION_EVENTS)
        self._store = store
        self._configurations = configurations
        self._generation = generation

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:
        """Carry out the batch. Raises ConfigurationNotYetError for a fact of a version that has not come yet."""
        del committed
        generation = self._generation if self._generation is not None else await self._store.generation()
        by_key: dict[str, list[Incoming]] = {}
        for incoming in batch:
            by_key.setdefault(incoming.key, []).append(incoming)
        old = await self._store.load(generation, by_key)
        new: dict[str, ConversationMetrics] = {}
        versions: dict[int, Configuration] = {}
        for key, incomings in by_key.items():
            self._look_up(old.get(key), incomings, versions)
            new[key] = _fold(old.get(key), key, incomings, versions)
        await self._save(generation, by_key, old, new, versions)

    def _look_up(
        self, state: ConversationMetrics | None, incomings: Sequence[Incoming], versions: dict[int, Configuration]
    ) -> None:
        needed = versions_needed(state, incomings[0].event) if incomings[0].event else set()
        for incoming in incomings:
            if incoming.event is not None:
                version = getattr(incoming.event.data, "configuration_version", 0)
                needed |= {version} - {0}
        for version in needed - versions.keys():
            versions[version] = self._configurations.at(version)

    async def _save(
        self,
        generation: int,
        by_key: Mapping[str, Sequence[Incoming]],
        old: Mapping[str, ConversationMetrics],
        new: Mapping[str, ConversationMetrics],
        versions: Mapping[int, Configuration],
    ) -> None:
        changed = [key for key, state in new.items() if state != old.get(key)]
        if not changed:
            return
        whole = [key for key in changed if needs_stored_rows(old.get(key), new[key])]
        stored = await self._store.rows_of(generation, whole) if whole else {}
        partitions: dict[int, list[Changes]] = {}
        for key in changed:
            change = changes(old.get(key), new[key], versions, stored.get(key, ()))
            partitions.setdefault(by_key[key][0].record.partition, []).append(change)
        await self._store.save(generation, [PartitionChanges(p, c) for p, c in partitions.items()])


def _fold(
    state: ConversationMetrics | None,
    key: str,
    incomings: Sequence[Incoming],
    versions: Mapping[int, Configuration],
) -> ConversationMetrics:
    """Fold one conversation's records; when one fails, find it, so that it alone is parked."""
    events = [incoming.event for incoming in incomings]
    if all(event is not None for event in events):
        try:
            return apply_all(state, [event for event in events if event is not None], versions)
        except Exception:  # noqa: BLE001, S110 - gone through again below, one by one, to name the record
            pass
    current = state
    for incoming in incomings:
        try:
            current = _one(current, key, incoming, versions)
        except Exception as error:
            raise RecordFailedError(incoming, error) from error
    assert current is not None
    return current


def _one(
    state: ConversationMetrics | None, key: str, incoming: Incoming, versions: Mapping[int, Configuration]
) -> ConversationMetrics:
    event: Event | None = incoming.event
    if event is None:
        return apply_skipped(state, key, incoming.skipped_source, incoming.skipped_sequence, versions)
    return apply_all(state, [event], versions)
