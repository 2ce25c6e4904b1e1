"""The bodies of the REST API. Requests refuse unknown fields; answers only grow within /api/v1."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from postroom_contracts.fields import Slug
from postroom_contracts.values import AssignmentRecord, Channel, Priority, Status
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MAX_TEXT = 200_000
Text = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=MAX_TEXT, pattern=r"\S")]
MailAddress = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")
]


class Asked(BaseModel):
    """Base of request bodies: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)

    agent: Slug | None = None
    """The agent who acts; needed unless the token names one."""


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Recipient(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    address: MailAddress
    name: Annotated[str, StringConstraints(max_length=200)] = ""


Recipients = Annotated[list[Recipient], Field(max_length=50)]


def _as_text(value: object) -> object:
    """Raises ValueError for a number: pydantic would take it for seconds since 1970."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and _DATE.match(value)):
        raise ValueError("a time is RFC 3339, such as 2026-03-02T09:00:00Z")
    return value


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
LaterTime = Annotated[datetime, Field(strict=False), BeforeValidator(_as_text)]
"""RFC 3339 with a zone."""


class TagAsked(Asked):
    add: Annotated[list[Slug], Field(max_length=50)] = []
    remove: Annotated[list[Slug], Field(max_length=50)] = []


class RouteAsked(Asked):
    """Change inbox, team, priority or watchers; what is absent stays."""

    inbox_id: Slug | None = None
    """Move it there; needs the right to handle in both inboxes."""
    team_id: Slug | None = None
    priority: Annotated[Priority, Field(strict=False)] | None = None
    watchers: Annotated[list[Slug], Field(max_length=50)] | None = None


class AssignAsked(Asked):
    """Give it to an agent; `agent_id` null: back to the queue of `team_id`, or of its present team."""

    agent_id: Slug | None = None
    team_id: Slug | None = None


class SnoozeAsked(Asked):
    until: LaterTime


class MergeAsked(Asked):
    """Close this conversation; `target_id` goes on with its messages."""

    target_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Done(Answer):
    """The request led to a fact."""

    request_id: str
    conversation_id: str
    position: str
    """Where the fact stands; give it as `min_position` to a read that must show it."""
    outcome: str
    """The fact's type in short, such as `reply-accepted`."""
    event: dict[str, Any]
    """The fact, as CloudEvents JSON."""


class Pending(Answer):
    """The request was taken; what became of it is at `status_url`."""

    request_id: str
    conversation_id: str
    status: Literal["pending"] = "pending"
    status_url: str


class RequestState(Answer):
    request_id: str
    conversation_id: str
    command: str
    status: Literal["pending", "done", "refused"]
    position: str | None = None
    outcome: str | None = None
    event: dict[str, Any] | None = None


class ActorShown(Answer):
    kind: str
    id: str
    name: str = ""


class Contact(Answer):
    address: str = ""
    name: str = ""


class ConversationRow(Answer):
    """One conversation of a list."""

    id: str
    href: str
    etag: str
    position: str
    status: Status
    archived: bool
    inbox_id: str
    channel: Channel
    team_id: str | None
    owner_id: str | None
    priority: Priority
    tags: list[str]
    subject: str
    contact: Contact
    preview: str
    received: int
    sent: int
    opened_at: datetime
    last_activity_at: datetime
    last_activity_by: str = ""
    """The agent whose doing the last activity is; empty: the customer's, or nobody's."""
    waiting_since: datetime | None
    queued_at: datetime | None
    unread: bool = False
    """Something happened since the agent who asks last read it, and not by them."""


class ConversationPage(Answer):
    items: list[ConversationRow]
    next_cursor: str | None


class AttachmentShown(Answer):
    filename: str
    content_type: str
    body_bytes: int
    inline: bool
    href: str


class MessageShown(Answer):
    """One message or note. Texts are absent when they were erased."""

    message_id: str
    kind: Literal["incoming", "outgoing", "note"]
    message_kind: str
    at: datetime
    actor: ActorShown
    automatic: str | None
    from_stranger: bool
    via: str
    subject: str
    sender: Contact | None
    forwarded_by: Contact | None = None
    """Who forwarded it; `sender` is then the original one, of whom nothing is proven."""
    to: list[Contact]
    cc: list[Contact]
    text: str
    new_text: str
    """What was newly written: without the quoted part."""
    html_href: str | None
    """The sanitised HTML, as a document of its own."""
    remote_pictures: bool = False
    """It seems to name pictures on other servers; they are shown by `?pictures=true`."""
    original_href: str | None
    attachments: list[AttachmentShown]
    delivery: str
    delivery_at: datetime | None
    delivery_reason: str
    send_at: datetime | None
    reply_kind: Literal["reply", "forward"]
    approved_by: str | None
    went_to: str | None
    """The conversation that has it now, after a split."""
    conversation_id: str
    """The one that it came in: another than the one read after a merge."""
    erased: bool


class CandidateShown(Answer):
    agent_id: str
    name: str
    load: int
    capacity: int | None
    on_duty: bool
    excluded: list[str]


class OwnershipShown(Answer):
    """Why it belongs to whom: the record holds every candidate with load, capacity and why it was left out."""

    outcome: Literal["assigned", "queued", "unassigned"]
    reason: str
    at: datetime
    actor: ActorShown | None
    team_id: str | None
    record: AssignmentRecord | None
    candidates: list[CandidateShown]
    """The record's agents, one object each, with their names."""


class NotificationShown(Answer):
    notification: str
    agent_id: str
    at: datetime
    sent: bool


class Conversation(ConversationRow):
    """One conversation with its thread."""

    epoch: int
    router_sequence: int
    contact_ids: list[str]
    watchers: list[str]
    source_of_contact: str
    rules: list[str]
    policy_id: str | None
    configuration_version: int
    turn_open: bool
    snoozed_until: datetime | None
    resolved_at: datetime | None
    merged_into: str | None
    split_from: str | None
    absorbed: list[str]
    breached: list[str]
    ownership: OwnershipShown | None
    notifications: list[NotificationShown]
    event_counts: dict[str, int]
    message_count: int
    messages: list[MessageShown]
    """The newest ones, in the order of time."""
    earlier_cursor: str | None
    """`cursor` of `GET /conversations/{id}/messages`, which goes on with those before them; null: there are none."""


class MessagePage(Answer):
    """In the order of time."""

    items: list[MessageShown]
    next_cursor: str | None
    """Leads to the messages before these."""


class LoggedEventShown(Answer):
    """A fact as it stands on Kafka."""

    position: str
    recorded_at: datetime
    """The broker's time."""
    event: dict[str, Any]


class EventPage(Answer):
    items: list[LoggedEventShown]
    next_cursor: str | None


class Queue(Answer):
    team_id: str | None
    name: str
    waiting: int
    open: int


class Overview(Answer):
    """Numbers of the present moment, counted from the read model."""

    open: int
    unassigned: int
    waiting: int
    snoozed: int
    resolved: int
    spam: int
    total: int
    """All but merged ones."""
    received: int
    sent: int
    queues: list[Queue]
    inboxes: dict[str, int]
    """Open conversations per inbox."""


class AgentShown(Answer):
    id: str
    name: str
    title: str
    teams: list[str]


class Named(Answer):
    id: str
    name: str


class InboxShown(Named):
    address: str


class Company(Answer):
    """The part of the configuration that agents work with."""

    version: int
    name: str
    inboxes: list[InboxShown]
    teams: list[Named]
    agents: list[AgentShown]
    tags: list[Named]
