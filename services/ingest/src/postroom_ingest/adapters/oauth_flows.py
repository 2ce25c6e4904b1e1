"""How a person grants us access to a mailbox: device flow (RFC 8628), or code flow with a loopback redirect (RFC 8252)."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from postroom_contracts.configuration import OAuth
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.oauth import AuthorisationError, TokenRefusedError, TokenServerError
from postroom_runtime.oauth_grants import Tokens
from postroom_runtime.oauth_providers import endpoints_of
from postroom_runtime.oauth_requests import provider, tokens_of

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_POLL_SECONDS = 5.0
_SLOWER_SECONDS = 5.0
"""RFC 8628 section 3.5: each `slow_down` adds five seconds."""
_LINE_BYTES = 64 * 1024
_REQUEST_SECONDS = 10.0
Tell = Callable[[str], None]


async def device_flow(oauth: OAuth, clock: Clock, tell: Tell, patience_seconds: float) -> Tokens:
    """Return the tokens of a person who typed our code into a browser somewhere.

    Raises AuthorisationError when it was denied or took too long, TokenServerError, TokenRefusedError.
    """
    started = await _begin_device(oauth)
    uri = started.get("verification_uri_complete") or started.get("verification_uri") or started["verification_url"]
    tell(f"Open {uri} in any browser, log in as the mailbox, and enter the code {started['user_code']}")
    pause = float(started.get("interval") or _POLL_SECONDS)
    end = monotonic() + min(patience_seconds, float(started.get("expires_in") or patience_seconds))
    while monotonic() < end:
        await asyncio.sleep(pause)
        try:
            return await _ask_device(oauth, started["device_code"], clock)
        except TokenRefusedError as error:
            if error.code == "slow_down":
                pause += _SLOWER_SECONDS
            elif error.code != "authorization_pending":
                raise _said_no(error) from error
            tell("waiting for you ...")
    raise AuthorisationError("nobody entered the code in time: run the command again")


async def _begin_device(oauth: OAuth) -> dict[str, Any]:
    endpoints = endpoints_of(oauth)
    if endpoints.device_url is None:
        raise AuthorisationError("this provider has no device flow for mail: use --flow code")
    fields = {"client_id": oauth.client_id, "scope": " ".join(endpoints.scopes)}
    async with provider(oauth) as client:
        answer = await client.request("POST", endpoints.device_url, data=fields, withhold_token=True)
        if answer.is_server_error:
            answer.raise_for_status()
        started: dict[str, Any] = answer.json()
    if "error" in started:
        raise TokenRefusedError(str(started["error"]))
    if not {"device_code", "user_code"} <= set(started):
        raise TokenServerError("the device endpoint gave no code")
    return started


async def _ask_device(oauth: OAuth, device_code: str, clock: Clock) -> Tokens:
    async with provider(oauth) as client:
        answer = await client.fetch_token(
            endpoints_of(oauth).token_url, grant_type=DEVICE_GRANT, device_code=device_code, client_id=oauth.client_id
        )
        return tokens_of(answer, clock)


async def code_flow(oauth: OAuth, clock: Clock, tell: Tell, patience_seconds: float, port: int = 0) -> Tokens:
    """Return the tokens of a person who logged in by a browser on this machine. Raises as `device_flow`."""
    endpoints = endpoints_of(oauth)
    if endpoints.authorize_url is None:
        raise AuthorisationError(
            "this provider has no code flow configured: give `authorize_url`, or use --flow device"
        )
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    async with _redirect(state, port) as (answered, redirect_uri):
        async with provider(oauth, redirect_uri=redirect_uri, code_challenge_method="S256") as client:
            url, _ = client.create_authorization_url(
                endpoints.authorize_url, state=state, code_verifier=verifier, **endpoints.authorize_extra
            )
        tell(f"Open this address in a browser on this machine, and log in as the mailbox:\n{url}")
        tell("waiting for you ...")
        try:
            code = await asyncio.wait_for(answered, patience_seconds)
        except TimeoutError as error:
            raise AuthorisationError("nobody logged in in time: run the command again") from error
    async with provider(oauth, redirect_uri=redirect_uri) as client:
        answer = await client.fetch_token(
            endpoints.token_url, grant_type="authorization_code", code=code, code_verifier=verifier
        )
        return tokens_of(answer, clock)


@contextlib.asynccontextmanager
async def _redirect(state: str, port: int) -> AsyncIterator[tuple[asyncio.Future[str], str]]:
    """Listen on loopback for the browser; give the future code and the address that the provider sends it to."""
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                request = (await reader.readline()).decode("ascii", "replace").split(" ")
                found = _read_redirect(request[1] if len(request) > 1 else "", state)
                writer.write(_page(found))
                await writer.drain()
                _settle(answered, found)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=_LINE_BYTES)
    try:
        yield answered, f"http://localhost:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


@dataclass(frozen=True, slots=True)
class _Redirect:
    code: str | None = None
    error: str | None = None


def _read_redirect(target: str, state: str) -> _Redirect:
    """Read what the browser brings. A request with another state is not an answer to ours (RFC 6749 section 10.12)."""
    told = parse_qs(urlsplit(target).query)
    if not secrets.compare_digest(told.get("state", [""])[0].encode(), state.encode()):
        return _Redirect()
    return _Redirect(told.get("code", [None])[0], told.get("error", [None])[0])


def _page(found: _Redirect) -> bytes:
    text = "Postroom is connected. You can close this window." if found.code else "Postroom was not connected."
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    return (head + text).encode()


def _settle(answered: "asyncio.Future[str]", found: _Redirect) -> None:
    if answered.done():
        return
    if found.code is not None:
        answered.set_result(found.code)
    elif found.error is not None:
        answered.set_exception(_said_no(TokenRefusedError(found.error)))


def _said_no(error: TokenRefusedError) -> AuthorisationError:
    reasons = {
        "access_denied": "access was denied in the browser",
        "expired_token": "the code has expired: run the command again",
    }
    return AuthorisationError(reasons.get(error.code, f"the provider said no ({error}): look at client_id and scopes"))
