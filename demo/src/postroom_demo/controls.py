"""What the demo's controls answer and do: status in numbers, a test mail over SMTP."""

import asyncio
import re
import smtplib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from postroom_demo.duty import duty
from postroom_demo.people import INBOXES, VISITOR
from postroom_demo.status import TestMail

if TYPE_CHECKING:
    from postroom_demo.run import Demo

_ADDRESS = re.compile(r"[^@\s<>,;:\"()\\\[\]]{1,64}@[A-Za-z0-9.-]{1,253}")
_SUBJECT_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends test mails as anybody could, without a log-in."""

    host: str
    port: int
    now: Callable[[], datetime]

    async def send(self, mail: TestMail) -> str:
        """Send; return the Message-ID. Raises ValueError for an address that is none, OSError, smtplib.SMTPException."""
        message = compose(mail, self.now())
        await asyncio.to_thread(self._send, message)
        return str(message["Message-ID"]).strip("<>")

    def _send(self, message: EmailMessage) -> None:
        with smtplib.SMTP(self.host, self.port, "client.demo.postroom", timeout=20) as server:
            server.send_message(message)


def compose(mail: TestMail, at: datetime) -> EmailMessage:
    """Return the mail. What is empty is filled in: a visitor, the support inbox, the text's first line."""
    sender, to = mail.sender.strip() or VISITOR, mail.to.strip() or INBOXES[0].address
    for address in (sender, to):
        if _ADDRESS.fullmatch(address) is None:
            raise ValueError(f"{address!r} is no mail address")
    first_line = " ".join(mail.text.strip().splitlines()[0].split()) if mail.text.strip() else "(no subject)"
    subject = " ".join(mail.subject.split()) or first_line[:_SUBJECT_CHARACTERS]
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{uuid.uuid4().hex}@{sender.rpartition('@')[2]}>"
    message.set_content(mail.text)
    return message


async def shown_status(demo: "Demo") -> dict[str, Any]:
    """Return the answer of GET /status. `lag` is of all groups together; `router` is for the page's one line."""
    sent, placed = demo.counted()
    lags = await demo.lag.read()
    services = [
        {"name": s.name, "state": s.state, "restarts": s.restarts, "url": s.url}
        for s in demo.supervisor.services.values()
    ]
    return {
        "sent": sent,
        "in_conversations": placed,
        "equal": sent == placed,
        "answers_in_mailboxes": demo.feed.answers,
        "lag": sum(lags.values()),
        "lags": lags,
        "router": demo.supervisor.services["router"].state,
        "services": services,
        "duty": duty(demo.applied, demo.now()) if demo.applied else [],
        "smtp": f"{demo.relay.host}:{demo.relay.port}",
    }
