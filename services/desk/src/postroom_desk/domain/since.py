"""What came into a conversation since somebody looked: the facts that lie between two of its ETags. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from postroom_contracts import facts as f
from postroom_contracts.registry import source_of

from postroom_desk.domain.logged import LoggedEvent

_ETAG = re.compile(r"(\d{1,15})\.(\d{1,15})")
_ROUTER, _ASSIGNER = source_of("router"), source_of("assigner")
_OWNERSHIP = {f.ConversationAssigned.type_name(), f.ConversationUnassigned.type_name()}
_NO_NEWS = {f.RequestRefused.type_name(), f.ContentErased.type_name()}


@dataclass(frozen=True, slots=True)
class Seen:
    """What an ETag names: the router's last fact, and the owner's epoch."""

    sequence: int
    epoch: int


def parse_seen(etag: str) -> Seen | None:
    """Return what an ETag such as `12.3` names; None for anything else."""
    found = _ETAG.fullmatch(etag.strip().strip('"'))
    return Seen(int(found[1]), int(found[2])) if found else None


def came_since(events: Iterable[LoggedEvent], seen: Seen) -> list[LoggedEvent]:
    """Return the router's facts and the changes of owner that came after `seen`, in their order, each once.

    What notifications became of is no news of the conversation; refused requests changed nothing.
    """
    found = {e.id: e for e in events if _is_news(e, seen)}
    return list(found.values())


def _is_news(event: LoggedEvent, seen: Seen) -> bool:
    source = event.headers.get("ce_source", "")
    if source == _ROUTER:
        return event.type not in _NO_NEWS and int(event.headers.get("ce_sequence", "0")) > seen.sequence
    return source == _ASSIGNER and event.type in _OWNERSHIP and _epoch(event) > seen.epoch


def _epoch(event: LoggedEvent) -> int:
    data = event.data(f.ConversationAssigned) or event.data(f.ConversationUnassigned)
    return data.epoch if data else 0
