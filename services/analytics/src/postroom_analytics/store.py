"""States, rows and rollups in MongoDB: what a batch changes is written in one transaction.

Collections carry a generation (`states_1`, `rows_1`, `rollups_1`): a rebuild fills the next one beside the one in use, and
one document (`meta`) says which that is. Rollup documents are split by the partition of the conversations that they
count, so that two replicas never write the same document.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postroom_runtime import mongo
from postroom_runtime.errors import ConflictError, InfrastructureError, translated
from postroom_runtime.mongo import (
    DUPLICATE_KEY,
    BulkWriteError,
    Database,
    DeleteOne,
    IndexModel,
    ReplaceOne,
    UpdateOne,
    resolved,
)
from postroom_runtime.steps import reach

from postroom_analytics.domain.changes import Changes, batch_increments
from postroom_analytics.domain.model import (
    ConversationMetrics,
    Row,
    from_document,
    row_document,
    row_from_document,
    to_document,
)
from postroom_analytics.domain.rollup import TOTAL, Increments

TRANSACTION_ATTEMPTS = 5
_WRITE_CONFLICT = 112


@dataclass(frozen=True, slots=True)
class PartitionChanges:
    """What a batch changes of the conversations of one partition."""

    partition: int
    changes: Sequence[Changes]


class MetricsStore:
    """Figures of one generation after another; `generation` is read anew with each batch."""

    def __init__(self, client: Any, database: Database) -> None:
        self._client = client
        self._database = database

    async def prepare(self, generation: int | None = None) -> int:
        """Create collections and indexes of the generation (the one in use if None); return its number."""
        number = await self.generation() if generation is None else generation
        async with translated("index metrics"):
            await resolved(
                self._rows(number).create_indexes(
                    [
                        IndexModel([("conversation_id", 1)]),
                        IndexModel([("kind", 1), ("closed_at", -1), ("_id", 1)]),
                        IndexModel([("inbox", 1), ("kind", 1), ("closed_at", -1)]),
                        IndexModel([("team", 1), ("kind", 1), ("closed_at", -1)]),
                        IndexModel([("agent", 1), ("kind", 1), ("closed_at", -1)]),
                        IndexModel([("tags", 1), ("kind", 1), ("closed_at", -1)]),
                    ]
                )
            )
            await resolved(self._rollups(number).create_indexes([IndexModel([("cut", 1), ("value", 1), ("scope", 1)])]))
            # A transaction cannot wait for a collection that is being made: make it now.
            await self._states(number).update_one({"_id": "none"}, {"$set": {"revision": 0}}, upsert=True)
            await self._states(number).delete_one({"_id": "none"})
        return number

    async def generation(self, session: Any = None) -> int:
        async with translated("read generation"):
            found = await self._database["meta"].find_one({"_id": "generation"}, session=session)
        return int(found["active"]) if found else 1

    async def switch(self, generation: int) -> None:
        """Have everybody read and write `generation` from now on."""
        async with translated("switch generation"):
            await self._database["meta"].update_one(
                {"_id": "generation"}, {"$set": {"active": generation}}, upsert=True
            )

    async def drop(self, generation: int) -> None:
        async with translated("drop generation"):
            for name in ("states", "rows", "rollups"):
                await self._database[f"{name}_{generation}"].drop()

    def _states(self, generation: int) -> Any:
        return self._database[f"states_{generation}"]

    def _rows(self, generation: int) -> Any:
        return self._database[f"rows_{generation}"]

    def _rollups(self, generation: int) -> Any:
        return self._database[f"rollups_{generation}"]

    # --- the fold -----------------------------------------------------------------------------------------------

    async def load(self, generation: int, conversation_ids: Iterable[str]) -> dict[str, ConversationMetrics]:
        """Return the states that there are, in one query."""
        wanted = list(conversation_ids)
        async with translated("load states"):
            found = await self._states(generation).find({"_id": {"$in": wanted}}).to_list(length=len(wanted))
        return {document["_id"]: from_document(document) for document in found}

    async def rows_of(self, generation: int, conversation_ids: Sequence[str]) -> dict[str, list[Row]]:
        """Return all stored rows of conversations."""
        result: dict[str, list[Row]] = {i: [] for i in conversation_ids}
        async with translated("load rows"):
            async for document in self._rows(generation).find({"conversation_id": {"$in": list(conversation_ids)}}):
                result[document["conversation_id"]].append(row_from_document(document))
        return result

    async def save(self, generation: int, partitions: Sequence[PartitionChanges]) -> None:
        """Write states, rows and rollups of a batch in one transaction.

        Raises ConflictError when a state was changed since it was loaded or the generation was switched.
        """
        for attempt in range(TRANSACTION_ATTEMPTS):
            try:
                await self._save(generation, partitions)
                return
            except InfrastructureError as error:
                if not _is_write_conflict(error.__cause__) or attempt + 1 == TRANSACTION_ATTEMPTS:
                    raise

    async def _save(self, generation: int, partitions: Sequence[PartitionChanges]) -> None:
        changes = [change for part in partitions for change in part.changes]
        async with translated("save metrics"), mongo.transaction(self._client) as session:
            try:
                if await self.generation(session) != generation and not self._is_being_built(generation):
                    raise ConflictError("the generation was switched")
                await self._states(generation).bulk_write(
                    [_state_write(change.state) for change in changes], ordered=False, session=session
                )
                rows = [write for change in changes for write in _row_writes(change)]
                if rows:
                    await self._rows(generation).bulk_write(rows, ordered=False, session=session)
                rollups = [
                    write
                    for part in partitions
                    for write in _rollup_writes(part.partition, batch_increments(part.changes))
                ]
                if rollups:
                    await self._rollups(generation).bulk_write(rollups, ordered=False, session=session)
                reach("analytics.written")
            except BulkWriteError as error:
                codes = {e.get("code") for e in (error.details or {}).get("writeErrors", [])}
                if codes == {DUPLICATE_KEY}:
                    raise ConflictError("a state was changed by another writer") from error
                raise
        reach("analytics.saved")

    _building: int | None = None

    def build(self, generation: int) -> None:
        """Allow writes to a generation that is not in use: it is being rebuilt by this process."""
        self._building = generation

    def _is_being_built(self, generation: int) -> bool:
        return self._building == generation

    # --- reading ------------------------------------------------------------------------------------------------

    async def totals(self, cuts: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return (cut, value) -> the `total` rollup over all partitions, of the given cuts."""
        query = {"cut": {"$in": list(cuts)}, "scope": TOTAL}
        result: dict[tuple[str, str], dict[str, Any]] = {}
        async with translated("read rollups"):
            async for document in self._rollups(await self.generation()).find(query):
                merge(result.setdefault((document["cut"], document["value"]), {}), document)
        return result

    async def days(self, cut: str, value: str, first: str, last: str) -> list[dict[str, Any]]:
        """Return the rollups of a cut for the UTC days `first` to `last` (ISO dates, both included)."""
        query = {"cut": cut, "value": value, "scope": {"$gte": first, "$lte": last}}
        async with translated("read rollups"):
            found = await self._rollups(await self.generation()).find(query).to_list(length=100_000)
        return [d for d in found if d["scope"] != TOTAL]

    async def total(self, cut: str, value: str) -> dict[str, Any]:
        query = {"cut": cut, "value": value, "scope": TOTAL}
        result: dict[str, Any] = {}
        async with translated("read rollups"):
            async for document in self._rollups(await self.generation()).find(query):
                merge(result, document)
        return result

    async def find_rows(
        self, query: Mapping[str, Any], limit: int, after: tuple[Any, str] | None = None
    ) -> list[dict[str, Any]]:
        """Return rows as documents, the newest first; `after` is (closed_at, id) of the last one seen."""
        wanted: dict[str, Any] = dict(query)
        if after is not None:
            wanted["$or"] = [{"closed_at": {"$lt": after[0]}}, {"closed_at": after[0], "_id": {"$gt": after[1]}}]
        async with translated("read rows"):
            cursor = self._rows(await self.generation()).find(wanted).sort([("closed_at", -1), ("_id", 1)]).limit(limit)
            found: list[dict[str, Any]] = await cursor.to_list(length=limit)
        return found

    async def conversation(self, conversation_id: str) -> tuple[ConversationMetrics, list[Row]] | None:
        generation = await self.generation()
        states = await self.load(generation, [conversation_id])
        if conversation_id not in states:
            return None
        return states[conversation_id], (await self.rows_of(generation, [conversation_id]))[conversation_id]

    async def everything(self, generation: int) -> dict[str, Any]:
        """Return all figures of a generation, for comparing two: rows by id, and rollups merged over partitions."""
        async with translated("read generation"):
            rows = {d["_id"]: d async for d in self._rows(generation).find({})}
            rollups: dict[str, dict[str, Any]] = {}
            async for document in self._rollups(generation).find({}):
                merge(rollups.setdefault(f"{document['scope']}:{document['cut']}:{document['value']}", {}), document)
        return {"rows": rows, "rollups": {key: _without_zeros(d) for key, d in rollups.items()}}


def merge(target: dict[str, Any], document: Mapping[str, Any]) -> None:
    """Add the numbers of a rollup document to `target`, names kept apart from numbers."""
    for name, value in document.items():
        if isinstance(value, dict):
            merge(target.setdefault(name, {}), value)
        elif isinstance(value, int):
            target[name] = target.get(name, 0) + value
        elif name in ("scope", "cut", "value"):
            target[name] = value


def _without_zeros(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rollup without what withdrawals left at zero, and without the history of withdrawals: a rebuild has less."""
    kept: dict[str, Any] = {}
    for name, value in document.items():
        if name == "withdrawn":
            continue
        inner = _without_zeros(value) if isinstance(value, dict) else value
        if inner not in (0, {}):
            kept[name] = inner
    return kept


def _state_write(state: ConversationMetrics) -> ReplaceOne[dict[str, Any]]:
    return ReplaceOne({"_id": state.conversation_id, "revision": state.revision - 1}, to_document(state), upsert=True)


def _row_writes(change: Changes) -> list[Any]:
    upserts: list[Any] = []
    for row in change.upserts:
        document = row_document(row)
        upserts.append(ReplaceOne({"_id": document["_id"]}, document, upsert=True))
    return [*upserts, *(DeleteOne({"_id": row_id}) for row_id in change.withdrawn)]


def _rollup_writes(partition: int, increments: Increments) -> list[UpdateOne]:
    writes: list[UpdateOne] = []
    for cell, paths in increments.items():
        names = {"scope": cell.scope, "cut": cell.cut, "value": cell.value, "partition": partition}
        writes.append(
            UpdateOne({"_id": f"{cell.id}:{partition}"}, {"$inc": dict(paths), "$setOnInsert": names}, upsert=True)
        )
    return writes


def _is_write_conflict(error: BaseException | None) -> bool:
    if isinstance(error, BulkWriteError):
        return {e.get("code") for e in (error.details or {}).get("writeErrors", [])} == {_WRITE_CONFLICT}
    return getattr(error, "code", None) == _WRITE_CONFLICT
