"""`conversation-states`: the present state of each conversation, for subscribers who start late and keep no log."""

from typing import ClassVar, Literal

from pydantic import Field

from postroom_contracts.events import Data
from postroom_contracts.fields import Identifier, UtcTime
from postroom_contracts.values import Channel, Priority, Status


class ConversationState(Data):
    """What the facts of a conversation come to, up to `folded_to`. The newest record of a key replaces all before it.

    Published by the desk when it has taken facts in: at most 5 s after them while it runs and keeps up; its lag is the
    lag of group `desk`. Ids, times and states alone, as on the log.
    """

    kind: ClassVar[Literal["state"]] = "state"

    partition: int
    """Of `conversation-events`."""
    folded_to: int
    """Offset of the last fact within it. A record whose `folded_to` is below one that you have is older: drop it."""
    status: Status
    archived: bool = False
    inbox_id: str
    channel: Channel
    team_id: str | None = None
    owner_id: str | None = None
    epoch: int = 0
    """Of the ownership: rises with each assignment."""
    router_sequence: int = 0
    tags: list[str] = Field(default_factory=list)
    priority: Priority = Priority.NORMAL
    policy_id: str | None = None
    source_of_contact: str = ""
    contact_ids: list[Identifier] = Field(default_factory=list)
    watchers: list[str] = Field(default_factory=list)
    received: int = 0
    """Messages of customers."""
    sent: int = 0
    """Public messages of ours."""
    opened_at: UtcTime
    last_activity_at: UtcTime
    waiting_since: UtcTime | None = None
    """Since when the customer waits for an answer; absent: nobody waits."""
    snoozed_until: UtcTime | None = None
    resolved_at: UtcTime | None = None
    merged_into: str | None = None
    configuration_version: int = 0
