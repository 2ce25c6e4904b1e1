"""How many customers' mails were put into the inboxes, whoever sent them, and how many of them are in conversations."""

import email
import email.policy
from dataclasses import dataclass, field
from email.utils import parseaddr

from postroom_demo.people import INBOX_BY_ADDRESS
from postroom_demo.relay import Delivered
from postroom_demo.tracker import MailKey, Tracker, mail_key


@dataclass(slots=True)
class Counting:
    """Distinct mails since the start: a mail that is delivered twice is one."""

    tracker: Tracker
    keys: set[MailKey] = field(default_factory=set)
    bounces: int = 0

    def on_delivered(self, delivered: Delivered) -> None:
        """Count what lies in one of the company's inboxes; the people's answers go elsewhere."""
        if delivered.mailbox not in INBOX_BY_ADDRESS:
            return
        head = email.message_from_bytes(delivered.content.partition(b"\r\n\r\n")[0], policy=email.policy.default)
        message_id = str(head["Message-ID"] or "").strip().strip("<>")
        sender = parseaddr(str(head["From"] or ""))[1]
        self.keys.add(mail_key(message_id or None, sender, str(head["Subject"] or "")))
        self.bounces += delivered.is_bounce

    @property
    def sent(self) -> int:
        return len(self.keys)

    @property
    def in_conversations(self) -> int:
        return sum(self.tracker.find(key) is not None for key in self.keys)
