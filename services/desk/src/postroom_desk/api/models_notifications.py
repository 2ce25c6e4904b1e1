"""The bodies of notifications."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from postroom_desk.api.models import Answer, Asked, LaterTime
from postroom_desk.domain.notifications import Kind


class NotificationShown(Answer):
    """One line of the list. What it is about is read now: a subject that was erased is empty."""

    id: str
    kind: Kind
    at: datetime
    read: bool
    conversation_id: str
    inbox_id: str
    subject: str
    customer: str
    """Name or address of the customer."""
    actor_id: str | None
    """The agent who did it; null: a customer, a rule, a timer."""
    actor_name: str
    details: dict[str, str]
    """Codes: `reason`, `deadline`, `to` (the agent who has it now), `watching`, `silent` (who lost it for giving
    no answer), `for` (the agent whom no mail told of it; you are a lead of the team)."""
    href: str


class NotificationPage(Answer):
    items: list[NotificationShown]
    """The newest first."""
    next_cursor: str | None
    unread: int
    """How many of all of them were not read."""


class ReadAsked(Asked):
    """What has been read: exactly one of these."""

    ids: list[Annotated[str, StringConstraints(min_length=1, max_length=60)]] = Field(
        default_factory=list, max_length=500
    )
    conversation_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    until: LaterTime | None = None
    """All up to this time: what came later has not been seen."""

    @model_validator(mode="after")
    def _says_what(self) -> "ReadAsked":
        if sum(map(bool, (self.ids, self.conversation_id, self.until))) != 1:
            raise ValueError("give exactly one of `ids`, `conversation_id` and `until`")
        if self.until is not None and self.until.tzinfo is None:
            raise ValueError("`until` needs a zone")
        return self


class Unread(Answer):
    unread: Annotated[int, Field(ge=0)]


Show = Literal["all", "unread"]
