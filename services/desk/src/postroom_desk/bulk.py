"""What is remembered of a bulk action."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from postroom_desk.domain.bulk import Before, Change


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One conversation, the request that was made of it, and what it was before."""

    conversation_id: str
    request_id: str
    before: Before


@dataclass(frozen=True, slots=True)
class BulkRecord:
    id: str
    agent_id: str
    at: datetime
    change: Change
    items: tuple[BulkItem, ...]


class Bulks(Protocol):
    async def remember(self, record: BulkRecord) -> BulkRecord:
        """Store it, unless one of its id is there; returns the one that is there."""
        ...

    async def get(self, bulk_id: str) -> BulkRecord | None: ...
