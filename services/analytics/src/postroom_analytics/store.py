"""Writing states, rows and rollups: what a batch changes is written in one transaction.

Rollup documents are split by the partition of the conversations that they count, so that two replicas do not write the
same document.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from postroom_runtime.errors import ConflictError, InfrastructureError, translated
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Database, DeleteOne, InsertOne, ReplaceOne, UpdateOne
from postroom_runtime.mongo_steps import Steps, all_of, in_transaction, in_turn
from postroom_runtime.steps import reach

from postroom_analytics.domain.cells import Increments
from postroom_analytics.domain.changes import Changes, batch_increments
from postroom_analytics.domain.documents import from_document, row_document, row_from_document, to_document
from postroom_analytics.domain.model import ConversationMetrics, Row
from postroom_analytics.generations import Generations, active_of

TRANSACTION_ATTEMPTS = 5
_WRITE_CONFLICT = 112


@dataclass(frozen=True, slots=True)
class PartitionChanges:
    """What a batch changes of the conversations of one partition."""

    partition: int
    changes: Sequence[Changes]


class MetricsStore:
    """What the fold loads and saves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._generations = Generations(database)
        self._building: int | None = None

    async def generation(self) -> int:
        """Return the number of the generation in use."""
        return await self._generations.active()

    def build(self, generation: int) -> None:
        """Allow writes to a generation that is not in use: it is being rebuilt by this process."""
        self._building = generation

    async def load(self, generation: int, conversation_ids: Iterable[str]) -> dict[str, ConversationMetrics]:
        """Return the states that there are, in one query."""
        wanted = list(conversation_ids)
        async with translated("load states"):
            found = await in_turn(self._database, _states, generation, wanted)
        return {document["_id"]: from_document(document) for document in found}

    async def rows_of(self, generation: int, conversation_ids: Sequence[str]) -> dict[str, list[Row]]:
        """Return all stored rows of conversations."""
        result: dict[str, list[Row]] = {i: [] for i in conversation_ids}
        query = {"conversation_id": {"$in": list(conversation_ids)}}
        async with translated("load rows"):
            async for document in self._generations.rows(generation).find(query):
                result[document["conversation_id"]].append(row_from_document(document))
        return result

    async def save(self, generation: int, partitions: Sequence[PartitionChanges]) -> None:
        """Write states, rows and rollups of a batch in one transaction.

        Raises ConflictError when a state was changed since it was loaded or the generation was switched.
        """
        for attempt in range(TRANSACTION_ATTEMPTS):
            try:
                await self._save(generation, partitions)
            except InfrastructureError as error:
                if not _is_write_conflict(error.__cause__) or attempt + 1 == TRANSACTION_ATTEMPTS:
                    raise
            else:
                reach("analytics.saved")
                return

    async def _save(self, generation: int, partitions: Sequence[PartitionChanges]) -> None:
        changes = [change for part in partitions for change in part.changes]
        rows = [write for change in changes for write in _row_writes(change)]
        rollups = [write for p in partitions for write in _rollup_writes(p.partition, batch_increments(p.changes))]
        states = [_state_write(change) for change in changes]

        def steps(session: Any, database: Database) -> Steps[None]:
            generations = Generations(database)
            if generation not in (self._building, (yield from active_of(database, session))):
                raise ConflictError("the generation was switched")
            try:
                yield generations.states(generation).bulk_write(states, ordered=False, session=session)
            except BulkWriteError as error:
                if {e.get("code") for e in (error.details or {}).get("writeErrors", [])} == {DUPLICATE_KEY}:
                    raise ConflictError("a state was changed by another writer") from error
                raise
            if rows:
                yield generations.rows(generation).bulk_write(rows, ordered=False, session=session)
            if rollups:
                yield generations.rollups(generation).bulk_write(rollups, ordered=False, session=session)
            reach("analytics.written")

        async with translated("save metrics"):
            await in_turn(self._database, lambda database: in_transaction(database.client, steps, database))


def _states(database: Database, generation: int, wanted: list[str]) -> Steps[list[dict[str, Any]]]:
    return (yield from all_of(Generations(database).states(generation), {"_id": {"$in": wanted}}, None, len(wanted)))


def _state_write(change: Changes) -> Any:
    """Return a write that finds a duplicate when the stored state is not the one that was loaded."""
    document = to_document(change.state)
    if change.opens:
        return InsertOne(document)
    return ReplaceOne({"_id": document["_id"], "revision": change.state.revision - 1}, document, upsert=True)


def _row_writes(change: Changes) -> list[Any]:
    documents = [row_document(row) for row in change.upserts]
    if change.opens:  # its state is inserted in the same transaction: there are no rows of it yet
        return [InsertOne(document) for document in documents]
    writes: list[Any] = [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents]
    return [*writes, *(DeleteOne({"_id": row_id}) for row_id in change.withdrawn)]


def _rollup_writes(partition: int, increments: Increments) -> list[UpdateOne]:
    writes: list[UpdateOne] = []
    for cell, paths in increments.items():
        names = {"scope": cell.scope, "cut": cell.cut, "value": cell.value, "partition": partition}
        writes.append(UpdateOne({"_id": f"{cell.id}:{partition}"}, {"$inc": paths, "$setOnInsert": names}, upsert=True))
    return writes


def _is_write_conflict(error: BaseException | None) -> bool:
    if isinstance(error, BulkWriteError):
        return {e.get("code") for e in (error.details or {}).get("writeErrors", [])} == {_WRITE_CONFLICT}
    return getattr(error, "code", None) == _WRITE_CONFLICT
