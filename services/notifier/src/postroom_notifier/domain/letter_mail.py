"""Mail of the house to one agent, in words that the desk has chosen. Pure."""

from datetime import datetime

from postroom_contracts.configuration import Configuration, MailAccount
from postroom_contracts.fields import format_time
from postroom_contracts.ids import derived_id

from postroom_notifier.domain.headers import mail_address, mailbox, subject
from postroom_notifier.domain.mime import OutgoingMail, build


def letter_mail(
    agent_id: str, title: str, text: str, configuration: Configuration, account: MailAccount, now: datetime
) -> OutgoingMail | str:
    """Return the mail, or why there is none: `unknown_agent`, `no_sender`."""
    agent = configuration.agent(agent_id)
    address = mail_address(agent.email) if agent is not None and agent.enabled else None
    if agent is None or address is None:
        return "unknown_agent"
    sender = house_sender(configuration, account)
    if sender is None:
        return "no_sender"
    headers = [
        ("From", mailbox(configuration.company.name, sender)),
        ("To", mailbox(f"{agent.first_name} {agent.last_name}", address)),
        ("Subject", subject(title)),
        ("Message-ID", f"<{derived_id('letter', agent.id, format_time(now))}@{configuration.company.domain}>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    ]
    body = build(headers, now.replace(microsecond=0), text)
    return OutgoingMail(sender, (address,), body, utf8=not (address.isascii() and sender.isascii()))


def house_sender(configuration: Configuration, account: MailAccount) -> str | None:
    """Return From of the house's own mail: that of notifications, else a shared inbox's of this account."""
    shared = (i.address for i in configuration.inboxes if i.account == account.id and i.owner is None)
    named = configuration.notifications.sender or next(shared, "") or configuration.company.answer_address or ""
    return mail_address(named)
