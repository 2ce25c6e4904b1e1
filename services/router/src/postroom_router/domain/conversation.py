"""The state of one conversation, and what a request's actor cannot have seen of it."""

from typing import Any

from postroom_contracts.commands import AbsorbConversation
from postroom_contracts.fields import UtcTime
from postroom_contracts.values import Actor, Channel, ContentReference, Priority, Status
from pydantic import BaseModel, ConfigDict, Field

ACTIVE = frozenset({Status.OPEN, Status.WAITING, Status.SNOOZED})
"""Not done with: somebody may owe something."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Snooze(Part):
    until: UtcTime
    generation: int


class Aside(Part):
    """What the spam mark or the bin took away, to be given back when it is undone."""

    status: Status = Status.OPEN
    archived: bool = False
    turn_started_at: UtcTime | None = None
    snooze: Snooze | None = None


class Scheduled(Part):
    """A reply that waits for its time, and what it took away, to be given back when it is cancelled."""

    send_at: UtcTime
    sequence: int
    hold: bool = False
    """Not sent if a customer writes before."""
    status: Status = Status.OPEN
    archived: bool = False
    turn_started_at: UtcTime | None = None


class StatusChange(Part):
    """The latest change of status by one actor. `by` is `kind:id`."""

    sequence: int
    by: str


class Conversation(Part):
    """Everything that is known of a conversation. Kept small: it is read and written with each of its records.

    One that nobody has opened (a request for an unknown id, a merge that came before the first message) has no
    `inbox_id`. `sequence` counts the facts emitted and always equals the number that the runtime gave to the last one.
    """

    sequence: int = 0
    inbox_id: str = ""
    channel: Channel = Channel.EMAIL
    status: Status = Status.OPEN
    archived: bool = False
    tags: list[str] = Field(default_factory=list)
    priority: Priority = Priority.NORMAL
    team_id: str | None = None
    policy_id: str | None = None
    watchers: list[str] = Field(default_factory=list)
    source_of_contact: str = ""

    participants: dict[str, str] = Field(default_factory=dict)
    """Contact id -> normalised address: the customers of this conversation. Addresses never leave this database."""
    messages: dict[str, str] = Field(default_factory=dict)
    """Every message id that stands here -> `contact_id/ledger_id` of its author, `/delivery_id` for our own replies, empty
    for notes and absorbed ones."""

    turn_started_at: UtcTime | None = None
    """Start of the open turn (metrics/1, point 2); None: nobody waits for an answer."""
    last_customer_content: ContentReference | None = None
    last_customer_message_id: str | None = None
    last_customer_contact_id: str | None = None
    last_customer_at: UtcTime | None = None
    last_customer_from_only: bool = False
    """Its Reply-To names somebody who takes no part."""

    message_sequence: int = 0
    """Sequence of the latest customer message; likewise for public replies."""
    reply_sequence: int = 0
    stranger_sequence: int = 0
    """Sequence of the latest message of somebody who takes no part."""
    status_changes: list[StatusChange] = Field(default_factory=list)
    """At most two, newest first, by different actors: enough to know the latest change by anyone but a given actor."""

    scheduled: dict[str, Scheduled] = Field(default_factory=dict)
    """Replies that may still be cancelled, as far as this service knows, by message id."""
    unanswered: dict[str, UtcTime] = Field(default_factory=dict)
    """Customer messages of the open turn with their receipt, at most 200; means nothing while no turn is open."""
    moved: dict[str, str] = Field(default_factory=dict)
    """Messages that stood here until a split -> the conversation that has them now. They stay in `messages`."""
    moved_replies: dict[str, str] = Field(default_factory=dict)
    """Likewise deliveries of replies: their Message-IDs name this conversation."""
    third_parties: list[str] = Field(default_factory=list)
    """Participants who only got something forwarded: what they write is never what a reply to the customer answers."""
    snooze: Snooze | None = None
    snoozes: int = 0
    """How often it was snoozed: the next generation is one more."""
    before_spam: Aside | None = None
    before_deleted: Aside | None = None
    merged_into: str | None = None
    absorbed: list[str] = Field(default_factory=list)
    to_absorb: list[AbsorbConversation] = Field(default_factory=list)
    """Halves of merges that came before the first message; absorbed as soon as there is something to absorb into."""
    machine_messages: list[str] = Field(default_factory=list)
    """Messages that came in and that no customer wrote: bounces, reports of delivery, echoes of what we wrote elsewhere."""
    erased: list[str] = Field(default_factory=list)
    """Contacts whose content is gone."""
    erased_messages: list[str] = Field(default_factory=list)
    """Messages whose content is gone."""
    erased_whole_at: UtcTime | None = None
    """When all that stood here was erased: what our side had asked for before goes, too, if it comes later."""

    @property
    def exists(self) -> bool:
        return bool(self.inbox_id)


EMPTY = Conversation()
"""Where every conversation begins. Copied, never changed."""


def actor_key(actor: Actor) -> str:
    return f"{actor.kind}:{actor.id}"


def unseen(state: Conversation, actor: Actor, expected_sequence: int | None) -> list[str]:
    """Return what happened after `expected_sequence` that `actor` must see first; empty: nothing, the request may go on.

    That is a customer's message, a public reply by anybody (a repeated answer is one), or a change of status by anyone
    but this actor. None as `expected_sequence` means "whatever stands there" and is never stale.
    """
    if expected_sequence is None:
        return []
    by = actor_key(actor)
    foreign = max((c.sequence for c in state.status_changes if c.by != by), default=0)
    found = (
        ("message_received", state.message_sequence),
        ("reply_accepted", state.reply_sequence),
        ("status_changed", foreign),
    )
    return [name for name, sequence in found if sequence > expected_sequence]


def with_status_change(state: Conversation, actor: Actor, sequence: int) -> list[StatusChange]:
    """Return `status_changes` with this one put first."""
    by = actor_key(actor)
    others = [c for c in state.status_changes if c.by != by]
    return [StatusChange(sequence=sequence, by=by), *others[:1]]


def set_aside(state: Conversation) -> Aside:
    return Aside(
        status=state.status, archived=state.archived, turn_started_at=state.turn_started_at, snooze=state.snooze
    )


def after_customer(aside: Aside, received_at: UtcTime) -> Aside:
    """Return what a customer's message makes of a status: it ends waiting, snooze and resolve, and opens a turn.

    The turn starts at the smallest `received_at` in it (metrics/1, point 2).
    """
    start = aside.turn_started_at
    return Aside(
        status=Status.OPEN,
        turn_started_at=received_at if start is None else min(start, received_at),
    )


def customer_arrived(state: Conversation, received_at: UtcTime) -> dict[str, Any]:
    """Return what a customer's message at `received_at` changes in status and turn.

    A deleted conversation comes back: a customer's message that nobody sees is worse than a thread that returns. What is
    spam stays so, in the bin too; what the message does is kept for the day when the mark is taken away.
    """
    start = state.turn_started_at
    if state.status is Status.OPEN:  # by far the most frequent, and nothing else changes
        return {"turn_started_at": received_at if start is None else min(start, received_at)}
    binned = state.before_deleted if state.status is Status.DELETED else None
    if state.status is Status.SPAM or (binned is not None and binned.status is Status.SPAM):
        return {"before_spam": after_customer(state.before_spam or Aside(), received_at)}
    after = after_customer(binned or set_aside(state), received_at)
    return {
        "status": after.status,
        "archived": after.archived,
        "turn_started_at": after.turn_started_at,
        "snooze": after.snooze,
        "before_deleted": None,
    }


def written_by(state: Conversation, contact_id: str) -> list[tuple[str, str]]:
    """Return (message id, ledger id) of what this contact wrote here, in order."""
    prefix = f"{contact_id}/"
    return [(m, who.removeprefix(prefix)) for m, who in state.messages.items() if who.startswith(prefix)]
