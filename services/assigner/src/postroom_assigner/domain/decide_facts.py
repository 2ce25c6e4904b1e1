"""What each of the router's facts means for the owner."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.values import Priority, Status

from postroom_assigner.domain.assignment import Assignment
from postroom_assigner.domain.ownership import Case, Outcome, Preference, settle


@dataclass(frozen=True, slots=True)
class News:
    """What a fact says that ownership depends on; None: nothing about it."""

    status: Status | None = None
    priority: Priority | None = None
    team_id: str | None = None
    inbox_id: str | None = None
    preference: Preference | None = None


def _received(data: f.MessageReceived) -> News:
    if data.imported:  # history asks for no owner, whatever a rule says
        return News(data.status, data.priority, data.team_id, data.inbox_id)
    named = Preference(data.agent_id, "rule") if data.agent_id else None
    return News(data.status, data.priority, data.team_id, data.inbox_id, named)


def _started(data: f.ConversationStarted) -> News:
    starter = Preference(data.actor.id, "started") if data.actor.kind == "agent" else None
    return News(Status.OPEN, data.priority, data.team_id, data.inbox_id, starter)


def _split_off(data: f.ConversationSplitOff) -> News:
    """Who split it off has it, as who starts one."""
    starter = Preference(data.actor.id, "started") if data.actor.kind == "agent" else None
    return News(data.status, data.priority, data.team_id, data.inbox_id, starter)


_NEWS: dict[type[Any], Callable[[Any], News]] = {
    f.MessageReceived: _received,
    f.ConversationStarted: _started,
    f.ReplyAccepted: lambda data: News(data.status),
    f.ReplyCancelled: lambda data: News(data.status),
    f.ConversationRouted: lambda data: News(priority=data.priority, team_id=data.team_id, inbox_id=data.inbox_id),
    f.ConversationSplitOff: _split_off,
    f.ConversationResolved: lambda _: News(Status.RESOLVED),
    f.ConversationReopened: lambda _: News(Status.OPEN),
    f.ConversationSnoozed: lambda _: News(Status.SNOOZED),
    f.ConversationWoken: lambda _: News(Status.OPEN),
    f.ConversationWaiting: lambda _: News(Status.WAITING),
    f.ConversationArchived: lambda _: News(Status.RESOLVED),
    f.ConversationDeleted: lambda _: News(Status.DELETED),
    f.ConversationRestored: lambda data: News(data.status),
    f.ConversationMarkedSpam: lambda _: News(Status.SPAM),
    f.ConversationUnmarkedSpam: lambda data: News(data.status),
    f.ConversationMerged: lambda _: News(Status.MERGED),
    f.ConversationAbsorbed: lambda data: News(data.status),
}
"""Facts that are not here (notes, tags, refusals, hand-overs by bots, erasures) leave ownership as it is."""


def decide_fact(state: Assignment | None, data: f.Fact, case: Case) -> Outcome | None:
    """Return what becomes of ownership; None: nothing.

    The first fact that is seen of a conversation opens it here, whatever it is: a subscriber may start late.
    """
    tell = _NEWS.get(type(data))
    if tell is None:
        return None
    news = tell(data)
    before = state or Assignment(status=news.status or Status.OPEN)
    moved = news.team_id is not None and news.team_id != before.routed_team_id
    changes: dict[str, object] = {}
    if news.status is not None and news.status != before.status:
        changes["status"] = news.status
    if news.priority is not None and news.priority != before.priority:
        changes["priority"] = news.priority
    if news.inbox_id is not None and (before.inbox_id is None or isinstance(data, f.ConversationRouted)):
        changes["inbox_id"] = news.inbox_id
    if moved:
        changes |= {"team_id": news.team_id, "routed_team_id": news.team_id}
    elif before.team_id is None:
        changes["team_id"] = case.company.team_of_inbox(news.inbox_id or before.inbox_id)
    outcome = settle(before.after(**changes) if changes else before, case, preference=news.preference, moved=moved)
    return None if outcome.state is state and not outcome.facts else outcome
