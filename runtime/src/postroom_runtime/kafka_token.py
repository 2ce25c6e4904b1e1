"""Access tokens for Kafka's SASL/OAUTHBEARER: from a file that somebody renews, or by client credentials.

Sources: RFC 6749 section 4.4 (client credentials), RFC 7628 (the mechanism). Kafka looks at a token when a connection is
made, and again only if the broker sets `connections.max.reauth.ms`: then it ends the connection with the token, and the
client connects anew.
"""

import asyncio
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import structlog
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import OAuthAuthenticator
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from postroom_runtime.clock import monotonic
from postroom_runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)
REQUEST_SECONDS = 10.0
DEFAULT_LIFE_SECONDS = 300.0
"""Where the endpoint does not say how long a token lives (RFC 6749 section 5.1 leaves it open)."""
USED_SHARE = 0.8
"""A token is asked for again when so much of its life is over: it must last until the broker has looked at it."""


class KafkaTokenError(KafkaConnectionError):
    """There is no token just now: a connection that could not be made, tried again like any other."""


class FileTokens(AbstractTokenProvider):
    """The token that stands in a file at the time of each log-in, such as a projected token of a service account."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """Return the token. Raises KafkaTokenError naming the file."""
        try:
            text = await asyncio.to_thread(self._path.read_text, encoding="ascii")
        except (OSError, UnicodeError) as error:
            raise _failed(f"the token file {self._path} cannot be read: {type(error).__name__}") from error
        if not text.strip():
            raise _failed(f"the token file {self._path} is empty")
        return text.strip()


class ClientCredentials(AbstractTokenProvider):
    """A token of the identity provider for this deployment, kept until `USED_SHARE` of its life is over."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self._token = ""
        self._good_until = 0.0

    async def token(self) -> str:
        """Return a token that is good for a while. Raises KafkaTokenError naming the endpoint and what it said."""
        if monotonic() >= self._good_until:
            answer = await self._ask()
            life = float(answer.get("expires_in") or DEFAULT_LIFE_SECONDS)
            self._token, self._good_until = str(answer["access_token"]), monotonic() + life * USED_SHARE
        return self._token

    async def _ask(self) -> dict[str, Any]:
        s = self._settings
        secret = s.kafka_oauth_client_secret.get_secret_value() if s.kafka_oauth_client_secret else None
        trusted = ssl.create_default_context(cafile=s.kafka_oauth_ca_file)
        try:
            async with AsyncOAuth2Client(
                s.kafka_oauth_client_id, secret, scope=s.kafka_oauth_scope, timeout=REQUEST_SECONDS, verify=trusted
            ) as client:
                answer: dict[str, Any] = dict(
                    await client.fetch_token(s.kafka_oauth_token_url, grant_type="client_credentials")
                )
                float(answer.get("expires_in") or 0)
                return answer | {"access_token": answer["access_token"]}
        except OAuthError as error:
            raise _failed(f"{s.kafka_oauth_token_url} refuses {s.kafka_oauth_client_id}: {error.error}") from error
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise _failed(f"{s.kafka_oauth_token_url} gives no token: {type(error).__name__}") from error


def _failed(message: str) -> KafkaTokenError:
    """The client says only that it could not connect: the reason is said here."""
    log.error("no token for Kafka", reason=message)
    return KafkaTokenError(message)


_step = OAuthAuthenticator.step


async def _step_or_refusal(self: OAuthAuthenticator, payload: bytes | None) -> Any:
    """As aiokafka's, but a refusal is one: RFC 7628 section 3.2.2 sends it as an answer, which aiokafka takes for a yes.

    It then speaks on over a connection on which nothing is answered, and a producer tries that for ever.
    """
    if self._token_sent and payload:
        log.error("Kafka refuses the token", answer=payload[:200].decode(errors="replace"))
        raise SaslAuthenticationFailed("the broker refuses the access token")
    return await _step(self, payload)


OAuthAuthenticator.step = _step_or_refusal


@lru_cache(maxsize=8)
def token_provider(settings: RuntimeSettings) -> AbstractTokenProvider:
    """Return the provider that all clients of these settings share, so that they do not ask for a token each."""
    if settings.kafka_oauth_token_file is not None:
        return FileTokens(settings.kafka_oauth_token_file)
    return ClientCredentials(settings)
