"""The batch handler: facts of many conversations into states, rows and rollups, in one transaction."""

from collections.abc import Mapping, Sequence

from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import ConflictError
from postroom_runtime.fold import RecordFailedError
from postroom_runtime.records import Incoming

from postroom_analytics.domain.changes import Changes, changes, needs_stored_rows
from postroom_analytics.domain.fold import advance, advance_late, advance_skipped, begin, versions_needed
from postroom_analytics.domain.model import ConversationMetrics
from postroom_analytics.domain.reading import FACTS
from postroom_analytics.store import MetricsStore, PartitionChanges

ATTEMPTS = 5
"""Times that a whole batch is folded anew after a conflict; then the runtime goes on record by record."""


class MetricsHandler:
    """Folds batches of `conversation-events`. A repeat changes nothing: each state counts its sources' sequences."""

    def __init__(self, store: MetricsStore, configurations: Configurations, generation: int | None = None) -> None:
        self.models: Mapping[str, type[Data]] = FACTS
        self._store = store
        self._configurations = configurations
        self._fixed = generation
        self._generation: int | None = generation

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:
        """Carry out the batch. Raises ConfigurationNotYetError for a fact of a version that has not come yet."""
        del committed
        by_key: dict[str, list[Incoming]] = {}
        for incoming in batch:
            by_key.setdefault(incoming.key, []).append(incoming)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._fold_and_save(by_key)
                return
            except ConflictError:
                # The generation was switched, or another replica folds the same conversations: a rebalance is going on.
                self._generation = self._fixed
                if attempt == ATTEMPTS:
                    raise

    async def _fold_and_save(self, by_key: Mapping[str, Sequence[Incoming]]) -> None:
        if self._generation is None:
            self._generation = await self._store.generation()
        generation = self._generation
        old = await self._store.load(generation, by_key)
        versions = self._versions(by_key, old)
        new = {key: _fold(old.get(key), key, incomings, versions) for key, incomings in by_key.items()}
        changed = [key for key, state in new.items() if state != old.get(key)]
        if not changed:
            return
        whole = [key for key in changed if needs_stored_rows(old.get(key), new[key])]
        stored = await self._store.rows_of(generation, whole) if whole else {}
        partitions: dict[int, list[Changes]] = {}
        for key in changed:
            change = changes(old.get(key), new[key], versions, stored.get(key, ()))
            partitions.setdefault(by_key[key][0].position.partition, []).append(change)
        await self._store.save(generation, [PartitionChanges(p, c) for p, c in partitions.items()])

    def _versions(
        self, by_key: Mapping[str, Sequence[Incoming]], old: Mapping[str, ConversationMetrics]
    ) -> dict[int, Configuration]:
        needed: set[int] = set()
        for key, incomings in by_key.items():
            needed |= versions_needed(old.get(key), [i.event for i in incomings if i.event is not None])
        return {version: self._configurations.at(version) for version in needed}


def _fold(
    state: ConversationMetrics | None,
    key: str,
    incomings: Sequence[Incoming],
    versions: Mapping[int, Configuration],
) -> ConversationMetrics:
    """Return the state after one conversation's records. Raises RecordFailedError naming the one that failed."""
    following = begin(state, key)
    for incoming in incomings:
        try:
            if incoming.event is None:
                advance_skipped(following, incoming.skipped_source, incoming.skipped_sequence, versions)
            elif incoming.late:
                advance_late(following, incoming.event, versions)
            else:
                advance(following, incoming.event, versions)
        except Exception as error:
            raise RecordFailedError(incoming, error) from error
    return following
