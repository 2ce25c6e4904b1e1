"""What a list asks for, and its cursor."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from postroom_contracts.fields import format_time
from postroom_contracts.values import Status

from postroom_desk.domain.view import ConversationView

Sort = Literal["waiting", "deadline", "newest", "oldest"]
MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the last page ended: the value that it is sorted by, and the id. `sort` must be that of the list."""

    sort: Sort
    value: datetime
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """Filters that all hold; None: any. Empty `statuses`: all but spam, deleted and merged."""

    readable: frozenset[str]
    """The inboxes that exist for who asks (`Access.readable`): no list is made without them."""
    statuses: tuple[Status, ...] = ()
    inbox_id: str | None = None
    team_id: str | None = None
    tag: str | None = None
    owner_id: str | None = None
    contact_id: str | None = None
    mentioned: str | None = None
    """An agent who was named in a note."""
    watcher: str | None = None
    unassigned: bool = False
    unattended: bool = False
    """A customer waits, and since they do no agent has looked at it or answered."""
    archived: bool | None = False
    """None: archived or not."""
    sort: Sort = "waiting"
    limit: int = 50
    cursor: Cursor | None = None


def sorted_by(view: ConversationView, sort: Sort) -> datetime:
    """Return the value by which a list in this order is sorted."""
    match sort:
        case "waiting":
            return view.waiting_order
        case "deadline":
            return view.due_order
        case "newest":
            return view.last_activity_at
        case "oldest":
            return view.opened_at


class CursorError(ValueError):
    """A cursor that no answer of ours held."""


def encode_cursor(cursor: Cursor) -> str:
    text = json.dumps([cursor.sort, format_time(cursor.value), cursor.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(text: str, sort: Sort) -> Cursor:
    """Return the cursor. Raises CursorError when it is broken or belongs to another order."""
    try:
        given, value, identifier = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        cursor = Cursor(given, datetime.fromisoformat(value), str(identifier))
    except (binascii.Error, ValueError, TypeError) as error:
        raise CursorError("the cursor is not one that an answer held") from error
    if cursor.sort != sort or cursor.value.tzinfo is None:
        raise CursorError("the cursor belongs to a list in another order")
    return cursor
