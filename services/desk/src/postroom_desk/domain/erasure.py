"""How far the erasure of a person is: what the router says of it, and what the log shows. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from postroom_contracts.facts import ContentErased
from postroom_contracts.ids import content_id
from pydantic import BaseModel, ConfigDict

State = Literal["asked", "running", "done", "verified", "left"]
"""`asked`: the router has not taken it yet. `done`: by the router; `verified`: and every service has forgotten its copies, and
nothing is left of what the facts name. `left`: something is."""


class RouterSays(BaseModel):
    """An erasure as the router knows it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    contact_id: str
    request_id: str
    asked_by: str
    whole: bool
    asked_at: datetime
    begun_at: datetime | None
    done_at: datetime | None
    conversations: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """`forgot`: by service, whether it is past every fact of this erasure so far. `left`: texts and files that still stand."""

    state: State
    said: RouterSays | None = None
    conversations: int = 0
    forgot: Mapping[str, bool] | None = None
    left: int = 0


def texts_of(erased: Iterable[ContentErased]) -> list[str]:
    """Return the ids in the content store under which nothing may stand any more: texts, original mail, files."""
    ids: list[str] = []
    for fact in erased:
        ids += [content_id(m, kind) for m in fact.message_ids for kind in ("content", "answer")]
        ids += [content_id(i, "raw") for i in fact.ledger_ids]
        ids += fact.blob_ids
    return list(dict.fromkeys(ids))


def router_says(body: Any) -> RouterSays:
    """Return the router's answer. Raises ValidationError, a ValueError, for what is none."""
    return RouterSays.model_validate(body)
