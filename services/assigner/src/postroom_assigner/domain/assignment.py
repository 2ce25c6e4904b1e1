"""What the assigner knows of one conversation."""

from datetime import datetime
from typing import Self

from postroom_contracts.fields import UtcTime
from postroom_contracts.response_times.model import ConversationClocks, TargetKind
from postroom_contracts.values import PRIORITY_ORDER, Priority, Status
from pydantic import BaseModel, ConfigDict

ACTIVE = frozenset({Status.OPEN, Status.WAITING, Status.SNOOZED})
"""While it is one of these a conversation holds its owner's slot, or stands in a queue.

Waiting and snoozed ones keep the slot: the customer's next message must find its owner, not a full one."""
LOST = frozenset({Status.SPAM, Status.DELETED, Status.MERGED})
"""These take the owner away; a resolved one keeps its owner, for display and for the case that it is reopened."""


class Waiting(BaseModel):
    """A place in a team's queue. Everything that the order is read from, so all of it is stored."""

    model_config = ConfigDict(frozen=True)

    team_id: str
    """Empty: no team."""
    rank: int
    """Of the priority; the smallest goes first."""
    since: UtcTime


class Timer(BaseModel):
    """What is due next among the conversation's deadlines, and when it is to be looked at."""

    model_config = ConfigDict(frozen=True)

    kind: TargetKind
    generation: int
    due_at: UtcTime


class Silence(BaseModel):
    """How long the owner has not been heard of since a target was told of as missed."""

    model_config = ConfigDict(frozen=True)

    deadline: TargetKind
    policy_id: str
    breached_at: UtcTime
    since: UtcTime
    due_at: UtcTime | None = None
    """When they lose it; None: nobody has it, or the calendar never opens for long enough."""


class Assignment(BaseModel):
    """State of one conversation. `owner` may stand without `slot` (resolved); `slot` is always the owner."""

    model_config = ConfigDict(frozen=True)

    status: Status = Status.OPEN
    inbox_id: str | None = None
    team_id: str | None = None
    """Whose queue it stands in or whose policy chose the owner."""
    routed_team_id: str | None = None
    """What the router said last; only a change of it moves the conversation."""
    priority: Priority = Priority.NORMAL
    owner: str | None = None
    slot: str | None = None
    """Whose capacity it takes."""
    epoch: int = 0
    """Rises with each fact about the owner."""
    queue: Waiting | None = None
    attempt: int = 0
    """How often the drain proposed it in vain since `epoch`."""
    released_by: str | None = None
    """Who put it back last, or lost it: not given to them again until somebody else had it."""
    silent: bool = False
    """Who is named there lost it because no answer came."""
    previous: str | None = None
    """Who had it before it was taken away."""
    clocks: ConversationClocks | None = None
    """None: no deadlines are kept. What it holds is changed in a copy only."""
    timer: Timer | None = None
    generation: int = 0
    """Of the latest timer; it rises with each."""
    silence: Silence | None = None
    """While a missed target waits for an answer, and its policy sets a time for that."""

    def after(self, **changes: object) -> Self:
        """Return a copy with `changes`, which are of the right types."""
        return self.model_copy(update=changes)

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @property
    def passed_over(self) -> str:
        """Return the code of why who is named in `released_by` is not asked again."""
        return "silent" if self.silent else "released_it"

    def place(self, since: datetime) -> Waiting:
        """Return the place in the queue of its team, from `since` on."""
        return Waiting.model_construct(team_id=self.team_id or "", rank=PRIORITY_ORDER[self.priority], since=since)
