"""How far the erasure of a person is, put together: the router carries it out, each service forgets its copies by the facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

from postroom_contracts.facts import ContentErased
from postroom_contracts.topics import CONVERSATION_EVENTS, Topic
from postroom_runtime.content_store import ContentStore

from postroom_desk.domain.erasure import Progress, RouterSays, router_says, texts_of
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.positions import Positions
from postroom_desk.ports import EventLog

FORGETTING = ("ingest", "notifier", "desk")
"""Groups that forget copies when they take a `ContentErased` in; each is called as its service. The others hold no copies."""
MOST_FACTS = 2000
"""One for each conversation; of more than that the first are looked at."""


class RouterDoor(Protocol):
    """The router's REST API."""

    async def ask(self, method: str, path: str) -> tuple[int, Any] | None:
        """Return status and JSON; None when it does not answer in time."""
        ...


class Groups(Protocol):
    def reached(self, group: str, topic: Topic, partition: int) -> int:
        """Return the offset up to which a group has committed, as of a moment ago; 0 when that is not known."""
        ...


class Mark(Protocol):
    async def read(self) -> Positions | None:
        """Return up to where facts are indexed and the desk's own copies are forgotten; None: made anew."""
        ...


class RouterAwayError(Exception):
    """The router does not answer, or is not named to the desk (`POSTROOM_ROUTER_URL`)."""


@dataclass(frozen=True, slots=True)
class Erasures:
    """Asked seldom, and by few: nothing of it is kept."""

    router: RouterDoor | None
    events: EventLog
    groups: Groups
    mark: Mark
    content: ContentStore

    async def progress(self, contact_id: str, since: datetime | None = None) -> Progress | None:
        """Return how far the latest erasure of this contact is; None when nobody asked for one.

        `since`: of one that was asked for then or later; until the router has taken it, it is only asked for. Raises
        RouterAwayError, InfrastructureError.
        """
        said = await self._router(contact_id)
        if said is None or (since is not None and said.asked_at < since):
            return None if since is None else Progress("asked")
        facts = await self.events.caused_by(said.request_id, MOST_FACTS)
        erased = [(e, data) for e in facts if (data := e.data(ContentErased)) is not None]
        forgot = await self._forgot([e for e, _ in erased])
        if said.done_at is None:
            return Progress("running", said, len(erased), forgot)
        count = said.conversations or 0
        if not all(forgot.values()):
            return Progress("done", said, count, forgot)
        left = len(await self.content.kept(texts_of(data for _, data in erased)))
        return Progress("left" if left else "verified", said, count, forgot, left)

    async def _router(self, contact_id: str) -> RouterSays | None:
        answer = None if self.router is None else await self.router.ask("GET", f"/api/v1/erasures/{contact_id}")
        if answer is None or answer[0] not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            raise RouterAwayError
        return router_says(answer[1]) if answer[0] == HTTPStatus.OK else None

    async def _forgot(self, facts: Sequence[LoggedEvent]) -> dict[str, bool]:
        forgot = {group: all(self._is_past(group, fact) for fact in facts) for group in FORGETTING}
        indexed = await self.mark.read()
        own = indexed is not None and all(indexed.includes(fact.position) for fact in facts)
        return forgot | {"desk": forgot["desk"] and own}

    def _is_past(self, group: str, fact: LoggedEvent) -> bool:
        return self.groups.reached(group, CONVERSATION_EVENTS, fact.position.partition) > fact.position.offset
