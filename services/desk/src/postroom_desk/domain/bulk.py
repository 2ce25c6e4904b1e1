"""One action on many conversations, and what takes it back. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from postroom_contracts import commands as c
from postroom_contracts.values import Actor, Status

from postroom_desk.domain.view import ConversationView

Action = Literal[
    "resolve", "reopen", "wait", "archive", "delete", "restore", "spam", "unspam", "tag", "assign", "snooze"
]
PLAIN: dict[str, type[c.Request]] = {
    "resolve": c.ResolveConversation,
    "reopen": c.ReopenConversation,
    "wait": c.SetWaiting,
    "archive": c.ArchiveConversation,
    "delete": c.DeleteConversation,
    "restore": c.RestoreConversation,
    "spam": c.MarkSpam,
    "unspam": c.UnmarkSpam,
}


class CannotUndoError(Exception):
    """There is no way back; the text says why."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a conversation was before the action, as far as an action changes it."""

    status: Status
    archived: bool = False
    owner_id: str | None = None
    team_id: str | None = None
    tags: tuple[str, ...] = ()
    snoozed_until: datetime | None = None


def before_of(view: ConversationView) -> Before:
    return Before(view.status, view.archived, view.owner_id, view.team_id, tuple(view.tags), view.snoozed_until)


@dataclass(frozen=True, slots=True)
class Change:
    """What was asked for. `add` and `remove` are tags, `agent_id` and `team_id` the owner, `until` the end of a snooze."""

    action: Action
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    agent_id: str | None = None
    team_id: str | None = None
    until: datetime | None = None


def command_of(change: Change, actor: Actor, sequence: int | None, epoch: int | None) -> c.Request:
    """Return the command of one conversation; `sequence` and `epoch` are what its actor saw."""
    common: dict[str, Any] = {"actor": actor, "expected_sequence": sequence}
    match change.action:
        case "tag":
            return c.TagConversation(add=list(change.add), remove=list(change.remove), **common)
        case "assign":
            return c.AssignConversation(epoch=epoch, agent_id=change.agent_id, team_id=change.team_id, **common)
        case "snooze":
            assert change.until is not None
            return c.SnoozeConversation(until=change.until, **common)
        case plain:
            return PLAIN[plain](**common)


def undo_of(
    change: Change, before: Before, actor: Actor, sequence: int | None, epoch: int | None, now: datetime
) -> Sequence[c.Request]:
    """Return the commands that take one conversation back to `before`, in order; none when nothing was changed.

    `sequence` and `epoch` are those after the action: when something happened since, the first is refused as stale. Raises
    CannotUndoError.
    """
    common: dict[str, Any] = {"actor": actor, "expected_sequence": sequence}
    match change.action:
        case "tag":
            return _untag(change, before, actor)
        case "assign":
            return [c.AssignConversation(epoch=epoch, agent_id=before.owner_id, team_id=before.team_id, **common)]
        case "delete":
            return [c.RestoreConversation(**common)]
        case "spam":
            return [c.UnmarkSpam(**common)]
        case "restore":
            return [c.DeleteConversation(**common)]
        case "unspam":
            return [c.MarkSpam(**common)]
        case "archive" if before.archived:
            return []
        case "archive" if before.status == Status.RESOLVED:
            raise CannotUndoError("it was resolved before; out of the archive it would come back as open")
        case _ if before.archived:
            raise CannotUndoError("it was archived before; archive it again if it should be")
    return _back_to(before, common, now)


def _untag(change: Change, before: Before, actor: Actor) -> list[c.Request]:
    add = [t for t in change.remove if t in before.tags]
    remove = [t for t in change.add if t not in before.tags]
    return [c.TagConversation(actor=actor, add=add, remove=remove)] if add or remove else []


def _back_to(before: Before, common: dict[str, Any], now: datetime) -> list[c.Request]:
    """Return what makes it open, waiting, snoozed or resolved again."""
    match before.status:
        case Status.OPEN:
            return [c.ReopenConversation(**common)]
        case Status.WAITING:
            return [c.SetWaiting(**common)]
        case Status.RESOLVED:
            return [c.ResolveConversation(**common)]
        case Status.SNOOZED if before.snoozed_until is not None and before.snoozed_until > now:
            return [c.SnoozeConversation(until=before.snoozed_until, **common)]
        case Status.SNOOZED:
            return [c.ReopenConversation(**common)]
    raise CannotUndoError(f"it was {before.status.value} before")
