"""Facts as lines: who did what, for the overview and between the messages of a conversation."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data

from postroom_desk.api import shown
from postroom_desk.console.texts import Texts
from postroom_desk.domain.logged import LoggedEvent

_MESSAGES = (f.MessageReceived, f.ReplyAccepted, f.NoteAdded)
_QUIET = (*_MESSAGES, f.NotificationSent, f.MessageSent, f.ContentErased, f.RequestRefused, f.ClaimRefused)
"""What the thread shows otherwise, or not at all: who asked is told of a refusal, and nothing came of it."""
TAGS = 6


@dataclass(frozen=True, slots=True)
class Line:
    """One fact: `what` is markup with the names in it. `key` is its position on the log."""

    key: str
    at: datetime
    what: Markup
    kind: str
    conversation_id: str
    subject: str = ""


def line(
    event: LoggedEvent,
    configuration: Configuration,
    texts: Texts,
    *,
    readable: frozenset[str],
    customer: str = "",
    subject: str = "",
) -> Line:
    """Return the fact in words. Of inboxes that are not `readable` nothing is said but that there is another."""
    data = event.event().data
    kind = shown.short(event)
    key, who, values = _said(data, kind.replace("-", "_"), customer or texts("activity.customer"), configuration, texts)
    if isinstance(data, f.ConversationRouted) and data.inbox_id is not None and data.inbox_id not in readable:
        key, values = "conversation_moved_away", {}
    names = {"who": _strong(who)} | {n: _strong(value) if n == "owner" else value for n, value in values.items()}
    what = texts.html(f"activity.{key}", **names) if texts.has(f"activity.{key}") else Markup.escape(kind)
    at = datetime.fromisoformat(event.time)
    return Line(str(event.position), at, what, kind, event.conversation_id, subject)


def between(
    events: Iterable[LoggedEvent], configuration: Configuration, texts: Texts, readable: frozenset[str]
) -> list[Line]:
    """Return what happened beside the messages of one conversation; a repeat of a fact is one line."""
    lines: dict[str, Line] = {}
    for event in events:
        if event.id not in lines and not isinstance(event.event().data, _QUIET):
            lines[event.id] = line(event, configuration, texts, readable=readable)
    return list(lines.values())


def _strong(text: str) -> Markup:
    return Markup("<strong>{}</strong>").format(text)


def _said(
    data: Data, kind: str, customer: str, configuration: Configuration, texts: Texts
) -> tuple[str, str, dict[str, str]]:
    """Return the text's key, who did it, and further names."""
    match data:
        case f.MessageReceived():
            what = data.message_kind if data.message_kind in ("message", "bounce") else "automatic"
            return f"received_{what}", customer, {}
        case f.ReplyAccepted():
            key = "answered_by_mail" if data.via == "mail" else "answered"
            return key + ("_resolved" if data.resolved else ""), _actor(data, configuration, texts), {}
        case f.ConversationAssigned():
            return _assigned(data, configuration, texts)
        case f.ConversationQueued():
            team = configuration.team(data.team_id)
            return kind, team.name if team else texts("activity.nobody"), {"reason": texts.word("reason", _why(data))}
        case f.ConversationUnassigned():
            name = shown.agent_name(configuration, data.previous_agent_id)
            return (
                "conversation_unanswered" if data.unanswered else kind,
                name,
                {"reason": texts.word("reason", data.reason)},
            )
        case f.NotificationSent() | f.NotificationFailed():
            return kind, shown.agent_name(configuration, data.agent_id), {}
        case f.DeadlineWarned() | f.DeadlineBreached():
            return kind, texts.word("deadline", data.deadline), {}
        case f.ConversationTagged():
            return kind, _actor(data, configuration, texts), {"tags": _tags(data, configuration)}
        case f.ConversationRouted():
            return _routed(data, kind, configuration, texts)
    return kind, _actor(data, configuration, texts), {}


def _why(data: f.ConversationQueued) -> str:
    return "nobody_may" if data.no_right else "unanswered" if data.unanswered is not None else data.reason


def _assigned(
    data: f.ConversationAssigned, configuration: Configuration, texts: Texts
) -> tuple[str, str, dict[str, str]]:
    owner = shown.agent_name(configuration, data.agent_id)
    if data.actor.kind != "agent":
        return "conversation_assigned", owner, {"reason": texts.word("reason", data.reason)}
    if data.actor.id == data.agent_id:
        return "conversation_claimed", owner, {}
    return "conversation_given", _actor(data, configuration, texts), {"owner": owner}


def _tags(data: f.ConversationTagged, configuration: Configuration) -> str:
    """Return the changed tags by name, the first ones of many."""
    names = {t.id: t.name or t.id for t in configuration.tags}
    said = [f"+{names.get(t, t)}" for t in data.added] + [f"−{names.get(t, t)}" for t in data.removed]
    return ", ".join(said[:TAGS]) + (f" … (+{len(said) - TAGS})" if len(said) > TAGS else "")


def _routed(
    data: f.ConversationRouted, kind: str, configuration: Configuration, texts: Texts
) -> tuple[str, str, dict[str, str]]:
    who = _actor(data, configuration, texts)
    if data.inbox_id is not None:
        inbox = configuration.inbox(data.inbox_id)
        return "conversation_moved", who, {"inbox": inbox.name if inbox else data.inbox_id}
    team = configuration.team(data.team_id)
    return kind, who, {"team": team.name if team else texts("activity.no_team")}


def _actor(data: Any, configuration: Configuration, texts: Texts) -> str:
    actor = getattr(data, "actor", None)
    if actor is None:
        return "Postroom"
    return shown.agent_name(configuration, actor.id) if actor.kind == "agent" else texts.word("actor", actor.kind)
