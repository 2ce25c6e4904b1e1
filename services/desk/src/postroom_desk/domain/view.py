"""One conversation as the desk shows it: a fold over its facts. Holds ids, times and states; texts lie elsewhere."""

from datetime import UTC, datetime
from typing import Literal

from postroom_contracts.fields import UtcTime
from postroom_contracts.values import Actor, Channel, Priority, Status
from pydantic import BaseModel, ConfigDict, Field, computed_field

from postroom_desk.domain.notifications import Ring

NOT_WAITING = datetime(9999, 1, 1, tzinfo=UTC)
"""Sorts conversations in which nobody waits behind all others."""
NOT_DUE = NOT_WAITING
"""Sorts conversations in which no reply is due by a policy behind all others."""

Delivery = Literal["", "accepted", "scheduled", "cancelling", "cancelled", "sent", "delivered", "failed", "bounced"]


class View(BaseModel):
    """A frozen part of the stored read model; fields of newer releases are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class MessageView(View):
    """One message or note. `content_id` names its document in the content store."""

    message_id: str
    kind: Literal["incoming", "outgoing", "note"]
    at: UtcTime
    actor: Actor
    content_id: str
    message_kind: str = "message"
    automatic: str | None = None
    from_stranger: bool = False
    imported: bool = False
    via: str = ""
    attachments: int = 0
    delivery: Delivery = ""
    delivery_at: UtcTime | None = None
    delivery_reason: str = ""
    send_at: UtcTime | None = None
    reply_kind: Literal["reply", "forward"] = "reply"
    approved_by: str | None = None
    erased: bool = False


class OwnershipView(View):
    """The latest decision of the assigner. Its record (candidates, loads, reasons) is read from the event itself."""

    outcome: Literal["assigned", "queued", "unassigned"]
    event_id: str
    reason: str
    at: UtcTime


class NotificationView(View):
    """Who was told of something, and whether that went out."""

    notification: str
    agent_id: str
    at: UtcTime
    sent: bool


class MentionView(View):
    """Somebody was named in a note; the latest time of each."""

    agent_id: str
    at: UtcTime


SHAPE = 2
"""Raised whenever the fold of old facts gives another document than before: the desk then folds all of them anew."""


class ConversationView(View):
    """The stored state. Its shape is indexed (`adapters/read_model.py`): fields without a default are always stored."""

    status: Status
    inbox_id: str
    channel: Channel
    opened_at: UtcTime
    last_activity_at: UtcTime
    waiting_order: UtcTime
    """Since when the customer waits for an answer; `NOT_WAITING` when nobody does."""
    partition: int
    offset: int
    """Where the last applied event stands on `conversation-events`."""
    received: int
    sent: int
    """Messages of customers, and public messages of ours, in this conversation itself (not in absorbed ones)."""

    previous_status: Status | None = None
    archived: bool = False
    team_id: str | None = None
    owner_id: str | None = None
    epoch: int = 0
    router_sequence: int = 0
    tags: list[str] = []
    priority: Priority = Priority.NORMAL
    source_of_contact: str = ""
    contact_ids: list[str] = []
    watchers: list[str] = []
    mentions: list[MentionView] = []
    last_activity_by: str = ""
    """The agent whose doing `last_activity_at` is; empty: somebody or something else."""
    policy_id: str | None = None
    rules: list[str] = []
    configuration_version: int = 0
    messages: list[MessageView] = []
    first_content_id: str = ""
    last_content_id: str = ""
    """Content of the first and of the newest public message: subject and preview of a list."""
    last_message_kind: Literal["", "incoming", "outgoing"] = ""
    ownership: OwnershipView | None = None
    queued_at: UtcTime | None = None
    snoozed_until: UtcTime | None = None
    resolved_at: UtcTime | None = None
    resolved_by: Actor | None = None
    merged_into: str | None = None
    split_from: str | None = None
    """The conversation that it was split off from, where its first messages stand."""
    split_messages: list[str] = []
    """Those messages, in their order."""
    split_off: dict[str, str] = {}
    """Messages of this one that went on as another -> that one."""
    absorbed: list[str] = []
    breached: list[str] = []
    """Deadlines that were missed."""
    notifications: list[NotificationView] = []
    event_counts: dict[str, int] = {}
    due_order: UtcTime = Field(default=NOT_DUE, exclude=True)
    """When the reply is due, where a list is sorted by that. It hangs on the configuration, so it is no part of the fold and
    stands beside it (`adapters/due_dates.py`)."""
    rings: tuple[Ring, ...] = Field(default=(), exclude=True)
    """What this batch of facts rings; never stored here (`handlers.py`), and made by no fold of old facts."""

    @computed_field  # type: ignore[prop-decorator]  # stored, so that an index can cover it: tags as a list could not be
    @property
    def facet(self) -> str:
        """Where it is counted: `inbox/team/owner/tag,tag`, with nothing for what there is not."""
        return "/".join((self.inbox_id, self.team_id or "", self.owner_id or "", ",".join(sorted(self.tags))))

    @property
    def waiting_since(self) -> datetime | None:
        return None if self.waiting_order == NOT_WAITING else self.waiting_order

    @property
    def turn_open(self) -> bool:
        """A customer wrote and no agent has answered yet."""
        return self.waiting_since is not None

    @property
    def etag(self) -> str:
        """What an actor saw, as a request names it again: `router-sequence.epoch`."""
        return f"{self.router_sequence}.{self.epoch}"

    @property
    def position(self) -> str:
        return f"{self.partition}:{self.offset}"
