"""Other services' REST APIs, asked on behalf of the page: short timeouts, and None when they do not answer."""

from collections.abc import Mapping
from typing import Any

import httpx


class HttpPeer:
    """Ports Figures and Demo. `base_url` None: there is no such service."""

    def __init__(self, base_url: str | None, timeout_seconds: float) -> None:
        self._client = (
            None
            if base_url is None
            else httpx.AsyncClient(base_url=base_url.rstrip("/"), timeout=timeout_seconds, trust_env=False)
        )

    async def get(self, path: str, query: Mapping[str, str]) -> tuple[int, Any] | None:
        return await self._ask("GET", path, params=dict(query))

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any] | None:
        return await self._ask(method, path, json=body)

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, Any] | None:
        """Return status and JSON (None for an empty or another body); None when nobody answers in time."""
        if self._client is None:
            return None
        try:
            answer = await self._client.request(method, path, **options)
        except httpx.HTTPError:
            return None
        is_json = answer.headers.get("content-type", "").split(";")[0].endswith("json")
        return answer.status_code, answer.json() if is_json and answer.content else None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
