"""What somebody looks for in the audit."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MAX_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Filters that all hold; None: any. `hidden`: inboxes of whose conversations nothing may be searched."""

    hidden: Collection[str]
    person: str | None = None
    action: str | None = None
    outcome: str | None = None
    conversation_id: str | None = None
    begin: datetime | None = None
    end: datetime | None = None
    before: int | None = None
    """Sequence of the last link of the page before."""
    limit: int = 50

    def conditions(self) -> dict[str, Any]:
        """Return the filter for MongoDB; every value is compared as a value."""
        named = {
            "person": self.person,
            "action": self.action,
            "outcome": self.outcome,
            "conversation_id": self.conversation_id,
        }
        found: dict[str, Any] = {f"e.{name}": {"$eq": value} for name, value in named.items() if value is not None}
        if self.conversation_id is not None:
            found["e.inbox_id"] = {"$nin": sorted(self.hidden)}
        between = {name: at for name, at in (("$gte", self.begin), ("$lt", self.end)) if at is not None}
        if between:
            found["at"] = between
        if self.before is not None:
            found["_id"] = {"$lt": self.before}
        return found
