"""Other services' REST APIs, asked on behalf of the page: short timeouts, and None when they do not answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from postroom_runtime.clock import monotonic

from postroom_desk.ports import Figures

Answer = tuple[int, Any] | None
MAX_REMEMBERED = 20


class HttpPeer:
    """Ports Figures, Demo and WebhookDoor. `base_url` None: there is no such service; `headers` go with each request."""

    def __init__(self, base_url: str | None, timeout_seconds: float, headers: Mapping[str, str] | None = None) -> None:
        self._client = (
            None
            if base_url is None
            else httpx.AsyncClient(
                base_url=base_url.rstrip("/"), timeout=timeout_seconds, trust_env=False, headers=headers
            )
        )

    async def get(self, path: str, query: Mapping[str, str]) -> tuple[int, Any] | None:
        return await self._ask("GET", path, params=dict(query))

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any] | None:
        return await self._ask(method, path, json=body)

    async def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Any] | None:
        return await self._ask(method, path, params=query, json=body)

    async def _ask(self, method: str, path: str, **options: Any) -> tuple[int, Any] | None:
        """Return status and JSON (None for an empty or another body); None when nobody answers in time."""
        if self._client is None:
            return None
        try:
            answer = await self._client.request(method, path, **options)
        except httpx.HTTPError:
            return None
        is_json = answer.headers.get("content-type", "").split(";")[0].endswith("json")
        try:
            return answer.status_code, answer.json() if is_json and answer.content else None
        except ValueError:
            return None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


@dataclass(slots=True)
class RememberedFigures:
    """Port Figures for a page that looks many times a second: an answer is used for a while, then asked for anew.

    Who looks gets the last answer at once while the next one is on its way, so a slow analytics slows no page down. At
    most `MAX_REMEMBERED` questions are remembered; others are passed on.
    """

    behind: Figures
    seconds: float = 1.0
    _answers: dict[str, tuple[float, Answer]] = field(default_factory=dict)
    _asking: dict[str, asyncio.Task[Answer]] = field(default_factory=dict)

    async def get(self, path: str, query: Mapping[str, str]) -> Answer:
        question = f"{path}?{sorted(query.items())}"
        asked_at, answer = self._answers.get(question, (float("-inf"), None))
        if question in self._answers and monotonic() - asked_at < self.seconds:
            return answer
        if question not in self._answers and len(self._answers) >= MAX_REMEMBERED:
            return await self.behind.get(path, query)
        if question not in self._asking:
            self._asking[question] = asyncio.create_task(self._ask(question, path, query))
        return answer if question in self._answers else await asyncio.shield(self._asking[question])

    async def _ask(self, question: str, path: str, query: Mapping[str, str]) -> Answer:
        try:
            answer = await self.behind.get(path, query)
            self._answers[question] = (monotonic(), answer)
            return answer
        finally:
            del self._asking[question]
