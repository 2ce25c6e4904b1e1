"""The mail front: what a company's MTA does and the embedded mail server does not.

Takes mail over SMTP, with log-in or without; delivers to the mailbox without the plus part and keeps the address that it
came for in X-Original-To; says by Authentication-Results who had logged in; returns a report for mailboxes that do not exist.
"""

import asyncio
import logging
import smtplib
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from postroom_contracts.thread_keys import without_plus

from postroom_demo.authentication import (
    from_addresses,
    name_of,
    results_field,
    split,
    without_foreign_results,
)

_DATA_LIMIT_BYTES = 40 * 1024 * 1024
_HANDOVER_SECONDS = 30.0
_OK = "250 2.0.0 OK"
# aiosmtpd warns, at each log-in, of an attribute that only it uses itself.
logging.getLogger("mail.log").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Directory:
    """Who is known. `passwords`: login to password, lower case. At `checked_domains` only `mailboxes` exist."""

    passwords: Mapping[str, str]
    mailboxes: Collection[str]
    checked_domains: Collection[str]
    own_domain: str
    authserv_id: str

    def exists(self, mailbox: str) -> bool:
        """Say whether mail for `mailbox` (lower case, without plus part) can be delivered; foreign ones always."""
        return mailbox in self.mailboxes or mailbox.rpartition("@")[2] not in self.checked_domains


@dataclass(frozen=True, slots=True)
class Delivered:
    """One mail as it was put into a mailbox: the address that it came for, and its bytes."""

    mailbox: str
    recipient: str
    content: bytes
    is_bounce: bool = False


Listener = Callable[[Delivered], None]


def prepared(raw: bytes, directory: Directory, recipient: str, login: str | None) -> bytes:
    """Return the mail as it is delivered for `recipient`: our fields on top, those that pretend to be ours gone."""
    fields, rest = split(raw)
    kept = without_foreign_results(fields, directory.authserv_id)
    kept = [f for f in kept if name_of(f) not in ("delivered-to", "x-original-to")]
    mailbox = without_plus(recipient)
    added = [f"Delivered-To: {mailbox}\r\nX-Original-To: {recipient}\r\n".encode()]
    results = results_field(directory.authserv_id, from_addresses(fields), login, directory.own_domain)
    return b"".join([*([results] if results else []), *added, *kept, rest])


def bounce(raw: bytes, sender: str, recipient: str, at: datetime, authserv_id: str) -> bytes:
    """Return the report that `recipient` does not exist, for the envelope's `sender` (RFC 3464, RFC 6522)."""
    fields, _ = split(raw)
    original_id = next((f.partition(b":")[2].strip().decode("ascii", "replace") for f in fields if _is_id(f)), "")
    boundary = uuid.uuid4().hex
    report = _REPORT.format(
        host=authserv_id,
        sender=sender,
        recipient=recipient,
        date=format_datetime(at),
        unique=uuid.uuid4().hex,
        references=f"References: {original_id}\n" if original_id else "",
        boundary=boundary,
    )
    start, end = report.encode().replace(b"\n", b"\r\n").split(b"@@HEADERS@@")
    return start + b"".join(fields) + end


def _is_id(field: bytes) -> bool:
    return name_of(field) == "message-id"


_REPORT = """\
From: Mail Delivery System <mailer-daemon@{host}>
To: {sender}
Subject: Undelivered Mail Returned to Sender
Date: {date}
Message-ID: <{unique}@{host}>
Auto-Submitted: auto-replied
{references}MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"

--{boundary}
Content-Type: text/plain; charset=us-ascii

This is the mail system at host {host}.

<{recipient}>: user unknown

--{boundary}
Content-Type: message/delivery-status

Reporting-MTA: dns; {host}

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: user unknown

--{boundary}
Content-Type: text/rfc822-headers

@@HEADERS@@
--{boundary}--
"""


@dataclass(slots=True)
class Relay:
    """The SMTP server of the demo on one loopback port; hands over to the mail server behind it.

    `listeners` are told of every mail that was put into a mailbox, in the relay's own loop.
    """

    directory: Directory
    host: str
    port: int
    server_port: int
    now: Callable[[], datetime]
    listeners: list[Listener] = field(default_factory=list)
    taken: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._protocol(loop), self.host, self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    def _protocol(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        return SMTP(
            _Handler(self),
            data_size_limit=_DATA_LIMIT_BYTES,
            enable_SMTPUTF8=True,
            hostname=self.directory.authserv_id,
            ident="Postroom demo",
            authenticator=self._authenticate,
            auth_require_tls=False,
            loop=loop,
        )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        login = data.login.decode("utf-8", "replace").lower()
        good = self.directory.passwords.get(login) == data.password.decode("utf-8", "replace")
        return AuthResult(success=good, handled=False, auth_data=login)

    async def take(self, raw: bytes, sender: str, recipients: Collection[str], login: str | None) -> None:
        """Deliver one mail to all recipients. Raises OSError or smtplib.SMTPException when the server does not take it."""
        for recipient in recipients:
            if self.directory.exists(without_plus(recipient)):
                await self._deliver(sender, recipient, prepared(raw, self.directory, recipient, login))
            elif sender:
                report = bounce(raw, sender, recipient, self.now(), self.directory.authserv_id)
                await self._deliver("", sender, prepared(report, self.directory, sender, None), is_bounce=True)
        self.taken += 1

    async def _deliver(self, sender: str, recipient: str, content: bytes, *, is_bounce: bool = False) -> None:
        mailbox = without_plus(recipient)
        await asyncio.to_thread(self._hand_over, sender, mailbox, content)
        for listener in self.listeners:
            listener(Delivered(mailbox, recipient, content, is_bounce))

    def _hand_over(self, sender: str, mailbox: str, content: bytes) -> None:
        with smtplib.SMTP(self.host, self.server_port, self.directory.authserv_id, timeout=_HANDOVER_SECONDS) as server:
            # The embedded server forgets a null sender, and then wants one; the report itself says what it is.
            server.sendmail(sender or f"mailer-daemon@{self.directory.authserv_id}", [mailbox], content)


class _Handler:
    """What aiosmtpd calls for each command."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return _OK

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        login = session.auth_data if session.authenticated else None
        raw = bytes(envelope.original_content or b"")
        try:
            await self._relay.take(raw, envelope.mail_from or "", envelope.rcpt_tos, login)
        except (OSError, smtplib.SMTPException) as error:
            return f"451 4.3.0 not delivered: {type(error).__name__}"
        return _OK
