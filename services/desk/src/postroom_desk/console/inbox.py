"""The inbox in three panes: folders, a list, a conversation. Each pane is a fragment that has its own address."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from postroom_contracts.values import Status

from postroom_desk.api import models as m
from postroom_desk.api import shown
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.problems import not_found
from postroom_desk.api.reads import read_message, with_unread
from postroom_desk.console.asked import ListAsked, address
from postroom_desk.console.folders import counted_folders, folders_of, saved_filters
from postroom_desk.console.pages import reached, render
from postroom_desk.console.threads import ThreadShown, WindowAsked, thread_shown
from postroom_desk.console.viewer import Viewer, page_needs
from postroom_desk.console.writing import Assignees, assignees_by_inbox, assignees_of, composer_context
from postroom_desk.domain.due import ReplyDue, reply_due
from postroom_desk.domain.folders import Folder
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.queries import ListQuery
from postroom_desk.domain.search.query import parse_query
from postroom_desk.domain.window import Window
from postroom_desk.parts import Parts
from postroom_desk.reading import Row, UnknownConversationError

HISTORY = 8
TARGETS = 20
MAX_ORIGINAL = 500_000
router = APIRouter(include_in_schema=False)
Lists = Annotated[Viewer, Depends(page_needs(Operation.LIST_CONVERSATIONS))]
Reads = Annotated[Viewer, Depends(page_needs(Operation.READ_CONVERSATION))]
Asked = Annotated[ListAsked, Query()]


# --- pages ------------------------------------------------------------------------------------------------------


@router.get("/")
async def inbox(request: Request, parts: PartsOf, viewer: Lists) -> Response:
    """One's own conversations; for whoever acts as nobody all open ones."""
    own = [viewer.acting_id] if viewer.acting_id else []
    asked = ListAsked(status=[Status.OPEN], owner=own[0] if own else None)
    return await inbox_page(request, parts, viewer, asked)


@router.get("/conversations")
async def conversations(request: Request, parts: PartsOf, viewer: Lists, asked: Asked) -> Response:
    return await inbox_page(request, parts, viewer, asked)


@router.get("/folders")
async def folders_page(request: Request, parts: PartsOf, viewer: Lists, asked: Asked) -> Response:
    """The folders alone: on a phone each pane is a page."""
    return await inbox_page(request, parts, viewer, asked, view="folders")


@router.get("/conversations/{conversation_id}")
async def conversation(
    conversation_id: str, request: Request, parts: PartsOf, viewer: Reads, asked: Asked, window: WindowAsked
) -> Response:
    """`first`, `last` and `message` say which messages of a long thread are shown; else the newest."""
    await reached(request, parts)
    opened = await opened_conversation(parts, viewer, conversation_id, window)
    status = 404 if opened is None else 200
    if asked == ListAsked():
        asked = _list_of(opened, viewer)
    return await inbox_page(request, parts, viewer, asked, status, opened=opened, opened_id=conversation_id)


def _list_of(opened: "Opened | None", viewer: Viewer) -> ListAsked:
    """Return the list beside a conversation whose address names none: one's own if it is one's own, else its status."""
    if opened is None:
        return ListAsked(status=[Status.OPEN])
    own = opened.shown.owner_id if opened.shown.owner_id == viewer.acting_id else None
    status = opened.shown.status if opened.shown.status != Status.MERGED else Status.OPEN
    return ListAsked(status=[status], owner=own, archived=opened.shown.archived)


async def inbox_page(
    request: Request,
    parts: Parts,
    viewer: Viewer,
    asked: ListAsked,
    status: int = 200,
    *,
    view: str = "list",
    opened: "Opened | None" = None,
    opened_id: str | None = None,
    **context: Any,
) -> Response:
    """Return the three panes: a list, and beside it `opened`, or what else stands for `opened_id`."""
    await reached(request, parts)
    listed = await list_context(parts, viewer, asked)
    title = opened.shown.subject if opened else context.pop("title", listed["list_title"])
    return render(
        request,
        parts,
        viewer,
        "inbox.html",
        status,
        title=title or viewer.texts("inbox.no_subject"),
        view="conversation" if opened_id else view,
        opened=opened,
        opened_id=opened_id,
        **listed,
        **(opened.context() if opened else {}),
        **context,
    )


# --- fragments --------------------------------------------------------------------------------------------------


@router.get("/panes/folders")
async def folders_pane(request: Request, parts: PartsOf, viewer: Lists, asked: Asked, at: str = "") -> Response:
    """The folders with their counts; `at`: the page beside them, where that is none of their lists."""
    await reached(request, parts)
    (found, drafts), saved = await counted_folders(parts, viewer), await saved_filters(parts, viewer)
    context: dict[str, Any] = {"folders": found, "drafts": drafts, "filters": saved, "asked": asked, "path": at}
    return render(request, parts, viewer, "pane_folders.html", counted=True, **context)


@router.get("/panes/list")
async def list_pane(request: Request, parts: PartsOf, viewer: Lists, asked: Asked, opened: str = "") -> Response:
    """A list; `opened` is the conversation beside it."""
    await reached(request, parts)
    listed = await list_context(parts, viewer, asked)
    return render(request, parts, viewer, "pane_list.html", opened_id=opened, **listed)


@router.get("/panes/conversation")
async def empty_pane(request: Request, parts: PartsOf, viewer: Lists, asked: Asked) -> Response:
    """No conversation: what stands beside a list of which none was opened."""
    return render(request, parts, viewer, "pane_conversation.html", opened=None, opened_id=None, asked=asked)


@router.get("/panes/conversation/{conversation_id}")
async def conversation_pane(
    conversation_id: str, request: Request, parts: PartsOf, viewer: Reads, asked: Asked, window: WindowAsked
) -> Response:
    await reached(request, parts)
    opened = await opened_conversation(parts, viewer, conversation_id, window)
    context = {"opened": opened, "opened_id": conversation_id, "asked": asked}
    return render(
        request,
        parts,
        viewer,
        "pane_conversation.html",
        200 if opened else 404,
        **context,
        **(opened.context() if opened else {}),
    )


@router.get("/panes/targets/{conversation_id}")
async def targets_pane(
    conversation_id: str,
    request: Request,
    parts: PartsOf,
    viewer: Reads,
    q: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """What a conversation can be merged into: what is found for `q`; without it the contact's others, then the newest."""
    if q.strip():
        page = await parts.searcher.search(parse_query(q, viewer.acting_id), viewer.readable, None, TARGETS)
        found = [m.ConversationRow(**shown.row_fields(f.row)) for f in page.rows]
    else:
        opened = await opened_conversation(parts, viewer, conversation_id)
        newest = await parts.reader.page(ListQuery(readable=viewer.readable, sort="newest", limit=TARGETS))
        rows = {r.id: r for r in (opened.history if opened else [])}
        rows |= {r.id: m.ConversationRow(**shown.row_fields(r)) for r in newest.rows if r.id not in rows}
        found = list(rows.values())[:TARGETS]
    return render(request, parts, viewer, "pane_targets.html", targets=[r for r in found if r.id != conversation_id])


# --- what the panes show ----------------------------------------------------------------------------------------


async def list_context(parts: Parts, viewer: Viewer, asked: ListAsked) -> dict[str, Any]:
    found = await parts.reader.page(asked.list_query(viewer.readable, viewer.acting_id))
    saved = await saved_filters(parts, viewer)
    following = asked.address("/conversations", cursor=found.next_cursor) if found.next_cursor else None
    return {
        "asked": asked,
        "rows": await rows_of(parts, viewer, found.rows),
        "dues": dues_of(parts, found.rows),
        "assignees_by_inbox": assignees_by_inbox(parts.reader.configuration, (r.view.inbox_id for r in found.rows)),
        "filters": saved,
        "saved": next((f for f in saved if f.lists(asked)), None),
        "next_cursor": found.next_cursor,
        "next_url": following,
        "list_title": list_title(asked, parts, viewer),
    }


async def rows_of(parts: Parts, viewer: Viewer, rows: Iterable[Row]) -> list[m.ConversationRow]:
    """Return rows as they are shown, with what whoever acts has not read marked."""
    shown_rows = [m.ConversationRow(**shown.row_fields(row)) for row in rows]
    if viewer.acting_id is None:
        return shown_rows
    page = m.ConversationPage(items=shown_rows, next_cursor=None)
    return (await with_unread(parts, page, viewer.acting_id)).items


def dues_of(parts: Parts, rows: Iterable[Row]) -> dict[str, ReplyDue]:
    """Return of which conversations a reply is due, or was missed, and when."""
    now, configuration = parts.clock.now(), parts.reader.configuration
    found = {row.id: reply_due(row.view, configuration, now) for row in rows}
    return {i: due for i, due in found.items() if due is not None and due.state != "met"}


def list_title(asked: ListAsked, parts: Parts, viewer: Viewer) -> str:
    """Return what a list shows, in words: the folder's name, else all that it was asked for."""
    configuration, texts = parts.reader.configuration, viewer.texts
    for folder in folders_of(parts, viewer):
        if asked.is_folder(folder.query):
            return folder_name(folder, viewer)
    inbox = configuration.inbox(asked.inbox or "") if asked.inbox in viewer.readable else None
    team = configuration.team(asked.team)
    said = [texts.word("status", s.value).capitalize() for s in asked.status] or [texts("inbox.all")]
    said += [texts("inbox.folder.unassigned")] if asked.unassigned else []
    said += [inbox.name if inbox else asked.inbox] if asked.inbox else []
    said += [team.name if team else asked.team] if asked.team else []
    said += [f"#{asked.tag}"] if asked.tag else []
    said += [shown.agent_name(configuration, asked.owner)] if asked.owner else []
    return " · ".join(said)


def message_address(path: str, message_id: str) -> str:
    """Return the page of a conversation at one of its messages, however old."""
    return f"{address(path, {'message': message_id})}#m-{message_id}"


def folder_name(folder: Folder, viewer: Viewer) -> str:
    return folder.name or viewer.texts(f"inbox.folder.{folder.key}")


@dataclass(frozen=True, slots=True)
class Opened:
    """One conversation with all that its pane shows."""

    shown: m.Conversation
    thread: ThreadShown
    history: list[m.ConversationRow]
    composer: Mapping[str, Any]
    assignees: Assignees
    due: ReplyDue | None
    pictures: bool
    """Pictures on strangers' servers can be shown here."""
    pictures_of: frozenset[str]
    """From whom whoever acts always wants them."""

    def context(self) -> dict[str, Any]:
        own: dict[str, Any] = {"c": self.shown, "thread": self.thread, "history": self.history}
        own |= {
            "assignees": self.assignees,
            "due": self.due,
            "pictures": self.pictures,
            "pictures_of": self.pictures_of,
        }
        return {**own, **self.composer}


async def opened_conversation(
    parts: Parts, viewer: Viewer, conversation_id: str, window: Window | None = None
) -> Opened | None:
    """Return the conversation, or None when it does not exist for this viewer."""
    configuration = parts.reader.configuration
    try:
        thread = await viewer.signed_in.thread(parts, conversation_id, window or Window())
    except UnknownConversationError:
        return None
    conversation = shown.conversation(thread, configuration)
    return Opened(
        shown=conversation,
        thread=await thread_shown(parts, viewer, thread, conversation.messages),
        history=await _history(parts, viewer, conversation),
        composer=composer_context(configuration, viewer, conversation.inbox_id),
        assignees=assignees_of(configuration, conversation.inbox_id),
        due=reply_due(thread.view, configuration, parts.clock.now()),
        pictures=parts.pictures is not None,
        pictures_of=await _pictures_of(parts, viewer, conversation),
    )


async def _pictures_of(parts: Parts, viewer: Viewer, conversation: m.Conversation) -> frozenset[str]:
    """Return from whom they are always shown; nothing is asked where no message names any."""
    if (
        parts.picture_senders is None
        or not viewer.acting_id
        or not any(x.remote_pictures for x in conversation.messages)
    ):
        return frozenset()
    return frozenset(await parts.picture_senders.of(viewer.acting_id))


async def _history(parts: Parts, viewer: Viewer, conversation: m.Conversation) -> list[m.ConversationRow]:
    """Return what else this contact wrote, over all channels, the newest first."""
    if not conversation.contact_ids:
        return []
    query = ListQuery(
        readable=viewer.readable,
        statuses=tuple(s for s in Status if s != Status.MERGED),
        contact_id=conversation.contact_ids[0],
        archived=None,
        sort="newest",
        limit=HISTORY + 1,
    )
    found = await parts.reader.page(query)
    rows = [m.ConversationRow(**shown.row_fields(r)) for r in found.rows]
    return [r for r in rows if r.id != conversation.id][:HISTORY]


@router.get("/conversations/{conversation_id}/messages/{message_id}/original")
async def original(conversation_id: str, message_id: str, request: Request, parts: PartsOf, viewer: Reads) -> Response:
    """The original mail as text. Bytes that are no UTF-8 are shown as what they are not."""
    content = (await read_message(parts, viewer.signed_in, conversation_id, message_id)).content
    raw = await parts.content.get_blob(content["raw_blob_id"]) if content.get("raw_blob_id") else None
    if raw is None:
        raise not_found("there is no original mail of this message")
    return render(
        request,
        parts,
        viewer,
        "original.html",
        title=viewer.texts("inbox.original"),
        text=raw[:MAX_ORIGINAL].decode("utf-8", "replace"),
        cut=len(raw) > MAX_ORIGINAL,
        back=message_address(f"/conversations/{conversation_id}", message_id),
        download=f"{shown.href(conversation_id)}/messages/{message_id}/original",
        size=len(raw),
    )
