"""What the desk tells the audit. Ids and codes only: nothing of what customers or colleagues wrote ever stands in it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from postroom_runtime.errors import InfrastructureError

from postroom_desk.audit.search import Search

MAX_CHARACTERS = 200
"""Of each text of an entry; what is longer is cut: a user agent may be of any length."""
Outcome = Literal["done", "refused", "not_found", "failed"]


class AuditFullError(InfrastructureError):
    """More waits to be written than may: what should be recorded must not happen now."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did, or tried to.

    `action`: an `Operation`, or a security event such as `log-in`, `failed-log-in`, `token-made`, `rights-changed`.
    `person`: the agent, `principal`: `Principal.key` (of a log-in that failed: empty; never the name that was typed,
    which may be a password). `about`: the id of what it concerns when that is no conversation (a token, an agent, a
    version of the configuration). `details`: further codes and ids.
    """

    action: str
    outcome: Outcome = "done"
    person: str | None = None
    principal: str = ""
    session_id: str | None = None
    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    conversation_id: str | None = None
    inbox_id: str | None = None
    about: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


class AuditLog(Protocol):
    async def record(self, entry: Entry) -> None:
        """Return when the entry stands in the log. For changes and security events. Raises InfrastructureError."""
        ...

    def note(self, entry: Entry) -> None:
        """Have it written soon, without waiting. For reads: one a person, conversation, action, outcome and 5 minutes.

        Raises AuditFullError.
        """
        ...


class AuditSearch(Protocol):
    async def find(self, search: Search) -> list[dict[str, Any]]:
        """Return at most `search.limit + 1` entries that fit, as they stand in the chain, the newest first."""
        ...

    def stream(self, search: Search) -> AsyncIterator[dict[str, Any]]:
        """Yield all that fit, in the chain's order; `search.limit` does not count."""
        ...


class NoAudit:
    """Port AuditLog that keeps nothing; for tools and tests."""

    async def record(self, entry: Entry) -> None:
        del entry

    def note(self, entry: Entry) -> None:
        del entry
