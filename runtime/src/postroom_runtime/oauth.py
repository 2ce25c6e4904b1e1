"""Access tokens of mail accounts: refreshed before they end, by one process at a time, never after a grant was refused.

A grant that its provider takes no more (`invalid_grant`) turns its own account red and is not asked for again until
`postroom ingest connect ACCOUNT` brings a new one. Source: RFC 6749 sections 5.2 and 6.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from postroom_contracts.configuration import MailAccount, OAuth

from postroom_runtime import mongo
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.metrics import OAUTH_EXPIRES, OAUTH_REFRESHES, OAUTH_REFUSED
from postroom_runtime.oauth_cipher import TokenCipher, TokenKeyError
from postroom_runtime.oauth_grants import DATABASE, Grant, GrantStore, MongoGrantStore, Tokens
from postroom_runtime.secrets import MissingSecretError
from postroom_runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 20.0
CLAIM_SECONDS = 30.0
"""Longer than one request, so that a second process does not refresh beside a slow first one."""
_LOOK_SECONDS = 0.1
MARGIN = timedelta(minutes=5)
"""A token is renewed so long before its end, or when a fifth of its life is left, whichever is later."""
_LOST = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
"""Microsoft tells with the last three that a person has to log in again."""
_FOR_NOW = frozenset({"temporarily_unavailable", "server_error", "slow_down"})


class AuthorisationError(Exception):
    """No token is to be had until a person acts; the message says what. It is this account's trouble alone."""


class TokenServerError(InfrastructureError):
    """The token endpoint was not reached or answered nonsense: try again later."""


class TokenRefusedError(Exception):
    """The token endpoint said no. `code` is RFC 6749's, `detail` a code of the provider's own, else empty."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail


Refresh = Callable[[OAuth, str, Clock], Awaitable[Tokens]]
"""Asks for new tokens by a refresh token. Raises TokenRefusedError, TokenServerError, MissingSecretError."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """`renew_at`: when it should no longer be used. `version` names it in `refused`."""

    value: str
    renew_at: datetime
    version: int


def renew_at(grant: Grant) -> datetime:
    """Return when a token is renewed: five minutes before its end, a short-lived one when a fifth is left."""
    return grant.expires_at - min(MARGIN, (grant.expires_at - grant.issued_at) / 5)


class AccessTokens:
    """Gives access tokens of accounts that have `oauth`. `open_store` is called at the first use."""

    def __init__(self, open_store: Callable[[], GrantStore], refresh: Refresh, clock: Clock) -> None:
        self._open_store = open_store
        self._ask = refresh
        self._clock = clock
        self._store: GrantStore | None = None
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._red: dict[str, bool] = {}
        """Accounts that are shown as refused: whether by their grant, which others may have mended by now."""

    async def token(self, account: MailAccount) -> AccessToken:
        """Return a token that is good for a while. Raises AuthorisationError, or InfrastructureError for now."""
        assert account.oauth is not None
        try:
            async with self._locks[account.id]:
                grant = await self._usable(account, account.oauth)
        except (TokenKeyError, MissingSecretError) as error:
            raise AuthorisationError(str(error)) from error
        self._red.pop(account.id, None)
        OAUTH_REFUSED.labels(account.id).set(0)
        OAUTH_EXPIRES.labels(account.id).set(grant.expires_at.timestamp())
        assert grant.access_token is not None
        return AccessToken(grant.access_token, renew_at(grant), grant.version)

    async def refused(self, account_id: str, token: AccessToken) -> None:
        """Note that a mail server refused this token, so that the next call gets another. Repeats change nothing."""
        await self._grants().forget_access(account_id, token.version)

    async def look_again(self, account_ids: Collection[str]) -> None:
        """Show accounts no more as refused that have a good grant again, or that are none of `account_ids` any longer.

        Whoever asks for tokens seldom would show what was until then. Nothing is asked for while no account is red.
        """
        for account_id, by_grant in list(self._red.items()):
            if account_id not in account_ids:
                with suppress(KeyError):
                    OAUTH_REFUSED.remove(account_id)
            elif by_grant and (grant := await self._grants().load(account_id)) and grant.refused is None:
                OAUTH_REFUSED.labels(account_id).set(0)
            else:
                continue
            self._red.pop(account_id, None)

    def _turn_red(self, account_id: str, *, by_grant: bool) -> None:
        self._red[account_id] = by_grant
        OAUTH_REFUSED.labels(account_id).set(1)

    def _refused_grant(self, account_id: str, why: str) -> AuthorisationError:
        self._turn_red(account_id, by_grant=True)
        return AuthorisationError(f"grant {why}: run `postroom ingest connect {account_id}`")

    def _grants(self) -> GrantStore:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    async def _usable(self, account: MailAccount, oauth: OAuth) -> Grant:
        """Return the grant with a token that is good: ours, or one that another process gets meanwhile."""
        deadline = monotonic() + CLAIM_SECONDS + REQUEST_SECONDS
        while True:
            grant = await self._grants().load(account.id)
            if grant is None or grant.refused is not None:
                raise self._refused_grant(
                    account.id, "not connected" if grant is None else f"refused ({grant.refused})"
                )
            if grant.access_token is not None and self._clock.now() < renew_at(grant):
                return grant
            if await self._grants().claim(account.id, grant.version, CLAIM_SECONDS):
                await self._refresh(account.id, oauth, grant)
            elif monotonic() > deadline:
                raise TokenServerError(f"account {account.id}: another process does not finish its refresh")
            else:
                await asyncio.sleep(_LOOK_SECONDS)

    async def _refresh(self, account_id: str, oauth: OAuth, grant: Grant) -> None:
        try:
            tokens = await self._ask(oauth, grant.refresh_token, self._clock)
        except TokenRefusedError as error:
            await self._told_no(account_id, grant, error)
        except BaseException:
            OAUTH_REFRESHES.labels(account_id, "failed").inc()
            await self._grants().release(grant)
            raise
        else:
            OAUTH_REFRESHES.labels(account_id, "renewed").inc()
            await self._grants().save(grant, tokens)

    async def _told_no(self, account_id: str, grant: Grant, error: TokenRefusedError) -> None:
        OAUTH_REFRESHES.labels(account_id, "refused").inc()
        if error.code in _LOST:
            await self._grants().refuse(grant, str(error))
            raise self._refused_grant(account_id, f"refused ({error})") from error
        await self._grants().release(grant)
        if error.code in _FOR_NOW:
            raise TokenServerError(f"token endpoint of account {account_id}: {error}") from error
        self._turn_red(account_id, by_grant=False)
        message = (
            f"the provider refuses the client of account {account_id} ({error}): look at client_id and client_secret"
        )
        raise AuthorisationError(message) from error


def open_grants(client: mongo.MongoClient, settings: RuntimeSettings, clock: Clock) -> GrantStore:
    """Return the deployment's store of grants. Raises TokenKeyError when no key is set."""
    return MongoGrantStore(mongo.database(client, settings, DATABASE), TokenCipher(settings.token_cipher_keys()), clock)


async def refreshed(oauth: OAuth, refresh_token: str, clock: Clock) -> Tokens:
    """Ask the provider (a `Refresh`). The HTTP client is loaded by the first account that needs it."""
    from postroom_runtime import oauth_requests  # noqa: PLC0415

    return await oauth_requests.refreshed(oauth, refresh_token, clock)
