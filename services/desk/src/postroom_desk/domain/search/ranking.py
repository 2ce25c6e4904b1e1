"""Hits of a search, gathered by conversation and put in order."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from postroom_contracts.values import Status

from postroom_desk.domain.search.query import SearchQuery
from postroom_desk.domain.view import ConversationView

_MONTH_SECONDS = 30 * 86_400.0
_HIDDEN = (Status.SPAM, Status.DELETED)


@dataclass(frozen=True, slots=True)
class Hit:
    """One message that fits, as the index knows it."""

    message_id: str
    conversation_id: str
    content_id: str
    at: datetime
    in_subject: bool = False
    in_sender: bool = False


@dataclass(frozen=True, slots=True)
class ConversationState:
    """What a search must know of a conversation before it is shown."""

    merged_into: str | None = None
    absorbed: tuple[str, ...] = ()


@dataclass(slots=True)
class Candidate:
    """A conversation with its hits in one block; `newest` is the one that is shown."""

    conversation_id: str
    newest: Hit
    hits: int = 0
    in_subject: bool = False
    in_sender: bool = False

    def add(self, hit: Hit) -> None:
        self.hits += 1
        self.newest = max(self.newest, hit, key=lambda h: (h.at, h.message_id))
        self.in_subject |= hit.in_subject
        self.in_sender |= hit.in_sender

    def score(self, now: datetime) -> float:
        """Return how high it stands: in months. A hit in the subject, and one in the sender, make it a month younger.

        So does each fourfold number of hits. Chosen by hand, so that what was written lately comes first, and an older one
        only if it is about what was looked for.
        """
        months = (now - self.newest.at).total_seconds() / _MONTH_SECONDS
        return self.in_subject + self.in_sender + math.log2(1 + self.hits) / 2 - months


def in_order(candidates: Iterable[Candidate], now: datetime) -> list[Candidate]:
    return sorted(candidates, key=lambda c: (-c.score(now), c.conversation_id))


def fits(view: ConversationView, query: SearchQuery) -> bool:
    """Say whether a conversation is in the state that the query wants; without a wish: neither spam nor deleted."""
    by_status = view.status in query.statuses if query.statuses else view.status not in _HIDDEN
    return (
        by_status
        and view.merged_into is None
        and (not query.inboxes or view.inbox_id in query.inboxes)
        and (not query.teams or view.team_id in query.teams)
        and all(tag in view.tags for tag in query.tags)
        and not any(tag in view.tags for tag in query.excluded_tags)
        and query.assignee in (None, view.owner_id)
        and not (query.unassigned and view.owner_id)
        and not (query.archived and not view.archived)
    )
