"""Who asks."""

from dataclasses import dataclass
from typing import Literal

from postroom_desk.domain.permissions import Scope

__all__ = ["Principal", "Scope"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the name (of the token, or the person's id), and the agent that they always act as.

    `agent_id` None: a token of the deployment, or the open desk; each request names the agent. `scopes` None: all.
    """

    name: str
    agent_id: str | None = None
    scopes: frozenset[Scope] | None = None
    session_id: str | None = None
    by: Literal["deployment", "token", "session", "open"] = "deployment"

    @property
    def key(self) -> str:
        """Name what is theirs alone, such as their Idempotency-Keys: a token and a person may have the same name."""
        return self.name if self.by == "deployment" else f"{self.by}:{self.agent_id or ''}:{self.name}"
