"""When the reply of each conversation is due, stored so that an index can sort by it.

`due` stands in the documents of the read model beside the fold's own fields: `{at, version, of}`, reckoned with that version
of the configuration from that version of the document. The fold writes it with each document (`adapters/documents.py`);
`due_keeping.py` reckons anew what another configuration, or a release that knew nothing of it, left behind.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from postroom_contracts.values import Status
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Collection, UpdateOne
from postroom_runtime.mongo_steps import bulk_write

from postroom_desk.domain.due import Reckoned
from postroom_desk.domain.view import NOT_DUE, NOT_WAITING, ConversationView

DUE_AT = "due.at"
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
_EVERY = {"$in": [s.value for s in Status]}
_UNREAD = dict.fromkeys(("state.messages", "out", "ahead", "requests", "seen", "applied"), 0)


def due_to_mongo(due: Reckoned, document_version: int) -> dict[str, Any]:
    return {"at": due.at, "version": due.configuration_version, "of": document_version}


def due_order_of(document: Mapping[str, Any]) -> datetime:
    """Return by what the document is sorted; one that was not reckoned yet comes first, as MongoDB sorts it."""
    at = (document.get("due") or {}).get("at", _BEFORE_ALL)
    assert isinstance(at, datetime)
    return at


class MongoDueDates:
    """Port DueDates over the collection of the fold."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def stale(self, configuration_version: int, limit: int) -> list[tuple[str, int, ConversationView]]:
        async with translated("look for deadlines to reckon"):
            cursor = self._collection.find(_stale(configuration_version), _UNREAD, batch_size=limit + 1)
            found = await cursor.limit(limit).to_list(length=limit)
        return [(d["_id"], d["version"], ConversationView.model_validate(d["state"])) for d in found]

    async def put(self, reckoned: Sequence[tuple[str, int, Reckoned]]) -> None:
        writes = [
            UpdateOne({"_id": i, "version": version}, {"$set": {"due": due_to_mongo(due, version)}})
            for i, version, due in reckoned
        ]
        if writes:
            async with translated("write deadlines"):
                await bulk_write(self._collection, writes)


def _stale(configuration_version: int) -> dict[str, Any]:
    """Return what finds them by indexes: never reckoned; or somebody waits, or did, and it was reckoned from something older."""
    older = [{"due.version": {"$lt": configuration_version}}, {"$expr": {"$ne": ["$due.of", "$version"]}}]
    return {
        "$or": [
            {"state.status": _EVERY, DUE_AT: None},
            {"state.status": _EVERY, "state.waiting_order": {"$lt": NOT_WAITING}, "$or": older},
            {"state.status": _EVERY, DUE_AT: {"$lt": NOT_DUE}, "$or": older},
        ]
    }
