"""Where a search goes on."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime

from postroom_contracts.fields import format_time

from postroom_desk.domain.queries import CursorError


@dataclass(frozen=True, slots=True)
class SearchCursor:
    """`until`: the block of hits begins below this time; `skip`: conversations of it that were shown."""

    until: datetime
    skip: int = 0


def encode_search_cursor(cursor: SearchCursor) -> str:
    text = json.dumps(["search", format_time(cursor.until), cursor.skip])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_search_cursor(text: str) -> SearchCursor:
    """Return the cursor. Raises CursorError when it is none that an answer held."""
    try:
        kind, until, skip = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        cursor = SearchCursor(datetime.fromisoformat(until), skip)
    except (binascii.Error, ValueError, TypeError) as error:
        raise CursorError("the cursor is not one that an answer held") from error
    if kind != "search" or cursor.until.tzinfo is None or not isinstance(skip, int) or skip < 0:
        raise CursorError("the cursor belongs to no search")
    return cursor
