"""The configuration of a company: one checked snapshot, versioned, the same in every service.

Deployment settings (addresses of servers, secrets, limits) are not here; secrets appear by reference only.
"""

from postroom_contracts.configuration.accounts import (
    NO_PASSWORD,
    Account,
    DkimSigning,
    ImapServer,
    MailAccount,
    MailDoor,
    MoveTo,
    OAuth,
    SmtpServer,
    WebhookAccount,
)
from postroom_contracts.configuration.base import SecretReference, Section
from postroom_contracts.configuration.calendars import WEEKDAYS, Calendar, OpenInterval, Weekday, checked_zone
from postroom_contracts.configuration.handling import Actions, Condition, Policy, Rule, SavedReply, Tag
from postroom_contracts.configuration.people import Agent, Approval, Inbox, InboxAccess, InboxRight, Role, Shift, Team
from postroom_contracts.configuration.telling import (
    ChatDestination,
    MutableKind,
    Notifications,
    Preferences,
    QuietHours,
    ToldKind,
    Way,
    Ways,
    WebhookSubscription,
)
from postroom_contracts.configuration.whole import KEY, MAX_BYTES, Company, Configuration, ConfigurationApplied

__all__ = [
    "KEY",
    "MAX_BYTES",
    "NO_PASSWORD",
    "WEEKDAYS",
    "Account",
    "Actions",
    "Agent",
    "Approval",
    "Calendar",
    "ChatDestination",
    "Company",
    "Condition",
    "Configuration",
    "ConfigurationApplied",
    "DkimSigning",
    "ImapServer",
    "Inbox",
    "InboxAccess",
    "InboxRight",
    "MailAccount",
    "MailDoor",
    "MoveTo",
    "MutableKind",
    "Notifications",
    "OAuth",
    "OpenInterval",
    "Policy",
    "Preferences",
    "QuietHours",
    "Role",
    "Rule",
    "SavedReply",
    "SecretReference",
    "Section",
    "Shift",
    "SmtpServer",
    "Tag",
    "Team",
    "ToldKind",
    "Way",
    "Ways",
    "WebhookAccount",
    "WebhookSubscription",
    "Weekday",
    "checked_zone",
]
