"""Inboxes, those who work in them, and what each may do."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from postroom_contracts.configuration.base import Section
from postroom_contracts.fields import Personal, Slug, UtcTime

InboxRight = Literal["full_access", "send_as", "send_on_behalf"]
Role = Literal["admin", "lead", "agent", "auditor"]


class InboxAccess(Section):
    """Who has which rights in an inbox: one agent, or all members of a team. Entries add up."""

    agent: Slug | None = None
    team: Slug | None = None
    rights: list[InboxRight] = Field(min_length=1)
    """`full_access`: read and note. `send_as`: that, and answer and handle, From: the inbox. `send_on_behalf`: the
    same, but with Sender: the agent (RFC 5322 section 3.6.2). Who has both sends as the inbox."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.agent is None) == (self.team is None):
            raise ValueError("name exactly one of `agent` and `team`")
        return self


class Approval(Section):
    """Replies of everybody else leave only when one of these has looked at them."""

    agents: list[Slug] = Field(default_factory=list)
    teams: list[Slug] = Field(default_factory=list)

    @model_validator(mode="after")
    def _of_somebody(self) -> Self:
        if not self.agents and not self.teams:
            raise ValueError("name who approves in `agents` or `teams`")
        return self


class Inbox(Section):
    """A shared address."""

    id: Slug
    name: str
    """Internal; never shown to customers."""
    account: Slug
    address: str
    aliases: list[str] = Field(default_factory=list)
    teams: list[Slug]
    """At least one, unless the inbox has an `owner`."""
    owner: Slug | None = None
    """The one agent whose private inbox this is: nobody else sees anything of it, whatever their role. It has no teams."""
    access: list[InboxAccess] | None = None
    """Rights in this inbox; None: the members of its teams have full access and send as it."""
    calendar: Slug | None = None
    source_of_contact: str = ""
    """The tag that each request gets; empty: the inbox's id."""
    sender_name: str = ""
    """Shown to customers; empty: the company's name. May hold variables (`templates.py`)."""
    signature: str = ""
    """Stands under each reply. May hold variables."""
    quote_history: bool = True
    """The message that is answered stands below the reply, for those who have it already."""
    notify_of_automatic: bool = False
    """Agents are told also of conversations that a machine opened (orders of a shop, alarms)."""
    policy: Slug | None = None
    approval: Approval | None = None
    """Who lets replies go; None: whoever may send sends."""
    claim_on_reply: Literal["offer", "claim", "never"] = "offer"
    """What the console does when somebody begins to answer a conversation that nobody has: it offers to take it, takes it
    for them, or neither."""
    group_by_subject_days: int | None = Field(None, ge=1, le=30)
    """A mail that answers nothing joins the same sender's conversation of the same subject, if its last mail is not
    older than so many days; None: it never does."""

    @model_validator(mode="after")
    def _of_teams_or_of_one(self) -> Self:
        if self.owner is None and not self.teams:
            raise ValueError("an inbox needs at least one team in `teams`, or an `owner` whose private inbox it is")
        if self.owner is not None and (self.teams or self.access):
            raise ValueError("a private inbox (with `owner`) has no `teams` and no `access`: its owner alone sees it")
        return self


class Shift(Section):
    """On duty from `start_at` to before `end_at`."""

    start_at: UtcTime
    end_at: UtcTime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_at <= self.start_at:
            raise ValueError("end_at must be after start_at")
        return self


class Agent(Section):
    """A support person. On duty by `shifts` if given, else by `calendar`, else by the team's or company's calendar."""

    id: Slug
    first_name: Annotated[str, Personal]
    last_name: Annotated[str, Personal] = ""
    title: str = ""
    calendar_link: Annotated[str, StringConstraints(max_length=300, pattern=r"^(https?://[^\s<>\"\[\]{}]+)?$")] = ""
    """Where customers book a time with them: `[calendar_link]` in signatures and saved replies."""
    email: Annotated[str, Personal]
    languages: list[str] = Field(default_factory=list)
    role: Role = "agent"
    """What they may do beside their rights in inboxes. `admin`: settings, people, audit, and to read and take over in
    every inbox that is not private. `lead`: to read, note and take over in the inboxes of their teams, and reports.
    `auditor`: to read everything that is not private, and the audit; changes nothing."""
    capacity: int | None = Field(None, ge=1, le=100_000)
    """Open conversations at once; None: unlimited."""
    calendar: Slug | None = None
    shifts: list[Shift] | None = None
    enabled: bool = True


class Team(Section):
    id: Slug
    name: str
    members: list[Slug] = Field(min_length=1, max_length=500)
    assignment: Literal["round_robin", "least_loaded", "manual"] = "least_loaded"
    calendar: Slug | None = None
