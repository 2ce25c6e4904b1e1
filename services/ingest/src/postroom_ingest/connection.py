"""Logging in to an account's mail server: by password or by an access token, TLS verified."""

import ssl
from dataclasses import dataclass
from datetime import datetime

from postroom_contracts.configuration import ImapServer, MailAccount
from postroom_runtime.oauth import AccessToken, AccessTokens, AuthorisationError
from postroom_runtime.secrets import resolve

from postroom_ingest.adapters.imap import ImapAccount, ImapSession, MailLoginError, MailServerError


@dataclass(frozen=True, slots=True)
class Connection:
    """A logged-in session. `renew_at`: when its access token is about to end, so that it is opened anew before."""

    session: ImapSession
    renew_at: datetime | None = None


class MailboxDoor:
    """Opens sessions of mail accounts."""

    def __init__(self, tokens: AccessTokens | None, timeout_seconds: float) -> None:
        self._tokens = tokens
        self._timeout_seconds = timeout_seconds

    async def open(self, account: MailAccount) -> Connection:
        """Return a logged-in session of an account that has `imap`.

        Raises MailLoginError, AuthorisationError or MissingSecretError when a person must act, MailServerError or
        InfrastructureError for now. A refused access token is dropped and a fresh one tried once: servers end tokens early.
        """
        assert account.imap is not None
        if account.oauth is None:
            password = resolve(account.imap.password)
            return Connection(await ImapSession.connect(self._where(account.imap, password=password)))
        tokens = self._required(account)
        token = await tokens.token(account)
        try:
            return await self._by_token(account.imap, token)
        except MailLoginError:
            await tokens.refused(account.id, token)
        return await self._by_token(account.imap, await tokens.token(account))

    async def _by_token(self, server: ImapServer, token: AccessToken) -> Connection:
        async def given() -> str:
            return token.value

        return Connection(await ImapSession.connect(self._where(server, token=given)), token.renew_at)

    def _required(self, account: MailAccount) -> AccessTokens:
        if self._tokens is None:
            raise AuthorisationError(f"account {account.id} logs in by OAuth, which is not set up here")
        return self._tokens

    def _where(self, server: ImapServer, **credentials: object) -> ImapAccount:
        return ImapAccount(
            host=server.host,
            port=server.port,
            user=server.user,
            tls=tls_context(server),
            timeout_seconds=self._timeout_seconds,
            **credentials,  # type: ignore[arg-type]
        )


def tls_context(server: ImapServer) -> ssl.SSLContext | None:
    """Return what verifies the server's certificate and name, None for plain text. Raises MailServerError for a bad file."""
    if not server.tls:
        return None
    try:
        return ssl.create_default_context(cafile=server.tls_ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise MailServerError(f"tls_ca_file {server.tls_ca_file}: {error.strerror or error}") from error
