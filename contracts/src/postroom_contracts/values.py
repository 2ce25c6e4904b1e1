"""Small values that several events share."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from postroom_contracts.fields import Identifier, Personal, UtcTime


class Value(BaseModel):
    """A frozen part of an event's body; unknown fields of newer releases are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Channel(StrEnum):
    """How a contact reaches us. Further channels come as further members."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    CHAT = "chat"
    WHATSAPP = "whatsapp"
    MESSENGER = "messenger"
    INSTAGRAM = "instagram"
    X = "x"
    TELEGRAM = "telegram"
    SMS = "sms"
    PHONE = "phone"


class Status(StrEnum):
    """What state a conversation is in. `archived` is a mark on a resolved one, not a status."""

    OPEN = "open"
    WAITING = "waiting"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"
    SPAM = "spam"
    DELETED = "deleted"
    MERGED = "merged"


class Priority(StrEnum):
    """What is drained first; within one priority the oldest."""

    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


PRIORITY_ORDER: dict[Priority, int] = {Priority.URGENT: 0, Priority.HIGH: 1, Priority.NORMAL: 2, Priority.LOW: 3}

MessageKind = Literal["message", "auto_reply", "bounce", "status", "reaction", "echo"]
"""What an incoming record is. Only `message` starts clocks; `echo` is our own side's message typed elsewhere."""

ActorKind = Literal["agent", "customer", "rule", "bot", "timer", "system", "campaign", "survey"]


class Actor(Value):
    """Who did it. `id` is the agent, contact, rule or timer."""

    kind: ActorKind
    id: Identifier


class Address(Value):
    """A mail address or a channel's handle, with the display name if one was given."""

    address: Annotated[str, Personal]
    name: Annotated[str, Personal] = ""


class Attachment(Value):
    """One attachment in the content store. `filename` is what the sender called it."""

    filename: Annotated[str, Personal]
    content_type: str
    body_bytes: int
    sha256: str
    blob_id: Identifier
    content_id: str | None = None
    """The MIME Content-ID without angle brackets (RFC 2392), for inline images."""
    inline: bool = False


class ContentReference(Value):
    """Where a text lies: its id in the content store and the SHA-256 of that document's text."""

    content_id: Identifier
    sha256: str


class Candidate(Value):
    """One agent in an assignment's record: what was known, and why not, if not. See `AssignmentRecord.candidates`."""

    agent_id: Identifier
    load: int
    capacity: int | None = None
    """None: unlimited."""
    on_duty: bool
    excluded: list[str] = Field(default_factory=list)
    """Reason codes, empty when eligible: `disabled`, `no_right`, `off_duty`, `full`, `released_it`, `silent`."""


class Candidates(Value):
    """Agents in parallel lists: item n of each speaks of the same agent. So 200 of them take about 3 kB, not 20."""

    agent_ids: list[str] = Field(default_factory=list)
    loads: list[int] = Field(default_factory=list)
    """Conversations that each held before this decision."""
    capacities: list[int | None] = Field(default_factory=list)
    """Empty: all are unlimited; null: this one is."""

    def capacity(self, position: int) -> int | None:
        return self.capacities[position] if self.capacities else None


class LeftOut(Candidates):
    """Agents who could not be chosen, all for the same reasons."""

    reasons: list[str]
    """`disabled`, `no_right` (may not handle the inbox), `off_duty`, `full`, `released_it`, `silent` (lost it
    because no answer came); in this order."""


class Preferred(Value):
    """The agent who was tried before the policy was asked."""

    agent_id: Identifier
    because: Literal["previous_owner", "rule", "claim", "manual", "started"]
    load: int
    capacity: int | None = None
    on_duty: bool
    """Who claims, is named by hand or started the conversation may be off duty."""
    excluded: list[str] = Field(default_factory=list)
    """Reason codes why it could not be this agent; empty: it was."""


class Unanswered(Value):
    """A missed target after which the owner stayed silent for as long as the policy lets them."""

    deadline: Literal["first_response", "next_response", "resolution"]
    policy_id: str
    breached_at: UtcTime
    """The deadline itself."""


class AssignmentRecord(Value):
    """Everything an assignment was chosen from, so that the choice can be recomputed from it alone.

    `preferred` is the choice unless something excludes it; else `round_robin` takes the first of `eligible`,
    `least_loaded` the first of those with the smallest load, `manual` nobody.
    """

    policy: Literal["round_robin", "least_loaded", "manual"]
    team_id: str | None = None
    preferred: Preferred | None = None
    eligible: Candidates = Candidates()
    """The least recently assigned first; those of equal age, such as never, in the team's configured order."""
    left_out: list[LeftOut] = Field(default_factory=list)
    """The team's other members."""
    decided_at: UtcTime
    calendar_state: dict[str, Literal["open", "closed"]] = Field(default_factory=dict)
    """Calendar of `configuration_version` -> whether it was open at `decided_at`."""
    configuration_version: int

    @property
    def candidates(self) -> list[Candidate]:
        """Return all agents of the record, one object each: the preferred, the eligible, those left out."""
        return [*self._preferred(), *_each(self.eligible, []), *(c for g in self.left_out for c in _each(g, g.reasons))]

    def candidate(self, agent_id: str) -> Candidate | None:
        """Return what was known of one agent, without building the others; None: not in the record."""
        for group in (self.eligible, *self.left_out):
            if agent_id in group.agent_ids:
                n = group.agent_ids.index(agent_id)
                reasons = group.reasons if isinstance(group, LeftOut) else []
                return _one(group, n, reasons)
        return next((c for c in self._preferred() if c.agent_id == agent_id), None)

    def _preferred(self) -> list[Candidate]:
        p = self.preferred
        if p is None or any(p.agent_id in group.agent_ids for group in (self.eligible, *self.left_out)):
            return []
        return [Candidate(**p.model_dump(exclude={"because"}))]


def _each(group: Candidates, reasons: list[str]) -> list[Candidate]:
    return [_one(group, n, reasons) for n in range(len(group.agent_ids))]


def _one(group: Candidates, n: int, reasons: list[str]) -> Candidate:
    return Candidate(
        agent_id=group.agent_ids[n],
        load=group.loads[n],
        capacity=group.capacity(n),
        on_duty="off_duty" not in reasons,
        excluded=reasons,
    )
