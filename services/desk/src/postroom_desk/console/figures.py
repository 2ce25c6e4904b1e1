"""What the pages say in words and figures beside the API's own answers."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data

from postroom_desk.api import shown
from postroom_desk.api.figures import inboxes_of, of_the_house
from postroom_desk.api.guard import Asker
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.queries import ListQuery
from postroom_desk.parts import Parts


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One fact as a line of the overview: who, did what, in which conversation."""

    key: str
    at: str
    who: str
    what: str
    conversation_id: str
    subject: str
    kind: str


_PHRASES: dict[str, str] = {
    "ConversationStarted": "started a conversation",
    "NoteAdded": "added a note",
    "ConversationTagged": "changed tags",
    "ConversationRouted": "moved it",
    "ConversationResolved": "resolved it",
    "ConversationReopened": "opened it again",
    "ConversationSnoozed": "put it off",
    "ConversationWoken": "is due again",
    "ConversationWaiting": "waits for the customer",
    "ConversationArchived": "archived it",
    "ConversationDeleted": "put it into the bin",
    "ConversationRestored": "took it back from the bin",
    "ConversationMarkedSpam": "marked it as spam",
    "ConversationUnmarkedSpam": "took the spam mark away",
    "ConversationMerged": "merged it into another",
    "ConversationAbsorbed": "took in another conversation",
    "ConversationUnassigned": "gave it up",
    "RequestRefused": "was refused",
    "ClaimRefused": "could not take it",
    "MessageSent": "reply delivered to the mail server",
    "MessageFailed": "reply could not be sent",
    "MessageBounced": "reply came back",
    "ContentErased": "content erased",
}


def feed_item(event: LoggedEvent, subject: str, customer: str, configuration: Configuration) -> FeedItem:
    data = event.event().data
    who, what = _phrase(data, customer or "Customer", configuration)
    return FeedItem(
        key=str(event.position),
        at=event.time,
        who=who,
        what=what,
        conversation_id=event.conversation_id,
        subject=subject,
        kind=shown.short(event),
    )


def _phrase(data: Data, customer: str, configuration: Configuration) -> tuple[str, str]:
    match data:
        case f.MessageReceived():
            return customer, {"message": "wrote", "bounce": "mail came back"}.get(
                data.message_kind, "answered by itself"
            )
        case f.ReplyAccepted():
            name = shown.actor_name(configuration, data.actor)
            return name, ("answered by mail" if data.via == "mail" else "answered") + (" and resolved" * data.resolved)
        case f.ConversationAssigned():
            return shown.agent_name(configuration, data.agent_id), "owns it now"
        case f.ConversationQueued():
            team = configuration.team(data.team_id)
            return team.name if team else "Queue", f"has it in the queue ({data.reason.replace('_', ' ')})"
        case f.NotificationSent():
            return shown.agent_name(configuration, data.agent_id), "was told"
        case f.NotificationFailed():
            return shown.agent_name(configuration, data.agent_id), "could not be told"
        case f.DeadlineWarned() | f.DeadlineBreached():
            state = "missed" if isinstance(data, f.DeadlineBreached) else "near"
            return "Deadline", f"{data.deadline.replace('_', ' ')} {state}"
    actor = getattr(data, "actor", None)
    who = shown.actor_name(configuration, actor) if actor else "Postroom"
    return who, _PHRASES.get(type(data).__name__, type(data).__name__)


def list_title(query: ListQuery, configuration: Configuration) -> str:
    """Return what a list shows, in words."""
    if query.unassigned:
        name = "Unassigned"
    elif query.archived:
        name = "Archived"
    else:
        name = ", ".join(s.value.capitalize() for s in query.statuses) or "All conversations"
    inbox, team = configuration.inbox(query.inbox_id or ""), configuration.team(query.team_id)
    details = [
        inbox.name if inbox else "",
        team.name if team else "",
        f"#{query.tag}" if query.tag else "",
        shown.agent_name(configuration, query.owner_id) if query.owner_id else "",
    ]
    return " · ".join([name, *filter(None, details)])


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of analytics: seconds of the wall clock, from how many cases; None when there is no case yet."""

    kind: str
    name: str
    p50_seconds: float | None
    mean_seconds: float | None
    count: int


FIGURES = {
    "first_response": "First response",
    "next_response": "Next response",
    "resolution": "Resolution",
}


async def response_figures(parts: Parts, asker: Asker) -> list[Figure] | None:
    """Return response times and resolution as analytics counts them; None when it does not answer."""
    answer = await parts.figures.get("/api/v1/metrics/summary", of_the_house(parts, asker))
    if answer is None or answer[0] != HTTPStatus.OK or not isinstance(answer[1], dict):
        return None
    return [_figure(kind, name, answer[1].get(kind)) for kind, name in FIGURES.items()]


def _figure(kind: str, name: str, summary: Any) -> Figure:
    wall = (summary.get("wall") if isinstance(summary, dict) else None) or {}
    return Figure(kind, name, wall.get("p50"), wall.get("mean"), int(wall.get("count") or 0))


@dataclass(frozen=True, slots=True)
class Case:
    """One row behind a figure."""

    conversation_id: str
    closed_at: datetime
    wall_seconds: float | None
    business_seconds: float | None
    agent_id: str | None


async def cases(parts: Parts, asker: Asker, kind: str, cursor: str | None) -> tuple[list[Case], str | None] | None:
    """Return the cases behind a figure, the newest first, and the cursor of the next; None: analytics does not answer."""
    query = {"kind": kind, "inboxes": inboxes_of(asker)} | ({"cursor": cursor} if cursor else {})
    answer = await parts.figures.get("/api/v1/metrics/rows", query)
    if answer is None or answer[0] != HTTPStatus.OK or not isinstance(answer[1], dict):
        return None
    return [_case(row) for row in answer[1].get("rows", [])], answer[1].get("next")


def _case(row: dict[str, Any]) -> Case:
    wall, business = row.get("wall_ms"), row.get("business_ms")
    return Case(
        conversation_id=str(row["conversation_id"]),
        closed_at=datetime.fromisoformat(row["closed_at"]),
        wall_seconds=None if wall is None else wall / 1000,
        business_seconds=None if business is None else business / 1000,
        agent_id=row.get("agent"),
    )
