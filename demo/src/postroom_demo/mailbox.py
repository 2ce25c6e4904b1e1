"""A mailbox read over IMAP with somebody's own credentials, as a mail program does it."""

import contextlib
import email
import email.policy
import imaplib
from dataclasses import dataclass
from email.message import EmailMessage

_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person has: address (also the login), password, and where IMAP and SMTP answer on loopback."""

    address: str
    password: str
    imap_port: int
    smtp_port: int
    host: str = "127.0.0.1"


class Mailbox:
    """The INBOX of one person. `new` gives each mail once per object; a lost connection is opened again."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._client: imaplib.IMAP4 | None = None
        self._seen = 0

    def new(self) -> list[EmailMessage]:
        """Return what came since the last call, in order of arrival. Raises OSError or imaplib.IMAP4.error."""
        try:
            client = self._connected()
            client.noop()
            found = self._above(client)
        except (OSError, imaplib.IMAP4.error):
            self.close()
            raise
        return found

    def all(self) -> list[EmailMessage]:
        """Return every mail that lies there, from the first."""
        self._seen = 0
        return self.new()

    def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                client.logout()

    def _connected(self) -> imaplib.IMAP4:
        if self._client is None:
            c = self._credentials
            client = imaplib.IMAP4(c.host, c.imap_port, timeout=_TIMEOUT_SECONDS)
            client.login(c.address, c.password)
            client.select("INBOX", readonly=True)
            self._client = client
        return self._client

    def _above(self, client: imaplib.IMAP4) -> list[EmailMessage]:
        _, data = client.uid("SEARCH", f"UID {self._seen + 1}:*")
        # `n:*` always matches the last mail, even below n (RFC 3501 section 6.4.8).
        uids = sorted(uid for uid in map(int, (data[0] or b"").split()) if uid > self._seen)
        found: list[EmailMessage] = []
        for uid in uids:
            _, parts = client.uid("FETCH", str(uid), "(BODY.PEEK[])")
            raw = next((part[1] for part in parts if isinstance(part, tuple)), None)
            self._seen = uid
            if raw is not None:
                message = email.message_from_bytes(raw, policy=email.policy.default)
                assert isinstance(message, EmailMessage)
                found.append(message)
        return found
