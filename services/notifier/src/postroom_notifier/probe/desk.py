"""The desk's API, as the probe asks it."""

import httpx


class HttpDesk:
    """Asks for the facts of a conversation: they stand there once the read model has taken them in."""

    def __init__(self, url: str, token: str | None, timeout_seconds: float = 5.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.AsyncClient(base_url=url.rstrip("/"), headers=headers, timeout=timeout_seconds)

    async def shows(self, conversation_id: str, message_id: str) -> bool:
        try:
            answer = await self._client.get(f"/api/v1/conversations/{conversation_id}/events", params={"limit": 1000})
            events = answer.raise_for_status().json()["items"]
        except (httpx.HTTPError, ValueError, KeyError):
            return False
        return any(one["event"].get("data", {}).get("message_id") == message_id for one in events)

    async def close(self) -> None:
        await self._client.aclose()
