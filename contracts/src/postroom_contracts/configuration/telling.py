"""Who is told of what: notifications of agents, chat tools, webhooks."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from postroom_contracts.configuration.base import SecretReference, Section
from postroom_contracts.configuration.calendars import checked_zone
from postroom_contracts.fields import Slug

MutableKind = Literal["assigned", "replied", "mentioned", "deadline_warned", "deadline_breached"]
"""What is told by mail and to chat tools, and by mail only to those who want it."""
ToldKind = Literal[
    "assigned", "replied", "mentioned", "deadline_warned", "deadline_breached", "unassigned", "woken", "draft"
]
"""All of which somebody may say how they are told; the last three in the console alone (`notifying.WAYS`)."""
Way = Literal["console", "mail", "chat"]
Ways = dict[ToldKind, list[Way]]


class QuietHours(Section):
    """From when until when mail to an agent waits, by the clock of their zone; over midnight where `end` is the earlier."""

    start: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    end: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    time_zone: str

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        return checked_zone(value)

    @model_validator(mode="after")
    def _last_for_a_while(self) -> Self:
        if self.start == self.end:
            raise ValueError("quiet hours need a start and an end that differ")
        return self


class Preferences(Section):
    """What one agent wants beside the kinds in `muted`."""

    muted_inboxes: list[Slug] = Field(default_factory=list)
    """Nothing of conversations in these is sent to them."""
    quiet_hours: QuietHours | None = None
    """Mail waits until they end, but for urgent conversations, missed deadlines, and what the agent wrote and did not go out."""
    ways: Ways = Field(default_factory=dict)
    """How they are told of which kind; of one that is not named as `defaults` of the house say."""
    inbox_ways: dict[Slug, Ways] = Field(default_factory=dict)
    """The same for conversations in one inbox; what is named here goes before `ways` and `muted`."""
    undo_seconds: Literal[0, 5, 10, 20, 30] = 10
    """For how long a reply that they send in the console can be taken back."""


class ChatDestination(Section):
    """A chat tool or program that is sent notifications over HTTP: of these agents, or of these teams' conversations."""

    id: Slug
    url: SecretReference
    """The address: who knows it may write there, so that it is a secret."""
    format: Literal["slack", "json"] = "slack"
    agents: list[Slug] = Field(default_factory=list)
    teams: list[Slug] = Field(default_factory=list)
    """Both empty: everybody's."""
    kinds: list[MutableKind] = Field(default_factory=list)
    """Empty: all."""
    inboxes: list[Slug] = Field(default_factory=list)
    """Empty: all but private ones."""
    subject: bool = False
    """The conversation's subject, which customers wrote, goes along; nothing else that they wrote ever does."""
    enabled: bool = True


class Notifications(Section):
    """What agents are told. `muted`: kinds that an agent does not want by mail."""

    assigned: bool = True
    replied: bool = True
    mentioned: bool = True
    deadline_warned: bool = True
    deadline_breached: bool = True
    """These five: whether anybody is told of it by mail or in a chat tool."""
    defaults: Ways = Field(default_factory=dict)
    """How somebody is told who has not said how; of a kind that is not named: by all ways that there are."""
    muted: dict[Slug, list[MutableKind]] = Field(default_factory=dict)
    preferences: dict[Slug, Preferences] = Field(default_factory=dict)
    """By agent."""
    chat: list[ChatDestination] = Field(default_factory=list, max_length=200)
    sender: str = ""
    """From of notification mail; empty: the answer address."""
    account: Slug | None = None
    """Which account sends notifications; None: the account of the conversation's inbox."""


class WebhookSubscription(Section):
    """Another system that is sent events over HTTP (Standard Webhooks)."""

    id: Slug
    url: str = Field(max_length=2000)
    secrets: list[SecretReference] = Field(min_length=1, max_length=3)
    """Each begins with `whsec_`; every request is signed with all of them, so that one can be rotated."""
    events: list[str] = Field(default_factory=list)
    """Types without prefix, such as `conversation-resolved` or `conversation-resolved.v1`; empty: all facts."""
    inboxes: list[Slug] = Field(default_factory=list)
    """Empty: all but private ones."""
    enabled: bool = True

    @field_validator("url")
    @classmethod
    def _is_https(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s#]*)?(\?[^\s#]*)?", value):
            raise ValueError(f"{value!r} is not an address such as https://example.com/hooks")
        return value
