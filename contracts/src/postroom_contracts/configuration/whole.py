"""The whole of the configuration, and the fact of a version of it."""

from typing import ClassVar, Literal

from pydantic import Field

from postroom_contracts.configuration.accounts import Account
from postroom_contracts.configuration.base import Section
from postroom_contracts.configuration.calendars import Calendar
from postroom_contracts.configuration.handling import Policy, Rule, SavedReply, Tag
from postroom_contracts.configuration.people import Agent, Inbox, Team
from postroom_contracts.configuration.telling import Notifications, WebhookSubscription
from postroom_contracts.events import Data
from postroom_contracts.fields import Slug, UtcTime

KEY = "configuration"
MAX_BYTES = 900 * 1000
"""Compressed size above which a snapshot is refused: a record must fit Kafka's default limit of 1 MB."""


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
