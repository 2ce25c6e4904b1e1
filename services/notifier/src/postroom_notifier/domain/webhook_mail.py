"""The mail that tells admins that a webhook subscription was disabled. Pure."""

from datetime import datetime

from postroom_contracts.configuration import Agent, Configuration, MailAccount
from postroom_contracts.fields import format_time
from postroom_contracts.ids import derived_id

from postroom_notifier.domain.headers import mail_address, mailbox
from postroom_notifier.domain.mime import OutgoingMail, build
from postroom_notifier.domain.webhooks import DISABLED_AFTER, Receiver

_TEXT = """\
The webhook subscription {id} was disabled at {at}: its receiver took nothing
for {days} days, since {since}. Nothing more is sent to it, and what waited was given up.

Mend the receiver, then enable the subscription and send again what it missed:

  POST {desk}/api/v1/webhooks/{id}/enable
  POST {desk}/api/v1/webhooks/{id}/replay   {{"start": "{since}"}}
"""


def admins(configuration: Configuration) -> list[Agent]:
    """Return who is told of what is wrong with the house."""
    return [agent for agent in configuration.agents if agent.role == "admin" and agent.enabled]


def sending_account(configuration: Configuration) -> MailAccount | None:
    """Return the account that such mail leaves by: the one for notifications, else the first that can send."""
    able = [a for a in configuration.accounts if isinstance(a, MailAccount) and a.smtp is not None]
    wanted = configuration.notifications.account
    return next((a for a in able if a.id == wanted), able[0] if able else None)


def disabled_mail(receiver: Receiver, agent: Agent, configuration: Configuration, desk_url: str) -> OutgoingMail | None:
    """Return the mail to one admin, the same at every attempt; None when there is no address to send from or to."""
    address = mail_address(agent.email)
    account = sending_account(configuration)
    inbox = next((i for i in configuration.inboxes if account and i.account == account.id), None)
    sender = mail_address(configuration.notifications.sender or (inbox.address if inbox else ""))
    at = receiver.disabled_at
    if address is None or sender is None or at is None:
        return None
    text = _TEXT.format(
        id=receiver.subscription_id,
        at=format_time(at),
        since=format_time(receiver.failing_since or at),
        days=DISABLED_AFTER.days,
        desk=desk_url.rstrip("/"),
    )
    company = configuration.company
    identifier = derived_id("webhook-disabled", receiver.subscription_id, format_time(at), agent.id)
    headers = [
        ("From", mailbox(company.name, sender)),
        ("To", mailbox(f"{agent.first_name} {agent.last_name}", address)),
        ("Subject", f"Webhook {receiver.subscription_id} was disabled"),
        ("Message-ID", f"<{identifier}@{company.domain}>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    ]
    return OutgoingMail(sender, (address,), build(headers, _sent(at), text))


def _sent(at: datetime) -> datetime:
    return at.replace(microsecond=0)
