"""Search: what was found stands where a list stands, beside the conversation."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.problems import Problem
from postroom_desk.console.asked import ListAsked, address
from postroom_desk.console.folders import saved_filters
from postroom_desk.console.inbox import dues_of, rows_of
from postroom_desk.console.pages import render
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.console.writing import assignees_by_inbox
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.queries import CursorError
from postroom_desk.domain.search.cursor import decode_search_cursor, encode_search_cursor
from postroom_desk.domain.search.query import LONGEST_QUERY, parse_query
from postroom_desk.searching import PAGE

router = APIRouter(include_in_schema=False)
Lists = Annotated[Viewer, Depends(page_needs(Operation.LIST_CONVERSATIONS))]


@router.get("/search")
async def search(
    request: Request,
    parts: PartsOf,
    viewer: Lists,
    q: Annotated[str, Query(max_length=LONGEST_QUERY)] = "",
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """The conversations with a message that has all of `q`; an empty one finds nothing."""
    try:
        after = decode_search_cursor(cursor) if cursor else None
    except CursorError as error:
        raise Problem(400, "bad-cursor", "Bad cursor", str(error)) from error
    query = parse_query(q, viewer.acting_id)
    page = await parts.searcher.search(query, viewer.readable, after, PAGE) if q.strip() else None
    found = page.rows if page else []
    following = encode_search_cursor(page.next_cursor) if page and page.next_cursor else None
    return render(
        request,
        parts,
        viewer,
        "search.html",
        title=viewer.texts("inbox.found", words=q) if q.strip() else viewer.texts("inbox.search"),
        words_asked=q,
        ignored=list(query.ignored),
        assignees_by_inbox=assignees_by_inbox(parts.reader.configuration, (f.row.view.inbox_id for f in found)),
        dues=dues_of(parts, (f.row for f in found)),
        found=list(zip(await rows_of(parts, viewer, (f.row for f in found)), found, strict=True)),
        next_url=address("/search", {"q": q, "cursor": following}) if following else None,
        asked=ListAsked(),
        filters=await saved_filters(parts, viewer),
        opened=None,
        opened_id=None,
    )
