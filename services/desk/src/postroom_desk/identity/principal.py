"""Who asks."""

from dataclasses import dataclass
from typing import Literal

Scope = Literal["read", "write", "settings", "audit"]
"""What a token may be used for, at most; what its person may do remains the bound."""


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
