"""Corrects counts of slots that a crash left too high: what is counted is what assignment documents and reservations say.

Why a correction never makes a count too low, without a transaction:
- A slot is reserved (`load` + 1, key in `p`) before its owner is saved, so at any moment a slot that is or may come to be
  in use stands in a saved document or in `p`.
- A correction is written only if `v` is what it was when `p` was read: nothing was taken or freed in between. Owners
  saved in between are counted once, as reserved. Owners that left in between are not counted, and whoever wants to
  free their slot afterwards names the generation `g` that it read before; the correction has raised it.
- A reservation whose document is at its epoch or later is decided. One that is older than any batch lives and whose
  document is not there yet is dropped only after the document's version was raised: a save that is still on its way
  then finds another version and decides anew.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postroom_runtime.clock import Clock
from postroom_runtime.documents import DocumentStore
from postroom_runtime.errors import ConflictError, translated
from postroom_runtime.mongo import Collection, aggregate

from postroom_assigner.adapters.loads import load_of
from postroom_assigner.domain.assignment import Assignment
from postroom_assigner.metrics import RESERVATIONS_DROPPED, SLOTS_CORRECTED
from postroom_assigner.ports import Load, Reserved

_QUERY_MS = 20_000
_FENCE = "sweep-0"
"""A stream that no topic has; it marks a document that only the sweep has written so far."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One pass over all agents. `orphan_seconds`: how long a reservation may wait for its owner's save."""

    loads: Collection
    assignments: Collection
    store: DocumentStore[Assignment]
    clock: Clock
    orphan_seconds: float = 30.0

    async def turn(self) -> int:
        """Correct what is wrong; return how many agents were corrected."""
        before = self.clock.now() - timedelta(seconds=self.orphan_seconds)
        async with translated("sweep loads"):
            counted = await self._counted()
            stored = await self.loads.find({}, max_time_ms=_QUERY_MS).to_list(length=100_000)
        suspects = [d["_id"] for d in stored if _is_suspect(d, counted[d["_id"]], before)]
        return sum([await self.correct(agent_id, before) for agent_id in suspects])

    async def _counted(self) -> Counter[str]:
        pipeline: list[dict[str, Any]] = [
            {"$match": {"state.slot": {"$gt": ""}}},
            {"$group": {"_id": "$state.slot", "n": {"$sum": 1}}},
        ]
        rows = await aggregate(self.assignments, pipeline, hint="slot", maxTimeMS=_QUERY_MS)
        return Counter({row["_id"]: row["n"] for row in rows})

    async def correct(self, agent_id: str, before: datetime) -> bool:
        """Count one agent's slots anew; return whether the count was wrong and is right now.

        Does nothing when somebody took or freed a slot meanwhile: the next turn tries again.
        """
        async with translated("correct load"):
            stored = await self.loads.find_one({"_id": agent_id})
            if stored is None:
                return False
            load = load_of(stored)
            waiting = await self._in_flight(load, before)
            holding = await self.assignments.count_documents(
                {"state.slot": agent_id, "_id": {"$nin": [r.conversation_id for r in waiting.values()]}}
            )
            count = holding + len(waiting)
            if count == load.count and len(waiting) == len(load.reserved):
                return False
            changes: dict[str, Any] = {"load": count, "p": {k: stored["p"][k] for k in waiting}}
            raised = {"v": 1, "g": 1} if count != load.count else {"v": 1}
            written = await self.loads.update_one(
                {"_id": agent_id, "v": stored["v"]}, {"$set": changes, "$inc": raised}
            )
        corrected = bool(written.matched_count) and count != load.count
        SLOTS_CORRECTED.inc(corrected)
        return corrected

    async def _in_flight(self, load: Load, before: datetime) -> dict[str, Reserved]:
        """Return the reservations whose owner may still be saved; the old ones among them are made impossible first."""
        epochs = await self._epochs(load.reserved)
        waiting = {k: r for k, r in load.reserved.items() if epochs.get(r.conversation_id, -1) < r.epoch}
        for key, reserved in list(waiting.items()):
            if reserved.taken_at < before and await self._fence(reserved):
                del waiting[key]
                RESERVATIONS_DROPPED.inc()
        return waiting

    async def _epochs(self, reserved: Mapping[str, Reserved]) -> dict[str, int]:
        ids = [r.conversation_id for r in reserved.values()]
        found = await self.assignments.find({"_id": {"$in": ids}}, {"state.epoch": 1}).to_list(length=len(ids) + 1)
        return {d["_id"]: (d.get("state") or {}).get("epoch", 0) for d in found}

    async def _fence(self, reserved: Reserved) -> bool:
        """Raise the version of the document, so that no save computed before can come through."""
        document = (await self.store.load([reserved.conversation_id]))[reserved.conversation_id]
        if document.state is not None and document.state.epoch >= reserved.epoch:
            return True
        if document.version == 0:
            document.applied = {_FENCE: 0}
        try:
            await self.store.save([document])
        except ConflictError:
            return False
        return True


def _is_suspect(stored: Mapping[str, Any], counted: int, before: datetime) -> bool:
    load = load_of(stored)
    return load.count != counted or any(r.taken_at < before for r in load.reserved.values())
