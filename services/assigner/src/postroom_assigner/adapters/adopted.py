"""Decisions since a backup that the log holds and our documents do not: `{_id: cause, facts: [{type, body}]}`, in order."""

from collections.abc import Mapping, Sequence

from postroom_contracts.events import Event, encode_body
from postroom_contracts.facts import Fact
from postroom_contracts.registry import MODELS
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, InsertOne

Adopted = Mapping[str, Sequence[Fact]]
"""Cause (id of a fact or command) -> the facts that were made of it."""


class MongoAdopted:
    """Written by `postroom recover`, read once when the service starts."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def replace(self, events: Sequence[Event]) -> int:
        """Keep these facts instead of what is kept; return of how many causes."""
        facts: dict[str, list[dict[str, object]]] = {}
        for event in events:
            facts.setdefault(event.causation_id, []).append({"type": event.type, "body": encode_body(event.data)})
        async with translated("keep adopted"):
            await self._collection.delete_many({})
            if facts:
                rows = [InsertOne({"_id": cause, "facts": made}) for cause, made in facts.items()]
                await self._collection.bulk_write(rows, ordered=False)
        return len(facts)

    async def load(self) -> Adopted:
        async with translated("load adopted"):
            found = await self._collection.find({}).to_list(length=1_000_000)
        return {d["_id"]: [_fact(one["type"], bytes(one["body"])) for one in d["facts"]] for d in found}


def _fact(type_name: str, body: bytes) -> Fact:
    fact = MODELS[type_name].model_validate_json(body)
    assert isinstance(fact, Fact)
    return fact
