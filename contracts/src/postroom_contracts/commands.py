"""Requests on `conversation-commands`: imperative, keyed by conversation, each with exactly one handling service.

A request names what its actor saw: `expected_sequence`, the highest sequence of the router that it saw, and for claims
and assignments `epoch`. None means "whatever stands there" and is left to timers and systems.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from postroom_contracts.events import Data
from postroom_contracts.fields import Identifier, Personal, Slug, UtcTime
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.values import Actor, Address, Attachment, Channel, ContentReference, Priority


class Command(Data):
    """Base of all requests."""

    kind: ClassVar[Literal["command"]] = "command"


class Request(Command):
    """A request that somebody made."""

    actor: Actor
    expected_sequence: int | None = None


class AcceptMessage(Command):
    """The router's thread step found the conversation of this inbound record, which travels unchanged."""

    inbound: InboundReceived
    claimed_ids: Annotated[list[str], Personal] = Field(default_factory=list)
    """Digests of the thread claims that were made or found, for the merge of late parents."""
    from_stranger: bool = False
    """It names an id of this conversation without being a participant that we know: marked, shown, powerless."""


class SendReply(Request):
    """Answer the customer. The text lies in the content store already."""

    message_id: Identifier
    inbox_id: str | None = None
    content: ContentReference
    via: Literal["api", "mail", "console", "rule"] = "api"
    to: list[Address] = Field(default_factory=list)
    """Empty: the participants of the message that is answered."""
    cc: list[Address] = Field(default_factory=list)
    bcc: list[Address] = Field(default_factory=list)
    attachments: list[Attachment] = Field(default_factory=list)
    send_at: UtcTime | None = None
    """Scheduled; None: now."""
    then: Literal["resolve", "wait"] | None = None
    """What else becomes of the conversation, in one decision."""
    reply_kind: Literal["reply", "forward"] = "reply"
    """`forward` goes to third parties: those in `to` alone, with the message `answers` below the text."""
    answers: ContentReference | None = None
    """The message that is answered or forwarded, if not the customer's latest; then `to` must name somebody."""
    answers_message_id: str | None = None
    hold_if_customer_writes: bool = False
    """A scheduled reply is not sent if a customer writes before its time."""
    approved_by: Slug | None = None
    """Who let it go, in an inbox that asks for approval."""
    configuration_version: int = 0
    """Version that the requester used; 0: the newest."""


class CancelReply(Request):
    """Take back a scheduled reply before its time; a repeat, or one that is too late, is refused."""

    message_id: Identifier


class RefuseAnswer(Request):
    """An answer by mail cannot become a reply; the agent is told why. Decided in the conversation's order."""

    message_id: Identifier
    reason: str
    content: ContentReference
    """The agent's text, kept."""


class AddNote(Request):
    """An internal note; never reaches the customer."""

    message_id: Identifier
    content: ContentReference
    mentions: list[Slug] = Field(default_factory=list)


class StartConversation(Request):
    """An agent writes first. `subject` and text lie in the content document."""

    message_id: Identifier
    inbox_id: Slug
    channel: Channel = Channel.EMAIL
    to: Annotated[list[Address], Field(min_length=1, max_length=50)]
    cc: list[Address] = Field(default_factory=list)
    bcc: list[Address] = Field(default_factory=list)
    content: ContentReference
    attachments: list[Attachment] = Field(default_factory=list)
    send_at: UtcTime | None = None
    """Scheduled; None: now."""
    approved_by: Slug | None = None
    configuration_version: int = 0


class ResolveConversation(Request):
    """Done: nothing is owed to the customer."""


class ReopenConversation(Request):
    """Back to `open`: from resolved, waiting, snoozed, or archived."""


class SnoozeConversation(Request):
    """Out of sight until `until` or until the customer writes."""

    until: UtcTime


class WakeConversation(Command):
    """The timer of a snooze: a no-op unless that snooze, by its `generation`, still stands."""

    generation: int
    due_at: UtcTime
    late: bool = False


class SetWaiting(Request):
    """We wait for the customer; ends with the customer's next message."""


class ArchiveConversation(Request):
    """Hide from folders; an open one is resolved by it."""


class DeleteConversation(Request):
    """To the bin; restorable for 30 days."""


class RestoreConversation(Request):
    """Back from the bin, to the status it had."""


class MarkSpam(Request):
    """Leaves every average and volume."""


class UnmarkSpam(Request):
    """Restores what the spam mark took away."""


class MergeConversations(Request):
    """Close this conversation and have `target_id` absorb it."""

    target_id: Identifier
    reason: Literal["agent", "late_parent"] = "agent"
    apart: bool = False
    """Its participants do not take part in the target by that: a stranger's mail tied the two together."""


class AbsorbConversation(Command):
    """The target's half of a merge: everything that every fold needs of the source."""

    source_id: Identifier
    message_ids: list[Identifier] = Field(default_factory=list)
    contact_ids: list[Identifier] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    open_turn_started_at: UtcTime | None = None
    last_customer_content: ContentReference | None = None
    last_customer_message_id: str | None = None
    last_customer_from_only: bool = False
    apart: bool = False
    """Its participants become none of the target, and what they wrote is not what is answered there."""
    actor: Actor


class SplitConversation(Request):
    """Make a conversation of its own of a message and all that follows it; both keep showing how they were one."""

    message_id: Identifier
    new_conversation_id: Identifier
    answers: ContentReference | None = None
    """Of the customer's latest message among those that stay: what a reply then answers. None: there is none."""
    answers_message_id: str | None = None


class OpenSplit(Command):
    """The other half of a split: everything that the new conversation begins with."""

    source_id: Identifier
    message_ids: list[Identifier] = Field(min_length=1)
    actor: Actor
    inbox_id: str
    channel: Channel
    contact_ids: list[Identifier] = Field(default_factory=list)
    third_party_ids: list[Identifier] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    priority: Priority = Priority.NORMAL
    team_id: str | None = None
    policy_id: str | None = None
    watchers: list[str] = Field(default_factory=list)
    source_of_contact: str = ""
    unanswered: dict[str, UtcTime] = Field(default_factory=dict)
    """Customer messages that wait for an answer, with the time of their receipt."""
    last_customer_content: ContentReference | None = None
    last_customer_message_id: str | None = None
    last_customer_contact_id: str | None = None
    last_customer_from_only: bool = False


class TagConversation(Request):
    """Add and remove tags. Counts as stale never."""

    add: list[Slug] = Field(default_factory=list)
    remove: list[Slug] = Field(default_factory=list)


class RouteConversation(Request):
    """Change team, inbox, priority or watchers by hand; None leaves a field as it is."""

    inbox_id: Slug | None = None
    """Move it: later replies go out from there, and who may see it is decided there."""
    team_id: Slug | None = None
    priority: Priority | None = None
    watchers: list[Slug] | None = None


class WatchConversation(Request):
    """An agent is told of what customers write here from now on; again changes nothing."""

    agent_id: Slug


class UnwatchConversation(Request):
    """The end of watching; again changes nothing."""

    agent_id: Slug


class EraseContact(Request):
    """Erase a person: content, raw mail and addresses go, the log and all numbers stay.

    Its subject is the contact: the router then asks the same, under the same id, of each conversation that knows them.
    """

    contact_id: Identifier
    whole: bool = False
    """Also what others wrote in conversations with them; else only what is by them, to them alone, or of them alone."""


class ClaimConversation(Request):
    """An agent takes it; the first claim at an `epoch` wins."""

    epoch: int | None = None
    agent_id: Slug


class AssignConversation(Request):
    """Give it to an agent, or with None back to the team's queue."""

    epoch: int | None = None
    agent_id: Slug | None = None
    team_id: Slug | None = None


class AssignFromQueue(Command):
    """The drain of a team's queue proposes this waiting conversation; its owner is chosen when this is decided."""

    epoch: int
    attempt: int
    team_id: Slug


class CheckDeadline(Command):
    """A deadline's timer: a no-op if stale or met."""

    deadline: Literal["first_response", "next_response", "resolution"]
    generation: int
    due_at: UtcTime
    late: bool = False
