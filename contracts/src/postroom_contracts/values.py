"""Small values that several events share."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from postroom_contracts.fields import Identifier, Personal, UtcTime


class Value(BaseModel):
    """A frozen part of an event's body; unknown fields of newer releases are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


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
    """One agent in an assignment's record: what was known, and why not, if not."""

    agent_id: Identifier
    load: int
    capacity: int | None = None
    """None: unlimited."""
    last_assigned: int | None = None
    """Epoch-like counter of the agent's latest assignment; the smallest is next in round robin. None: never."""
    on_duty: bool
    excluded: list[str] = Field(default_factory=list)
    """Reason codes, empty when eligible: `off_duty`, `full`, `not_in_team`, `disabled`, `released_it`."""


class AssignmentRecord(Value):
    """Everything an assignment was chosen from, so that the choice can be recomputed from it alone."""

    policy: Literal["round_robin", "least_loaded", "manual"]
    team_id: str | None = None
    candidates: list[Candidate] = Field(default_factory=list)
    """In the team's configured order; at most 200."""
    decided_at: UtcTime
    calendar_state: dict[str, Literal["open", "closed"]] = Field(default_factory=dict)
    """Calendar id with version -> whether it was open at `decided_at`."""
    configuration_version: int
