"""The desk's live updates, as the probe follows them."""

import asyncio
import json

import httpx

LOOK_SECONDS = 3.0
"""How long one look waits for the fact; the caller looks again."""
_BEGINNING = "999999:0"
"""A place before everything: one in a partition that is not there. An empty one would mean from now on."""


class HttpDesk:
    """Asks as a page does that was away for a while: what was missed is given once the read model has taken it in."""

    def __init__(self, url: str, token: str | None, timeout_seconds: float = 5.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.AsyncClient(base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=timeout_seconds)

    async def position(self) -> str:
        """Return up to where the desk has read now; empty while it does not answer."""
        try:
            async with asyncio.timeout(LOOK_SECONDS), self._client.stream("GET", "/events") as stream:
                async for line in stream.raise_for_status().aiter_lines():
                    if line.startswith("id:"):
                        return line[3:].strip() or _BEGINNING
        except (httpx.HTTPError, TimeoutError):
            pass
        return ""

    async def shows(self, conversation_id: str, message_id: str, since: str) -> bool:
        """Say whether the message is among what came since that position."""
        asked = {"conversation": conversation_id, "after": since}
        try:
            async with asyncio.timeout(LOOK_SECONDS), self._client.stream("GET", "/events", params=asked) as stream:
                async for line in stream.raise_for_status().aiter_lines():
                    if line.startswith("data:") and _message_of(line[5:]) == message_id:
                        return True
        except (httpx.HTTPError, TimeoutError):
            pass
        return False

    async def close(self) -> None:
        await self._client.aclose()


def _message_of(text: str) -> str | None:
    try:
        found = json.loads(text)["event"]["data"]["message_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(found)
