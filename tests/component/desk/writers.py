"""Who writes in the tests of the desk: Ana and Ben with a token each, the files that they bring, and what they are answered."""

from typing import Any

import httpx
from postroom_contracts.events import Event

from tests.component.desk.doubles import DeskBench

ANAS, BENS = "token-of-the-tests-000a", "token-of-the-tests-000b"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


def answers_with(desk: DeskBench, *facts: Any) -> None:
    """Have every request lead to these facts."""

    async def router(command: Event) -> None:
        for fact in facts:
            await desk.happens(fact, command.subject, cause=command.id)

    desk.commands.router = router


async def brought(client: httpx.AsyncClient, name: str, body: bytes, **query: Any) -> dict[str, Any]:
    """Upload a file; return what the desk says of it."""
    answer = await client.post("/api/v1/uploads", params={"filename": name, **query}, content=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())
