"""An OpenID provider: discovery, code with PKCE by Authlib, id tokens by joserfc. Foreign errors end here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import httpx
import structlog
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from postroom_runtime.clock import monotonic

from postroom_desk.identity.sign_on import Claims, Journey, SignOnError
from postroom_desk.settings import is_loopback

log = structlog.get_logger(__name__)
TIMEOUT_SECONDS = 8.0
REMEMBERED_SECONDS = 3600.0
KEYS_AGAIN_SECONDS = 30.0
"""So long at least between two readings of the keys, whoever sends tokens with unknown ones."""
LEEWAY_SECONDS = 60
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signed with a key of the provider's: neither `none` nor one that our own secret would make."""


@dataclass(frozen=True, slots=True)
class OidcClient:
    """What the provider knows us as. `secret` None: a public client."""

    issuer: str
    client_id: str
    secret: str | None
    redirect_uri: str
    scope: str = "openid email profile"


@dataclass(slots=True)
class OidcProvider:
    """Port Provider. `transport` is for tests."""

    client: OidcClient
    transport: httpx.AsyncBaseTransport | None = None
    _metadata: dict[str, Any] = field(default_factory=dict)
    _metadata_at: float = float("-inf")
    _keys: KeySet | None = None
    _keys_at: float = float("-inf")

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        metadata = await self._discovered()
        challenge = {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
        async with self._http() as http:
            way, _ = http.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=nonce, **challenge
            )
        return str(way)

    async def claims(self, code: str, issuer: str | None, journey: Journey) -> Claims:
        metadata = await self._discovered()
        wanted = metadata.get("authorization_response_iss_parameter_supported")
        if (issuer is not None or wanted) and issuer != metadata["issuer"]:
            raise SignOnError("provider")
        answer = await self._exchanged(metadata, code, journey)
        token = await self._checked(metadata, str(answer.get("id_token", "")), journey)
        if "email" not in token and "userinfo_endpoint" in metadata:
            token = {**await self._user_info(metadata, str(answer.get("access_token", "")), token), **token}
        verified = token.get("email_verified") in (True, "true")  # some providers send text
        return Claims(str(token["sub"]), str(token.get("email", "")), verified)

    def _http(self, method: str = "none") -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self.client.client_id,
            self.client.secret,
            token_endpoint_auth_method=method,
            scope=self.client.scope,
            redirect_uri=self.client.redirect_uri,
            timeout=TIMEOUT_SECONDS,
            transport=self.transport,
        )

    async def _discovered(self) -> dict[str, Any]:
        """Return the provider's metadata (OpenID Connect Discovery 1.0 section 4), for an hour the same."""
        if monotonic() - self._metadata_at > REMEMBERED_SECONDS:
            found = await self._read(f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self.client.issuer.rstrip("/"):
                raise _failed("the issuer of its metadata is another")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                _require_https(str(found.get(name, "")), name)
            self._metadata, self._metadata_at = found, monotonic()
        return self._metadata

    async def _read(self, address: str) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=self.transport) as http:
                answer = await http.get(address)
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _failed(f"{address.rpartition('/')[2]}: {type(error).__name__}") from error
        if not isinstance(found, dict):
            raise _failed("its metadata are no JSON object")
        return found

    async def _exchanged(self, metadata: Mapping[str, Any], code: str, journey: Journey) -> Mapping[str, Any]:
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        try:
            async with self._http(basic if self.client.secret else "none") as http:
                if self.client.secret and basic == "client_secret_basic":
                    # RFC 6749 section 2.3.1 has both encoded as in forms, which Authlib leaves out
                    http.client_id, http.client_secret = map(quote_plus, (self.client.client_id, self.client.secret))
                answer: Mapping[str, Any] = await http.fetch_token(
                    metadata["token_endpoint"],
                    code=code,
                    code_verifier=journey.verifier,
                    grant_type="authorization_code",
                )
        except OAuthError as error:
            raise _failed(f"token endpoint: {error.error}") from error
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise _failed(f"token endpoint: {type(error).__name__}") from error
        return answer

    async def _checked(self, metadata: Mapping[str, Any], id_token: str, journey: Journey) -> dict[str, Any]:
        """Return the claims of an id token (OpenID Connect Core 1.0 section 3.1.3.7). Raises SignOnError."""
        try:
            claims = await self._verified(metadata, id_token)
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": metadata["issuer"]},
                aud={"essential": True, "value": self.client.client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": journey.nonce},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _failed(f"id token: {type(error).__name__}") from error
        audience = claims["aud"]
        several = isinstance(audience, list) and len(audience) > 1
        if (several or "azp" in claims) and claims.get("azp") != self.client.client_id:
            raise _failed("id token: made for another client")
        return claims

    async def _verified(self, metadata: Mapping[str, Any], id_token: str) -> dict[str, Any]:
        """Verify the signature; a key that is not known makes the keys be read again (section 10.1.1)."""
        keys = await self._key_set(metadata, REMEMBERED_SECONDS)
        try:
            return dict(jwt.decode(id_token, keys, algorithms=list(ALGORITHMS)).claims)
        except (JoseError, ValueError):
            again = await self._key_set(metadata, KEYS_AGAIN_SECONDS)
            if again is keys:
                raise
            return dict(jwt.decode(id_token, again, algorithms=list(ALGORITHMS)).claims)

    async def _key_set(self, metadata: Mapping[str, Any], at_most: float) -> KeySet:
        if self._keys is None or monotonic() - self._keys_at > at_most:
            found = await self._read(metadata["jwks_uri"])
            signing = [k for k in found.get("keys", []) if isinstance(k, dict) and k.get("use", "sig") == "sig"]
            self._keys, self._keys_at = KeySet.import_key_set({"keys": signing}), monotonic()
        return self._keys

    async def _user_info(self, metadata: Mapping[str, Any], access: str, token: Mapping[str, Any]) -> dict[str, Any]:
        """Read the claims that are not in the id token; they count for the same subject alone (section 5.3.2)."""
        _require_https(metadata["userinfo_endpoint"], "userinfo_endpoint")
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=self.transport) as http:
                answer = await http.get(metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {access}"})
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _failed(f"userinfo: {type(error).__name__}") from error
        if not isinstance(found, dict) or found.get("sub") != token["sub"]:
            raise _failed("userinfo: of another subject")
        return found


def _require_https(address: str, name: str) -> None:
    parsed = httpx.URL(address) if address else httpx.URL("")
    if parsed.scheme != "https" and not (parsed.scheme == "http" and is_loopback(parsed.host)):
        raise _failed(f"{name} is not an https address")


def _failed(why: str) -> SignOnError:
    """What is wrong at the provider is told to the operator's log, not to a visitor."""
    log.warning("single sign-on failed", reason=why)
    return SignOnError("provider")
