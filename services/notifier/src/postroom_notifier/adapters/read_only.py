"""The mail sender of read-only mode: it sends nothing and says what it would have sent."""

from email import message_from_bytes, policy

from postroom_contracts.configuration import MailAccount
from postroom_runtime.read_only import would

from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import Rejected, SendOutcome

REASON = "read_only"


class ReadOnlyMailSender:
    """Implements `MailSender`. Every mail fails for good, so nothing is sent later by surprise when it goes live."""

    async def send(self, account: MailAccount, mail: OutgoingMail) -> SendOutcome:
        head = message_from_bytes(mail.body, policy=policy.default)
        would(f"send by account {account.id} to {', '.join(mail.recipients)}: {head.get('Subject', '')}")
        return Rejected(REASON)

    async def close(self) -> None:
        return
