"""Facts on `conversation-events`: past tense, no personal data, each type from exactly one service.

All facts of one conversation stand in one partition in the order in which they were decided; `sequence` counts them
per source. Texts, subjects, names and addresses are fetched by `href` from the desk's API, with rights.
"""

from typing import ClassVar, Literal

from pydantic import Field

from postroom_contracts.events import Data
from postroom_contracts.fields import Identifier, UtcTime
from postroom_contracts.values import (
    Actor,
    AssignmentRecord,
    Channel,
    ContentReference,
    MessageKind,
    Priority,
    Status,
    Unanswered,
)


class Fact(Data):
    """Base of all facts. `href` is a path on the desk's API."""

    kind: ClassVar[Literal["fact"]] = "fact"

    href: str = ""


# --- router -----------------------------------------------------------------------------------------------------


class MessageReceived(Fact):
    """A message came in and stands in this conversation; what routing made of it is inside."""

    message_id: Identifier
    ledger_id: Identifier
    account_id: Identifier
    inbox_id: Identifier
    channel: Channel
    message_kind: MessageKind
    automatic: str | None = None
    imported: bool = False
    """History: it opens no clock, tells nobody and asks for no owner. A conversation that it opens is `resolved`."""
    probe: bool = False
    """Our own mail, sent to see that mail gets through; also `imported`. Show it to nobody, count it in nothing."""
    contact_id: Identifier
    content: ContentReference
    body_bytes: int
    attachments: int = 0
    received_at: UtcTime
    ingested_at: UtcTime
    opened: bool = False
    """This message made the conversation."""
    reopened: bool = False
    """It was resolved (or archived, or deleted) before."""
    status: Status
    """After this message."""
    source_of_contact: str = ""
    tags: list[str] = Field(default_factory=list)
    """All of the conversation's tags after this message."""
    priority: Priority = Priority.NORMAL
    team_id: str | None = None
    agent_id: str | None = None
    """An owner that a rule named; None: the team's policy decides."""
    watchers: list[str] = Field(default_factory=list)
    policy_id: str | None = None
    rules: list[str] = Field(default_factory=list)
    """Ids of the rules that matched, in order."""
    from_stranger: bool = False
    """Its sender is no participant: shown and marked, but no reply goes there unless an agent names the address."""
    forwarded: bool = False
    """Somebody forwarded it: the contact is the original sender whom it names, of whom nothing is proven."""
    delivery_id: str | None = None
    """For kinds `bounce` and `status`: the delivery of ours that it speaks of."""
    delivery_status: Literal["delivered", "read", "delayed", "failed"] | None = None
    delivery_status_code: str | None = None
    from_agent: str | None = None
    """For kind `echo`: the agent who typed it in the provider's own app."""
    configuration_version: int


class ConversationStarted(Fact):
    """An agent wrote first; the message itself is the `ReplyAccepted` that follows."""

    inbox_id: Identifier
    channel: Channel
    actor: Actor
    contact_ids: list[Identifier]
    team_id: str | None = None
    policy_id: str | None = None
    tags: list[str] = Field(default_factory=list)
    priority: Priority = Priority.NORMAL
    source_of_contact: str = ""
    configuration_version: int


class ReplyAccepted(Fact):
    """A public message of ours was accepted for sending. It answers what stands before it in the log."""

    message_id: Identifier
    inbox_id: Identifier
    channel: Channel
    actor: Actor
    """Kind `agent` for a human; anything else never qualifies as a response."""
    via: Literal["api", "mail", "console", "rule"]
    content: ContentReference
    attachments: int = 0
    recipients: list[Identifier]
    """Contact ids of the participants it goes to; empty when none of them is a customer of this conversation."""
    answers: ContentReference | None = None
    """Content of the customer's latest message: threading headers and addresses are taken from there."""
    answers_message_id: str | None = None
    answers_from_only: bool = False
    """Reply-To of that message names somebody who takes no part: what names no recipient goes to its From alone."""
    send_at: UtcTime | None = None
    status: Status
    """After this reply."""
    resolved: bool = False
    """The reply resolved the conversation in the same decision; no `ConversationResolved` follows."""
    reply_kind: Literal["reply", "forward"] = "reply"
    """`forward`: to third parties, with the message `answers` below it; it answers no customer."""
    approved_by: str | None = None
    configuration_version: int


class ReplyCancelled(Fact):
    """A scheduled reply is to be taken back. Whether it was in time says what follows: `MessageCancelled` or `MessageSent`."""

    message_id: Identifier
    actor: Actor
    reason: Literal["asked", "customer_wrote"]
    cancelled_at: UtcTime
    previous: Status
    status: Status
    """Afterwards: what the reply itself did to it is undone, unless it was changed again since."""
    unresolved: bool = False
    """The reply had resolved the conversation, and that is undone: it counts as never resolved by it."""
    open_turn_started_at: UtcTime | None = None
    """Since when the customer waits for an answer again; None: nobody does."""


class RequestRefused(Fact):
    """A request was not carried out; `changed` says what its actor had not seen."""

    request_id: Identifier
    request_type: str
    actor: Actor
    reason: str
    """`stale`, `not_found`, `already_answered`, `not_authentic`, `expired_key`, `empty_text`, `wrong_status`, ..."""
    changed: list[str] = Field(default_factory=list)
    """What stands after the sequence that the actor saw: `message_received`, `reply_accepted`, `status_changed`."""
    router_sequence: int = 0
    content: ContentReference | None = None
    """The refused text, kept, so that it can be given back."""
    via: Literal["api", "mail", "console", "rule"] = "api"


class NoteAdded(Fact):
    """An agent wrote an internal note. It changes no status, and nothing of it ever reaches the customer."""

    message_id: Identifier
    actor: Actor
    content: ContentReference
    mentions: list[str] = Field(default_factory=list)


class ConversationTagged(Fact):
    """Tags were added or removed after the first routing, by an agent."""

    actor: Actor
    added: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    """All tags afterwards."""


class ConversationRouted(Fact):
    """Inbox, team, priority or watchers were changed after the first routing."""

    actor: Actor
    inbox_id: str | None = None
    """Where it was moved to; None: it stays where it is."""
    previous_inbox_id: str | None = None
    """Where it was moved from."""
    team_id: str | None = None
    priority: Priority = Priority.NORMAL
    watchers: list[str] = Field(default_factory=list)
    policy_id: str | None = None
    configuration_version: int


class StatusFact(Fact):
    actor: Actor
    previous: Status


class ConversationResolved(StatusFact):
    """Done: nothing is owed to the customer. Their next message opens it again (`MessageReceived.reopened`)."""

    resolved_at: UtcTime


class ConversationReopened(StatusFact):
    """It was resolved, waiting, snoozed or archived, and an agent opened it again."""

    reopened_at: UtcTime


class ConversationSnoozed(StatusFact):
    """Out of sight until a time, or until the customer writes."""

    snoozed_at: UtcTime
    until: UtcTime
    generation: int


class ConversationWoken(StatusFact):
    """The snooze ended by its time; a snooze that a customer's message ended shows in `MessageReceived.status`."""

    woken_at: UtcTime
    """When it was due, not when the timer noticed."""
    generation: int
    late: bool = False


class ConversationWaiting(StatusFact):
    """We wait for the customer. Their next message ends it."""

    waiting_at: UtcTime


class ConversationArchived(StatusFact):
    """Hidden from folders. The customer's next message brings it back."""

    archived_at: UtcTime
    resolved: bool = False
    """It was open: archiving resolved it; no `ConversationResolved` follows."""


class ConversationDeleted(StatusFact):
    """In the bin, from where it can be restored for 30 days."""

    deleted_at: UtcTime


class ConversationRestored(StatusFact):
    """Back from the bin, with the status that it had."""

    status: Status
    restored_at: UtcTime


class ConversationMarkedSpam(StatusFact):
    """It leaves every average and volume, also those of the past."""

    marked_at: UtcTime


class ConversationUnmarkedSpam(StatusFact):
    """The spam mark is gone: what it took out of averages and volumes counts again."""

    status: Status
    unmarked_at: UtcTime


class ConversationMerged(Fact):
    """In the source's log: it is closed, its further life is the target's."""

    target_id: Identifier
    merged_at: UtcTime
    actor: Actor
    message_ids: list[Identifier] = Field(default_factory=list)
    contact_ids: list[Identifier] = Field(default_factory=list)
    open_turn_started_at: UtcTime | None = None


class ConversationAbsorbed(Fact):
    """In the target's log: the same content as the source's `ConversationMerged`."""

    source_id: Identifier
    absorbed_at: UtcTime
    actor: Actor
    message_ids: list[Identifier] = Field(default_factory=list)
    contact_ids: list[Identifier] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    """All tags of the target afterwards."""
    open_turn_started_at: UtcTime | None = None
    status: Status
    reopened: bool = False


class ConversationSplit(Fact):
    """In the source's log: these messages go on as another conversation."""

    new_conversation_id: Identifier
    split_at: UtcTime
    actor: Actor
    message_ids: list[Identifier]
    open_turn_started_at: UtcTime | None = None
    """Since when a customer waits for an answer to what stays here; None: nobody does."""


class ConversationSplitOff(Fact):
    """In the new conversation's log, its first fact: what it begins with."""

    source_id: Identifier
    split_at: UtcTime
    actor: Actor
    message_ids: list[Identifier]
    inbox_id: str
    channel: Channel
    contact_ids: list[Identifier] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    priority: Priority = Priority.NORMAL
    team_id: str | None = None
    policy_id: str | None = None
    watchers: list[str] = Field(default_factory=list)
    source_of_contact: str = ""
    open_turn_started_at: UtcTime | None = None
    """Since when a customer waits for an answer to what came along: the source's clock goes on."""
    last_customer_content_id: str | None = None
    last_customer_message_id: str | None = None
    status: Status
    configuration_version: int


class ConversationHandedOff(Fact):
    """A bot gave the conversation to humans: the team's clock starts here, the customer's goes on."""

    actor: Actor
    handed_off_at: UtcTime


class ContentErased(Fact):
    """What a person wrote, and what was written to them, is gone from the content store; every service forgets its copies."""

    contact_id: Identifier
    message_ids: list[Identifier] = Field(default_factory=list)
    """Messages, replies and notes whose texts are gone."""
    ledger_ids: list[Identifier] = Field(default_factory=list)
    """Raw mails that are gone."""
    blob_ids: list[Identifier] = Field(default_factory=list)
    """Attachments that are gone."""


# --- assigner ---------------------------------------------------------------------------------------------------


class ConversationAssigned(Fact):
    """The conversation has an owner. The highest `epoch` is the present one."""

    agent_id: Identifier
    team_id: str | None = None
    previous_agent_id: str | None = None
    epoch: int
    reason: Literal["policy", "queue", "rule", "claim", "manual"]
    actor: Actor
    assigned_at: UtcTime
    waited_since: UtcTime | None = None
    """When it entered the queue, if it did."""
    record: AssignmentRecord


class ConversationQueued(Fact):
    """Nobody could take it: it waits for somebody of the team, by priority, then age."""

    team_id: str | None = None
    epoch: int
    queued_at: UtcTime
    priority: Priority
    reason: Literal["nobody_on_duty", "everybody_full", "no_team", "released", "manual"]
    """`manual`: the team assigns by hand only."""
    no_right: bool = False
    """Nobody of the team may handle the inbox that it is in."""
    unanswered: Unanswered | None = None
    """Its owner lost it for staying silent (`reason` is `released`)."""
    record: AssignmentRecord


class ConversationUnassigned(Fact):
    """It lost its owner."""

    previous_agent_id: Identifier
    team_id: str | None = None
    epoch: int
    reason: Literal["released", "resolved", "removed", "merged", "spam", "deleted", "team_changed"]
    actor: Actor
    unassigned_at: UtcTime
    unanswered: Unanswered | None = None
    """Its policy took it from an owner who stayed silent after this was missed (`reason` is `released`)."""


class ClaimRefused(Fact):
    """A claim or assignment lost: somebody else has it, or the agent may not."""

    request_id: Identifier
    actor: Actor
    agent_id: str | None = None
    reason: Literal["stale_epoch", "already_yours", "full", "unknown_agent", "not_assignable"]
    owner_id: str | None = None
    epoch: int


class DeadlineWarned(Fact):
    """A target of the policy will be missed soon, unless somebody acts. Once for each target."""

    deadline: Literal["first_response", "next_response", "resolution"]
    due_at: UtcTime
    generation: int
    late: bool = False
    """The assigner was far behind: it comes more than five minutes after its moment."""
    policy_id: str | None = None
    agent_id: str | None = None
    """Who has the conversation; None: nobody."""
    started_at: UtcTime | None = None
    """From when the target counts: the start of the turn or episode."""


class DeadlineBreached(Fact):
    """A target of the policy was missed. Once for each target, also when the answer came late and was told of first."""

    deadline: Literal["first_response", "next_response", "resolution"]
    breached_at: UtcTime
    """The deadline itself, not the moment that it was noticed."""
    generation: int
    late: bool = False
    """The assigner was far behind: it comes more than five minutes after its moment."""
    policy_id: str | None = None
    agent_id: str | None = None
    """Who had the conversation; None: nobody."""
    started_at: UtcTime | None = None
    """From when the target counts: the start of the turn or episode."""


# --- notifier ---------------------------------------------------------------------------------------------------


class MessageSent(Fact):
    """The provider accepted our message."""

    message_id: Identifier
    delivery_id: Identifier
    sent_at: UtcTime
    attempts: int = 1


class MessageCancelled(Fact):
    """Our message was taken back in time: it was handed to nobody, and never will be."""

    message_id: Identifier
    delivery_id: Identifier
    cancelled_at: UtcTime


class MessageFailed(Fact):
    """The provider refused our message for good, or every attempt failed."""

    message_id: Identifier
    delivery_id: Identifier
    failed_at: UtcTime
    reason: str
    status_code: str | None = None
    attempts: int = 1


class MessageBounced(Fact):
    """It was accepted and came back."""

    message_id: Identifier
    delivery_id: Identifier
    bounced_at: UtcTime
    permanent: bool
    status_code: str | None = None
    undeliverable: bool = False
    """The address is marked: nothing that leaves by itself goes there until mail gets through or comes from it."""


NotificationKind = Literal[
    "assigned", "replied", "mentioned", "refused", "undelivered", "deadline_warned", "deadline_breached", "queued"
]


class NotificationSent(Fact):
    """An agent was told of something, and the mail server took the mail."""

    notification: NotificationKind
    agent_id: Identifier
    delivery_id: Identifier
    channel: Literal["email", "webhook", "console"] = "email"
    cause_id: Identifier
    sent_at: UtcTime


class NotificationFailed(Fact):
    """An agent could not be told of something."""

    notification: NotificationKind
    agent_id: Identifier
    delivery_id: Identifier
    channel: Literal["email", "webhook", "console"] = "email"
    cause_id: Identifier
    failed_at: UtcTime
    reason: str
