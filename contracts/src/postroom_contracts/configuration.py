"""The configuration of a company: one checked snapshot, versioned, the same in every service.

Deployment settings (addresses of servers, secrets, limits) are not here; secrets appear by reference only.
"""

import re
from datetime import date, time
from ipaddress import ip_network
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from postroom_contracts.events import Data
from postroom_contracts.fields import Personal, Slug, UtcTime
from postroom_contracts.values import Channel, Priority

KEY = "configuration"
MAX_BYTES = 900 * 1000
"""Compressed size above which a snapshot is refused: a record must fit Kafka's default limit of 1 MB."""


class Section(BaseModel):
    """A part of the configuration: unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class SecretReference(Section):
    """Where a secret lies: an environment variable, a file, or sealed in the database; exactly one of them."""

    env: str | None = None
    file: str | None = None
    stored: Slug | None = None
    """The name under which `postroom secret set` keeps it."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(place is not None for place in (self.env, self.file, self.stored)) != 1:
            raise ValueError("name the secret by exactly one of `env`, `file` and `stored`")
        return self


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class OpenInterval(Section):
    """A half-open interval of local wall time in one day; `end` 24:00 is written as null."""

    start: time
    end: time | None = None
    """None: until midnight."""


def checked_zone(name: str) -> str:
    """Return the name. Raises ValueError for one that is no IANA time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin") from error
    return name


class Calendar(Section):
    """Business hours: IANA zone, several half-open intervals a day, holidays (whole local days)."""

    id: Slug
    time_zone: str
    hours: dict[Weekday, list[OpenInterval]]
    holidays: list[date] = Field(default_factory=list)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return checked_zone(value)

    @field_validator("hours", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """Accept `"09:00-17:00"` and `"22:00-24:00"` beside the long form."""
        if not isinstance(value, dict):
            return value
        return {day: [_interval(i) for i in h] if isinstance(h, list) else h for day, h in value.items()}

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for day, intervals in self.hours.items():
            last = time(0)
            for n, interval in enumerate(intervals):
                if interval.start < last or (interval.end is not None and interval.end <= interval.start):
                    raise ValueError(f"hours of {day}: interval {n + 1} must start after the one before and end later")
                if interval.end is None and n + 1 < len(intervals):
                    raise ValueError(f"hours of {day}: interval {n + 2} starts after 24:00")
                last = interval.end or last
        return self


def _interval(value: object) -> object:
    if not isinstance(value, str):
        return value
    start, dash, end = value.partition("-")
    if not dash:
        raise ValueError(f"{value!r} is not an interval such as 09:00-17:00")
    return {"start": start.strip(), "end": None if end.strip() == "24:00" else end.strip()}


class Company(Section):
    name: str
    default_calendar: Slug
    language: str = "en"
    domain: str = "postroom.invalid"
    """Right side of the Message-IDs that we make."""
    copies: Literal["each_inbox", "first_inbox"] = "each_inbox"
    """What a mail is that reaches several inboxes: a message in each, or one, in the inbox that it reached first."""
    answer_address: str | None = None
    """Mail address to which agents answer notifications; a key is put in as a plus part (answers+KEY@...)."""


NO_PASSWORD = SecretReference(env="POSTROOM_OAUTH_INSTEAD")
"""Stands as the password of an account that logs in by OAuth, so that the field is always there; it is never read."""


class MoveTo(Section):
    move: str
    """A folder of the same account that is not read."""


class ImapServer(Section):
    host: str
    port: int = 993
    tls: bool = True
    """The server's certificate is always verified, by `tls_ca_file` or the system's authorities."""
    tls_ca_file: str | None = None
    user: str
    password: SecretReference
    """Left out where the account has `oauth`."""
    folders: list[str] = Field(default_factory=lambda: ["INBOX"], min_length=1)
    poll_seconds: float = Field(60, ge=1, le=3600)
    """How often it is looked at where the server has no IDLE, and as a second look where it has."""
    after_import: Literal["leave", "mark_seen", "delete"] | MoveTo = "leave"
    """What becomes of a mail on the server once it is safely stored here."""
    first_days: int = Field(1, ge=0, le=36_500)
    """How many days back a folder begins that is read for the first time (0: with the next mail). What is older is left
    alone until `postroom ingest import` takes it in as history."""


class SmtpServer(Section):
    host: str
    port: int = 587
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    tls_ca_file: str | None = None
    user: str | None = None
    """None: no log-in; with `oauth`, the user of `imap`."""
    password: SecretReference | None = None


class MailDoor(Section):
    """Mail that other servers hand to our own SMTP and LMTP door, in place of a mailbox that is read."""

    networks: list[str] = Field(default_factory=list)
    """From where mail for this account is taken (`192.0.2.0/24`); empty: from wherever the deployment lets in."""

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for network in value:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"{network!r} is not a network such as 192.0.2.0/24 or 2001:db8::/32") from error
        return value


class DkimSigning(Section):
    """How mail of an account is signed (RFC 6376); the public key stands at `SELECTOR._domainkey.DOMAIN`."""

    domain: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=253)
    selector: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)
    key: SecretReference
    """The private RSA key, PEM."""


class OAuth(Section):
    """Log-in by OAuth 2.0 access tokens (SASL XOAUTH2) instead of a password. `postroom ingest connect` gets the grant."""

    provider: Literal["google", "microsoft", "custom"]
    client_id: str = Field(min_length=1)
    client_secret: SecretReference | None = None
    """None: a public client."""
    tenant: str = "common"
    """Microsoft's directory: an id, a domain, `organizations` or `common`."""
    token_url: str | None = None
    device_url: str | None = None
    """Device authorization endpoint (RFC 8628)."""
    authorize_url: str | None = None
    scopes: list[str] = Field(default_factory=list)
    """Empty: what IMAP and SMTP need at the provider."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.provider == "custom" and not (self.token_url and (self.device_url or self.authorize_url)):
            raise ValueError("provider custom needs `token_url` and one of `device_url` and `authorize_url`")
        for url in (self.token_url, self.device_url, self.authorize_url):
            if url is not None and not re.match(r"https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/]", url):
                raise ValueError(f"{url!r} must begin with https://: tokens travel by it")
        return self


class MailAccount(Section):
    """One set of credentials at one mail provider."""

    id: Slug
    channel: Literal[Channel.EMAIL] = Channel.EMAIL
    imap: ImapServer | None = None
    door: MailDoor | None = None
    smtp: SmtpServer | None = None
    oauth: OAuth | None = None
    internal: bool = False
    """Only the company's own, authenticated people can deliver to it: From is trusted."""
    trusted_authserv_ids: list[str] = Field(default_factory=list)
    """Whose Authentication-Results count (RFC 8601 section 5)."""
    dkim: DkimSigning | None = None
    """None: the mail server signs, or nobody."""

    @model_validator(mode="before")
    @classmethod
    def _no_password_with_oauth(cls, value: object) -> object:
        """Accept an `imap` without `password` beside `oauth`."""
        if not isinstance(value, dict) or not value.get("oauth") or not isinstance(value.get("imap"), dict):
            return value
        return {**value, "imap": {"password": NO_PASSWORD.model_dump(), **value["imap"]}}

    @property
    def smtp_user(self) -> str | None:
        """Who logs in at the SMTP server."""
        if self.smtp is not None and self.smtp.user is None and self.oauth is not None and self.imap is not None:
            return self.imap.user
        return self.smtp.user if self.smtp else None


class WebhookAccount(Section):
    """The generic signed webhook channel (Standard Webhooks)."""

    id: Slug
    channel: Literal[Channel.WEBHOOK]
    secrets: list[SecretReference] = Field(min_length=1, max_length=2)
    """Two while a key is rotated."""


Account = Annotated[MailAccount | WebhookAccount, Field(discriminator="channel")]


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


class Policy(Section):
    """SLA targets in business seconds; None: no target."""

    id: Slug
    first_response_seconds: int | None = Field(None, gt=0)
    next_response_seconds: int | None = Field(None, gt=0)
    resolution_seconds: int | None = Field(None, gt=0)
    """Counts net of pauses."""
    warn_percent: int | None = Field(None, ge=1, le=100)
    """When so much of a target's time has passed, people are warned; None: at 80, 100: never."""
    escalate_to_team: Slug | None = None
    """Who takes over once a target is missed; None: it stays with whom it has."""
    reassign_after_seconds: int | None = Field(None, gt=0)
    """Business seconds that an owner may stay silent after a missed target before it goes back to its team's queue; None:
    for ever."""

    @property
    def warned_at_percent(self) -> int | None:
        """At which share of a target's time people are warned; None: never."""
        percent = 80 if self.warn_percent is None else self.warn_percent
        return None if percent == 100 else percent  # noqa: PLR2004 - per cent


class Condition(Section):
    """One test of a message; `all`, `any` and `not` nest (at most 5 deep)."""

    field: (
        Literal[
            "channel",
            "inbox",
            "sender",
            "sender_domain",
            "recipient",
            "subject",
            "body",
            "automatic",
            "has_attachment",
            "new_conversation",
            "tag",
            "source_of_contact",
        ]
        | None
    ) = None
    operator: Literal[
        "equals", "not_equals", "contains", "not_contains", "starts_with", "ends_with", "matches", "in"
    ] = "equals"
    value: str | bool | list[str] | None = None
    all: list["Condition"] | None = None
    any: list["Condition"] | None = None
    none: list["Condition"] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [self.field, self.all, self.any, self.none]
        if sum(form is not None for form in forms) != 1:
            raise ValueError("a condition has exactly one of `field`, `all`, `any`, `none`")
        if self.field is not None and self.value is None:
            raise ValueError("a condition on a field needs a `value`")
        if self.operator == "in" and not isinstance(self.value, list):
            raise ValueError("operator `in` needs a list as `value`")
        return self


class Actions(Section):
    """What a matching rule does; what is absent stays as it is."""

    add_tags: list[Slug] = Field(default_factory=list)
    priority: Priority | None = None
    team: Slug | None = None
    agent: Slug | None = None
    watchers: list[Slug] = Field(default_factory=list)
    policy: Slug | None = None
    mark_spam: bool = False


class Rule(Section):
    """Ordered: all matching rules act, later ones over earlier ones, until one with `stop`."""

    id: Slug
    name: str = ""
    when: Condition | None = None
    """None: always."""
    then: Actions
    stop: bool = False
    enabled: bool = True


class Tag(Section):
    id: Slug
    name: str = ""
    color: str = Field("#64748b", pattern=r"^#[0-9a-fA-F]{6}$")


class SavedReply(Section):
    """A text that agents put into what they write. May hold variables (`[customer.first_name|there]`) and Liquid."""

    id: Slug
    name: str = Field(min_length=1, max_length=100)
    text: str = Field(max_length=50_000)
    html: str | None = Field(None, max_length=100_000)
    """The same with formatting; None: made from the text."""
    teams: list[Slug] = Field(default_factory=list)
    """Whose; empty: everybody's."""


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


class Configuration(Section):
    """The whole of it. Order of rules and of team members counts."""

    company: Company
    calendars: list[Calendar] = Field(min_length=1)
    accounts: list[Account] = Field(default_factory=list)
    inboxes: list[Inbox] = Field(min_length=1)
    teams: list[Team] = Field(min_length=1)
    agents: list[Agent] = Field(min_length=1)
    policies: list[Policy] = Field(default_factory=list)
    tags: list[Tag] = Field(default_factory=list)
    rules: list[Rule] = Field(default_factory=list)
    notifications: Notifications = Notifications()
    saved_replies: list[SavedReply] = Field(default_factory=list)
    webhooks: list[WebhookSubscription] = Field(default_factory=list, max_length=2000)

    def calendar(self, calendar_id: str) -> Calendar:
        return next(c for c in self.calendars if c.id == calendar_id)

    def inbox(self, inbox_id: str) -> Inbox | None:
        return next((i for i in self.inboxes if i.id == inbox_id), None)

    def team(self, team_id: str | None) -> Team | None:
        return next((t for t in self.teams if t.id == team_id), None)

    def agent(self, agent_id: str | None) -> Agent | None:
        return next((a for a in self.agents if a.id == agent_id), None)

    def policy(self, policy_id: str | None) -> Policy | None:
        return next((p for p in self.policies if p.id == policy_id), None)

    def approvers(self, inbox_id: str) -> frozenset[str] | None:
        """Return the agents who may let replies of this inbox go; None: it asks for no approval."""
        inbox = self.inbox(inbox_id)
        if inbox is None or inbox.approval is None:
            return None
        teams = (self.team(team_id) for team_id in inbox.approval.teams)
        return frozenset([*inbox.approval.agents, *(member for team in teams if team for member in team.members)])

    def calendar_for(self, inbox_id: str, team_id: str | None) -> Calendar:
        """Return the calendar that counts business time: the team's, else the inbox's, else the company's."""
        team, inbox = self.team(team_id), self.inbox(inbox_id)
        chosen = (team and team.calendar) or (inbox and inbox.calendar) or self.company.default_calendar
        return self.calendar(chosen)


class ConfigurationApplied(Data):
    """One whole, checked snapshot. `configuration_version` rises by one with each."""

    kind: ClassVar[Literal["configuration"]] = "configuration"

    configuration_version: int
    applied_at: UtcTime
    applied_by: str = ""
    configuration: Configuration
