"""What is said to a provider's OAuth endpoints, by Authlib over httpx; foreign errors end here."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from postroom_contracts.configuration import OAuth

from postroom_runtime.clock import Clock
from postroom_runtime.oauth import REQUEST_SECONDS, TokenRefusedError, TokenServerError
from postroom_runtime.oauth_grants import Tokens
from postroom_runtime.oauth_providers import endpoints_of
from postroom_runtime.secrets import resolve

DEFAULT_LIFE_SECONDS = 3600
"""Where the endpoint does not say (RFC 6749 section 5.1 leaves it open)."""
_MICROSOFT_CODE = re.compile(r"AADSTS\d{4,8}")


@asynccontextmanager
async def provider(oauth: OAuth, **options: Any) -> AsyncIterator[AsyncOAuth2Client]:
    """Open a client of the provider, with a deadline on every request; a public client sends no secret.

    Inside, what goes wrong becomes TokenRefusedError (the endpoint said no) or TokenServerError (not now).
    """
    secret = resolve(oauth.client_secret) if oauth.client_secret else None
    method = "client_secret_post" if secret else "none"
    scope = " ".join(endpoints_of(oauth).scopes)
    async with AsyncOAuth2Client(
        oauth.client_id, secret, token_endpoint_auth_method=method, scope=scope, timeout=REQUEST_SECONDS, **options
    ) as client:
        try:
            yield client
        except OAuthError as error:
            code = _MICROSOFT_CODE.search(error.description or "")
            raise TokenRefusedError(str(error.error), code[0] if code else "") from error
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise TokenServerError(f"token endpoint: {type(error).__name__}") from error


async def refreshed(oauth: OAuth, refresh_token: str, clock: Clock) -> Tokens:
    """Return new tokens for a refresh token (`oauth.Refresh`)."""
    async with provider(oauth) as client:
        answer = await client.refresh_token(endpoints_of(oauth).token_url, refresh_token=refresh_token)
        return tokens_of(answer, clock, before=refresh_token)


def tokens_of(answer: dict[str, Any], clock: Clock, before: str | None = None) -> Tokens:
    """Read a token endpoint's answer. Raises KeyError or ValueError when it holds no token."""
    life = timedelta(seconds=float(answer.get("expires_in") or DEFAULT_LIFE_SECONDS))
    given = answer.get("refresh_token")
    return Tokens(str(answer["access_token"]), clock.now() + life, None if given in (before, "") else given)
