"""Search, and suggestions of people and tags."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from postroom_desk.api import models_search as m
from postroom_desk.api import shown
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.folders import AgentNamed, acting
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import Problem
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.queries import CursorError
from postroom_desk.domain.search.cursor import SearchCursor, decode_search_cursor, encode_search_cursor
from postroom_desk.domain.search.query import LONGEST_QUERY, parse_query
from postroom_desk.domain.search.words import fold, words
from postroom_desk.searching import PAGE, Found

router = APIRouter()
Looking = Annotated[Asker, Depends(needs(Operation.LIST_CONVERSATIONS))]
SUGGESTIONS = 10


@router.get("/search", summary="Search conversations")
async def search(
    parts: PartsOf,
    asker: Looking,
    q: Annotated[
        str, Query(max_length=LONGEST_QUERY, description='Words, "phrases", from:, to:, subject:, tag:, -not')
    ],
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    agent: AgentNamed = None,
) -> m.SearchAnswer:
    """Conversations with a message that has all of it, among those that one may read; lately written ones first.

    A page may be short or empty and yet have a `next_cursor`: how much one request reads is bounded.
    """
    query = parse_query(q, acting(asker, parts, agent))
    page = await parts.searcher.search(query, asker.access.readable, _cursor(cursor), limit)
    following = encode_search_cursor(page.next_cursor) if page.next_cursor else None
    return m.SearchAnswer(items=[_row(f) for f in page.rows], next_cursor=following, ignored=list(query.ignored))


def _cursor(text: str | None) -> SearchCursor | None:
    try:
        return decode_search_cursor(text) if text else None
    except CursorError as error:
        raise Problem(400, "bad-cursor", "Bad cursor", str(error)) from error


def _row(found: Found) -> m.SearchRow:
    snippet = [m.SnippetPiece(text=p.text, marked=p.marked) for p in found.pieces]
    fields = shown.row_fields(found.row)
    return m.SearchRow(**fields, message_id=found.message_id, found_at=found.at, hits=found.hits, snippet=snippet)


@router.get("/contacts", summary="Suggest people and tags")
async def suggest(
    parts: PartsOf, asker: Looking, q: Annotated[str, Query(min_length=1, max_length=100)]
) -> m.Suggestions:
    """People who wrote, or were written to, in an inbox that one may read, and tags of the configuration.

    `q` are beginnings of words of a name or an address, or of a tag's name.
    """
    wanted = list(words(q))[:5]
    found = await parts.suggestions.suggest(wanted, asker.access.readable, SUGGESTIONS * 3) if wanted else []
    contacts = {
        p.address: m.SuggestedContact(address=p.address, name=p.name, contact_id=p.contact_id) for p in found[::-1]
    }
    begun = fold(q.strip())
    tags = [t for t in parts.reader.configuration.tags if any(fold(n).startswith(begun) for n in (t.id, t.name or ""))]
    return m.Suggestions(
        contacts=list(contacts.values())[::-1][:SUGGESTIONS],
        tags=[m.SuggestedTag(id=t.id, name=t.name or t.id) for t in tags[:SUGGESTIONS]],
    )
