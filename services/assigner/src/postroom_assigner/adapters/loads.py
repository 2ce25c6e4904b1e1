"""Loads of agents in MongoDB: a guarded counter, and beside it the slots that are not yet known to be used.

A document is `{_id: agent, load, last, g, v, p: {key: {c: conversation, e: epoch, at}}}`. `load` counts slots; a slot that
is in use is the assignment document that names the agent, so the document here stays small however many they are. `p`
holds the reservations between taking a slot and saving its owner; they go with the next take. `v` rises with every
write, `g` with every correction: see `adapters/sweep.py`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from postroom_runtime.errors import ConflictError, translated
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Collection, UpdateOne
from postroom_runtime.mongo_steps import bulk_write, find_all

from postroom_assigner.ports import Load, Release, Reserved, Take


class MongoAgentLoads:
    """The port AgentLoads on one collection."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def load(self, agent_ids: Iterable[str]) -> dict[str, Load]:
        wanted = list(agent_ids)
        if not wanted:
            return {}
        async with translated("read loads"):
            stored = await find_all(self._collection, {"_id": {"$in": wanted}}, limit=len(wanted))
        found = {d["_id"]: load_of(d) for d in stored}
        return {agent_id: found.get(agent_id) or Load() for agent_id in wanted}

    async def take(self, takes: Mapping[str, Take]) -> None:
        writes = [write for agent_id, take in takes.items() for write in _takes(agent_id, take)]
        async with translated("take slots"):
            try:
                result = await bulk_write(self._collection, writes)
            except BulkWriteError as error:
                codes = {e.get("code") for e in (error.details or {}).get("writeErrors", [])}
                if codes == {DUPLICATE_KEY}:
                    raise ConflictError("an agent has no such slot left") from error
                raise
        if result.matched_count + result.upserted_count < len(writes):
            raise ConflictError("a reserved slot is gone")

    async def give_back(self, releases: Mapping[str, Release]) -> None:
        writes = [write for agent_id, release in releases.items() for write in _releases(agent_id, release)]
        if writes:
            async with translated("free slots"):
                await bulk_write(self._collection, writes)


def load_of(stored: Mapping[str, Any]) -> Load:
    """Return the load as it was stored."""
    reserved = {k: Reserved(r["c"], r["e"], r["at"]) for k, r in stored.get("p", {}).items()}
    return Load(stored["load"], stored.get("last", 0), stored.get("g", 0), reserved)


def _takes(agent_id: str, take: Take) -> Iterable[Any]:
    """Yield the writes: one that takes what is new, if anything is, and one for each slot that changes its key.

    They upsert: where the guard does not match although the agent is there, MongoDB finds the id taken (duplicate
    key), which is our refusal; where the agent is not there yet, it is made.
    """
    if take.new:
        guard: dict[str, Any] = {"_id": agent_id}
        if take.capacity is not None:
            guard["load"] = {"$lte": take.capacity - len(take.new)}
        guard |= {f"p.{key}": {"$exists": False} for key in take.new}
        update: dict[str, Any] = {
            "$inc": {"load": len(take.new), "v": 1},
            "$max": {"last": take.last_assigned},
            "$set": {f"p.{key}": _stored(slot) for key, slot in take.new.items()},
        }
        gone = [key for key in take.confirmed if key not in take.new]
        if gone:
            update["$unset"] = {f"p.{key}": "" for key in gone}
        yield UpdateOne(guard, update, upsert=take.capacity is None or take.capacity >= len(take.new))
    for old, (new, slot) in take.moves.items():
        # Where both keys are the same, `$set` alone: MongoDB refuses two changes of one field.
        update = {"$inc": {"v": 1}, "$max": {"last": take.last_assigned}, "$set": {f"p.{new}": _stored(slot)}}
        if old != new:
            update["$unset"] = {f"p.{old}": ""}
        yield UpdateOne({"_id": agent_id, f"p.{old}": {"$exists": True}}, update)


def _releases(agent_id: str, release: Release) -> Iterable[Any]:
    if release.count:
        # A generation of 0 may not be written yet; null matches a field that is missing.
        generation = {"$in": [None, 0]} if release.generation == 0 else release.generation
        yield UpdateOne({"_id": agent_id, "g": generation}, {"$inc": {"load": -release.count, "v": 1}})
    for key in release.reserved:
        yield UpdateOne(
            {"_id": agent_id, f"p.{key}": {"$exists": True}},
            {"$inc": {"load": -1, "v": 1}, "$unset": {f"p.{key}": ""}},
        )


def _stored(slot: Reserved) -> dict[str, str | int | datetime]:
    return {"c": slot.conversation_id, "e": slot.epoch, "at": slot.taken_at}
