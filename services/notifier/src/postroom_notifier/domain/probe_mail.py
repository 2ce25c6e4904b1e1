"""The probe's mail: from an inbox to itself, signed, one thread an hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from postroom_contracts.configuration import Configuration, MailAccount
from postroom_contracts.signed_ids import PROBE_HEADER, probe_mark

from postroom_notifier.domain.mime import OutgoingMail, build

TEXT = "This is a probe of Postroom. It shows that mail gets through, and nobody has to read it.\n"


@dataclass(frozen=True, slots=True)
class ProbeMail:
    """A mail to send and the Message-ID, without angle brackets, by which it is found again."""

    message_id: str
    mail: OutgoingMail


def probed(configuration: Configuration) -> list[tuple[MailAccount, str]]:
    """Return the accounts that mail can be sent by and read from, each with the address of its first inbox."""
    found = []
    for account in configuration.accounts:
        inbox = next((i for i in configuration.inboxes if i.account == account.id), None)
        if isinstance(account, MailAccount) and account.smtp and (account.imap or account.door) and inbox:
            found.append((account, inbox.address))
    return found


def probe_mail(account_id: str, address: str, nonce: str, now: datetime, keys: Sequence[bytes]) -> ProbeMail:
    """Return the probe of an account. All of one hour refer to one id, so that they make one conversation."""
    domain = address.rpartition("@")[2]
    message_id = f"probe.{account_id}.{nonce}@{domain}"
    root = f"probe.{account_id}.{now:%Y%m%d%H}@{domain}"
    headers = [
        ("From", address),
        ("To", address),
        ("Subject", "Postroom probe"),
        ("Message-ID", f"<{message_id}>"),
        ("In-Reply-To", f"<{root}>"),
        ("References", f"<{root}>"),
        ("Auto-Submitted", "auto-generated"),
        (PROBE_HEADER, probe_mark(address, message_id, now, keys[0])),
    ]
    return ProbeMail(message_id, OutgoingMail(address, (address,), build(headers, now, TEXT)))
