"""Mail over SMTP: a few connections per account, used again, every wait with a deadline."""

import asyncio
import contextlib
import re
import socket
import ssl
from dataclasses import dataclass
from functools import cached_property

import aiosmtplib
import structlog
from aiosmtplib import SMTP
from postroom_contracts.configuration import MailAccount, SmtpServer
from postroom_runtime.clock import monotonic
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.oauth import AccessTokens, AuthorisationError
from postroom_runtime.secrets import MissingSecretError, resolve

from postroom_notifier.adapters.dkim_signer import SigningError, signed
from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import Accepted, Refusal, Rejected, SendOutcome, TryAgain
from postroom_notifier.metrics import SEND_SECONDS
from postroom_notifier.settings import NotifierSettings

log = structlog.get_logger(__name__)
_ENHANCED = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})\b")
"""Enhanced status codes stand first in a reply's text (RFC 2034 section 4)."""
_ACCOUNT_CODES = frozenset({530, 534, 535, 538})
"""Log-in missing or refused (RFC 4954 section 6): the account's fault, not the mail's, and it gets mended."""
_CLOSING = 421
"""The server closes the connection (RFC 5321 section 3.8)."""
_TOO_LARGE_CODE = 552
_TOO_LARGE = frozenset({"5.2.3", "5.3.4"})
"""RFC 1870 section 6.1, RFC 3463 section 3: larger than the mailbox or the server takes."""
_COMPLETED = 250
_RECIPIENT_TAKEN = frozenset({250, 251})
"""251: not here, but it is forwarded (RFC 5321 section 4.3.2)."""
_QUIT_SECONDS = 2.0


class TooLargeError(Exception):
    """The mail is larger than the server said that it takes."""


@dataclass(slots=True)
class _Connection:
    client: SMTP
    server: SmtpServer
    mails: int = 0
    used_at: float = 0.0

    @property
    def fresh(self) -> bool:
        return self.mails == 0


class SmtpMailSender:
    """Sends through pooled connections. How many are open at once is the caller's limit of sends in flight."""

    def __init__(self, settings: NotifierSettings, tokens: AccessTokens | None = None) -> None:
        self._settings = settings
        self._tokens = tokens
        self._hostname = settings.smtp_hostname or socket.gethostname()
        self._idle: dict[str, list[_Connection]] = {}
        self._expiry: asyncio.Task[None] | None = None

    async def send(self, account: MailAccount, mail: OutgoingMail) -> SendOutcome:
        started = monotonic()
        try:
            async with asyncio.timeout(self._settings.smtp_send_seconds):
                if account.dkim is not None:
                    mail = await signed(mail, account.dkim)
                outcome = await self._send(account, mail)
        except Exception as error:  # noqa: BLE001 - whatever a server makes of us is an outcome, sorted by type
            outcome = classify(error)
        SEND_SECONDS.labels(type(outcome).__name__.lower()).observe(monotonic() - started)
        return outcome

    async def greet(self, account: MailAccount) -> None:
        """Connect and log in, send nothing. Raises what keeps it from that."""
        await _quit((await self._open(account)).client)

    async def _send(self, account: MailAccount, mail: OutgoingMail) -> SendOutcome:
        if account.smtp is None:
            return TryAgain("no_smtp_server", unreachable=True)
        connection = await self._take(account)
        try:
            try:
                await self._begin(connection.client, mail)
            except (aiosmtplib.SMTPSenderRefused, ConnectionError) as error:
                # The server dropped it while it lay idle: nothing was sent by it, so a new one may try at once.
                if connection.fresh or getattr(error, "code", _CLOSING) != _CLOSING:
                    raise
                connection.client.close()
                log.info("connection was gone", account=account.id, error=type(error).__name__)
                connection = await self._open(account)
                await self._begin(connection.client, mail)
            outcome = await self._hand_over(connection.client, mail)
        except BaseException:
            connection.client.close()
            raise
        await self._give_back(account.id, connection)
        return outcome

    @staticmethod
    async def _begin(client: SMTP, mail: OutgoingMail) -> None:
        options, encoding = ([b"SMTPUTF8"], "utf-8") if mail.utf8 else ([], "ascii")
        if mail.utf8 and not client.supports_extension("smtputf8"):
            raise aiosmtplib.SMTPNotSupported("SMTPUTF8")
        largest = int(client.esmtp_extensions.get("size") or 0) if client.supports_extension("size") else 0
        if 0 < largest < len(mail.body):  # RFC 1870 section 5: 0 says nothing
            raise TooLargeError
        if client.supports_extension("size"):
            options = [*options, b"SIZE=%d" % len(mail.body)]
        # The library's mail() and rcpt() parse each address again; ours are checked (`headers.mail_address`).
        path = f"FROM:<{mail.sender}>".encode(encoding)
        response = await client.execute_command(b"MAIL", path, *options)
        if response.code != _COMPLETED:
            raise aiosmtplib.SMTPSenderRefused(response.code, response.message, mail.sender)

    @staticmethod
    async def _hand_over(client: SMTP, mail: OutgoingMail) -> SendOutcome:
        refusals: list[Refusal] = []
        for recipient in mail.recipients:
            path = f"TO:<{recipient}>".encode("utf-8" if mail.utf8 else "ascii")
            response = await client.execute_command(b"RCPT", path)
            if response.code == _CLOSING:
                raise aiosmtplib.SMTPRecipientRefused(response.code, response.message, recipient)
            if response.code not in _RECIPIENT_TAKEN:
                refusals.append(Refusal(recipient, response.code, enhanced(response.message)))
        if len(refusals) == len(mail.recipients):
            await client.rset()
            return nobody_taken(refusals)
        await client.data(mail.body)
        return Accepted(tuple(refusals))

    async def _take(self, account: MailAccount) -> _Connection:
        """Return an idle connection that is young enough, else a new one."""
        idle = self._idle.get(account.id, [])
        while idle:
            connection = idle.pop()
            young = monotonic() - connection.used_at < self._settings.smtp_idle_seconds
            if young and connection.server == account.smtp and connection.client.is_connected:
                return connection
            connection.client.close()
        return await self._open(account)

    async def _open(self, account: MailAccount) -> _Connection:
        server = account.smtp
        assert server is not None
        client = SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._hostname,
            timeout=self._settings.smtp_command_seconds,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            tls_context=None if server.tls == "none" else self._tls(server),
        )
        try:
            await client.connect()
            if account.oauth is not None:
                await self._login_by_token(client, account)
            elif server.user is not None and server.password is not None:
                await client.login(server.user, resolve(server.password))
            elif client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except BaseException:
            client.close()
            raise
        return _Connection(client, server)

    async def _login_by_token(self, client: SMTP, account: MailAccount) -> None:
        """Log in by XOAUTH2. A refused token is dropped, so that the next try, after the account's rest, has a fresh one."""
        if self._tokens is None:
            raise AuthorisationError(f"account {account.id} logs in by OAuth, which is not set up here")
        try:
            token = await self._tokens.token(account)
        except AuthorisationError as error:
            log.error("login refused", account=account.id, error=str(error))  # noqa: TRY400 - no trace needed
            raise
        try:
            await client.auth_xoauth2(account.smtp_user or "", token.value)
        except aiosmtplib.SMTPAuthenticationError:
            await self._tokens.refused(account.id, token)
            raise

    def _tls(self, server: SmtpServer) -> ssl.SSLContext:
        """Return what verifies the server's certificate and name: the account's authorities, the deployment's, the system's."""
        if server.tls_ca_file is not None:
            return ssl.create_default_context(cafile=server.tls_ca_file)
        return self._default_tls

    @cached_property
    def _default_tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._settings.smtp_ca_file)

    async def _give_back(self, account_id: str, connection: _Connection) -> None:
        connection.mails += 1
        connection.used_at = monotonic()
        if connection.mails < self._settings.smtp_mails_per_connection and connection.client.is_connected:
            self._idle.setdefault(account_id, []).append(connection)
            self._expire_soon()
        else:
            await _quit(connection.client)

    def _expire_soon(self) -> None:
        if self._expiry is None:
            wait = max(self._settings.smtp_idle_seconds, 0.05)
            self._expiry = asyncio.get_running_loop().create_task(self._expire(wait), name="smtp idle")

    async def _expire(self, wait_seconds: float) -> None:
        """Close what lies idle for too long, until nothing does: servers drop it, and count it against us until then."""
        while any(self._idle.values()):
            await asyncio.sleep(wait_seconds)
            oldest = monotonic() - wait_seconds
            late = [c for cs in self._idle.values() for c in cs if c.used_at <= oldest]
            self._idle = {a: [c for c in cs if c.used_at > oldest] for a, cs in self._idle.items()}
            await asyncio.gather(*(_quit(c.client) for c in late))
        self._expiry = None

    async def close(self) -> None:
        """Say goodbye on all idle connections."""
        if self._expiry is not None:
            self._expiry.cancel()
            await asyncio.gather(self._expiry, return_exceptions=True)
            self._expiry = None
        idle, self._idle = [c for cs in self._idle.values() for c in cs], {}
        await asyncio.gather(*(_quit(c.client) for c in idle))


async def _quit(client: SMTP) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.quit(), _QUIT_SECONDS)
    client.close()


def enhanced(message: str) -> str | None:
    """Return the RFC 3463 code at the start of a reply's text, such as `5.1.1`."""
    found = _ENHANCED.match(message)
    return found.group(1) if found else None


def nobody_taken(refusals: list[Refusal]) -> SendOutcome:
    """Return what it means that no recipient was taken: one that may be tried again is reason enough to."""
    soft = next((r for r in refusals if not r.permanent), None)
    if soft is not None:
        return TryAgain("refused_for_now", code=soft.status)
    return Rejected("refused", refusals[0].status, tuple(refusals))


def classify(error: Exception) -> SendOutcome:
    """Return what an error of the connection or the server means, by its type and code."""
    if (known := _before_sending(error)) is not None:
        return known
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            reason = "account_refused" if error.code >= 500 else "server_unavailable"  # noqa: PLR2004 - RFC 4954 section 6
            return TryAgain(reason, unreachable=True, code=str(error.code))
        case aiosmtplib.SMTPConnectResponseError() | aiosmtplib.SMTPHeloError():
            return TryAgain("server_unavailable", unreachable=True, code=str(error.code))
        case aiosmtplib.SMTPResponseException():
            return _by_code(error.code, enhanced(error.message))
        case AuthorisationError():
            return TryAgain("account_refused", unreachable=True)
        case aiosmtplib.SMTPConnectError() | InfrastructureError():
            return TryAgain("unreachable", unreachable=True)
        case aiosmtplib.SMTPServerDisconnected() | aiosmtplib.SMTPTimeoutError() | TimeoutError() | ConnectionError():
            # It may have been taken: it is tried again with the same Message-ID, which the receiver can recognise.
            return TryAgain("no_answer")
        case OSError() | MissingSecretError():
            log.warning("mail server cannot be used", error=type(error).__name__)
            return TryAgain("unreachable", unreachable=True)
    log.error("mail not sent", error=type(error).__name__, exc_info=error)
    return TryAgain("error")


def _before_sending(error: Exception) -> SendOutcome | None:
    """Return what it means when the mail did not go out because of itself, or because it could not be signed."""
    match error:
        case SigningError():  # unsigned it would be taken for forged, so it waits
            log.warning("mail cannot be signed", error=str(error))
            return TryAgain("dkim_key", unreachable=True)
        case TooLargeError():
            return Rejected("too_large")
        case aiosmtplib.SMTPNotSupported() | UnicodeEncodeError():
            return Rejected("address_not_supported")
    return None


def _by_code(code: int, status: str | None) -> SendOutcome:
    if code in _ACCOUNT_CODES:
        return TryAgain("account_refused", unreachable=True, code=str(code))
    if code == _CLOSING:
        return TryAgain("server_unavailable", unreachable=True, code=str(code))
    if code >= 500:  # noqa: PLR2004 - RFC 5321 section 4.2.1
        too_large = status in _TOO_LARGE or (status is None and code == _TOO_LARGE_CODE)
        return Rejected("too_large" if too_large else "refused", status or str(code))
    return TryAgain("refused_for_now", code=status or str(code))
