"""States and rows as MongoDB keeps them: plain values, what is at its default left out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from postroom_contracts.business_time import from_epoch_ms, to_epoch_ms
from pydantic import TypeAdapter

from postroom_analytics.domain.model import ConversationMetrics, Row

Document = dict[str, Any]
_STATE = TypeAdapter(ConversationMetrics)
_ROW = TypeAdapter(Row)
_INSTANTS = ("started_at", "closed_at", "deadline_at", "breached_at")


def to_document(state: ConversationMetrics) -> Document:
    """Return the state for MongoDB: `_id` the conversation, without sealed rows."""
    document: Document = _STATE.dump_python(state, exclude_defaults=True, exclude={"sealed", "conversation_id"})
    return {"_id": state.conversation_id, **document}


def from_document(document: Mapping[str, Any]) -> ConversationMetrics:
    """Return the state that `to_document` made; fields of newer releases are ignored."""
    return _STATE.validate_python({**document, "conversation_id": document["_id"]})


def row_document(row: Row) -> Document:
    """Return the row for MongoDB: `_id` its id, instants as UTC datetimes, the credit's parts beside the rest.

    What is undefined is left out; `counted` and `definition` always stand there.
    """
    document: Document = _ROW.dump_python(row, exclude_defaults=True)
    credit = document.pop("credit")
    for name in _INSTANTS:
        if name in document:
            document[name] = from_epoch_ms(document[name])
    return {"_id": document.pop("id"), "counted": row.counted, "definition": row.definition, **document, **credit}


def row_from_document(document: Mapping[str, Any]) -> Row:
    """Return the row that `row_document` made; a datetime without a zone, as MongoDB's driver may give, is UTC."""
    instants = {name: _epoch(document[name]) for name in _INSTANTS if name in document}
    credit = {name: document[name] for name in ("agent", "team", "tags") if name in document}
    return _ROW.validate_python({**document, **instants, "id": document["_id"], "credit": credit})


def _epoch(at: datetime) -> int:
    return to_epoch_ms(at if at.tzinfo else at.replace(tzinfo=UTC))
