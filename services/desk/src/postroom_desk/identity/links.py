"""Links by which somebody chooses a password: for one person, used once, for a while. The digest alone is kept."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from postroom_desk.identity.sessions import TOKEN_BYTES, digest

Purpose = Literal["invitation", "reset"]
LASTS: dict[Purpose, timedelta] = {"invitation": timedelta(days=7), "reset": timedelta(hours=24)}


@dataclass(frozen=True, slots=True)
class Link:
    """`id` is the digest of what stands in the address."""

    id: str
    agent_id: str
    purpose: Purpose
    ends_at: datetime
    made_by: str = ""


class LinkStore(Protocol):
    """Links by id. A link that has ended is none."""

    async def add(self, link: Link) -> None:
        """Store it; the person's earlier links end."""
        ...

    async def get(self, link_id: str, now: datetime) -> Link | None: ...

    async def use(self, link_id: str, now: datetime) -> Link | None:
        """Use it up; of several who do at once one gets it."""
        ...

    async def remove_of(self, agent_id: str) -> int: ...


def made(agent_id: str, purpose: Purpose, now: datetime, made_by: str) -> tuple[str, Link]:
    """Return what stands in the address, and the link to be stored."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, Link(digest(token), agent_id, purpose, now + LASTS[purpose], made_by)


def address(base: str | None, purpose: Purpose, token: str) -> str:
    """Return the link's address; without `base` its path."""
    return f"{(base or '').rstrip('/')}/{purpose}/{token}"
