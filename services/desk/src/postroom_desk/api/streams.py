"""Live updates: Server-Sent Events that resume without a gap. Source: WHATWG HTML, section Server-sent events."""

import contextlib
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from postroom_runtime.errors import InfrastructureError

from postroom_desk.api import shown
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.bell_teller import BellTeller
from postroom_desk.api.gate import Gate, GateClosedError
from postroom_desk.api.guard import Asker, access_for, needs
from postroom_desk.api.presence_teller import PresenceTeller
from postroom_desk.api.problems import Problem
from postroom_desk.api.reads import POSITIONS
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.permissions import Operation
from postroom_desk.domain.positions import LogPosition, Positions, parse_positions
from postroom_desk.identity.principal import Principal
from postroom_desk.live import LookAside, Resync, Subscription
from postroom_desk.parts import Parts
from postroom_desk.reading import NotYetError

CATCH_UP_SECONDS = 5.0
CHUNK = 500
MAX_CATCH_UP = 20_000
"""A client that was away for longer reads everything again instead."""
RETRY_MS = 1000
MADE = 1000


def positions_given(last_event_id: str | None) -> Positions | None:
    """Return what the client has seen. Raises Problem 400."""
    if not last_event_id:
        return None
    try:
        return parse_positions(last_event_id)
    except ValueError as error:
        raise Problem(400, "bad-position", "Bad Last-Event-ID", str(error)) from error


async def seen_before(
    last_event_id: Annotated[str | None, Header(max_length=20_000, json_schema_extra={**POSITIONS})] = None,
    after: Annotated[
        str | None,
        Query(
            max_length=20_000,
            description="As Last-Event-ID, for a first connection",
            json_schema_extra={**POSITIONS},
        ),
    ] = None,
) -> Positions | None:
    """Dependency: checked before the answer begins, so that a fault can still be a problem."""
    return positions_given(last_event_id or after)


router = APIRouter()
Follows = Annotated[Asker, Depends(needs(Operation.FOLLOW_EVENTS))]


@router.get("/events", summary="Live updates (SSE)", response_class=EventSourceResponse)
async def events(
    parts: PartsOf,
    asker: Follows,
    seen: Annotated[Positions | None, Depends(seen_before)],
    conversation: Annotated[str | None, Query(max_length=200)] = None,
    agent: Annotated[str | None, Query(max_length=63, description="Whose counts; with a token bound to nobody")] = None,
    counts: Annotated[bool, Query(description="Tell of folder counts, too: the event `counts`")] = False,
    presence: Annotated[bool, Query(description="Tell who is where, too: the event `presence`")] = False,
    notifications: Annotated[bool, Query(description="Tell how many are unread: the event `notifications`")] = False,
) -> AsyncIterator[ServerSentEvent]:
    """Every fact that you may read, as it comes: `data` has `position`, `conversation_id`, `type` and the CloudEvent.

    `id` names the last fact of every partition. A client that comes back with `Last-Event-ID` first gets what it
    missed. Two further kinds: `hello` at the beginning, and `resync` when facts were dropped because the client was too
    slow or away for too long, or when your rights have changed: read again what is shown. The stream ends when your
    session does. With `counts` a third, `counts`, at most once a second: `data` maps the key of each folder
    (`GET /folders`) to what lies in it, without zeros. It has no id. With `presence` a fourth, `presence`: `data` is as
    the answer of `GET /presence`; `whole` says that who is not in it is not there, else that they are as they were.
    With `notifications` a fifth, `notifications`: `data.unread` is how many of them this person has not read.
    """
    subscription = parts.live.subscribe()
    gate = Gate(parts, asker, conversation)
    teller = Teller(parts, asker.principal, agent, subscription) if counts else None
    crier = PresenceTeller(parts, asker.principal, subscription) if presence else None
    whose = asker.principal.agent_id or agent
    ringer = BellTeller(parts, asker.principal, whose, subscription) if notifications and whose else None
    tellers = [t for t in (teller, crier, ringer) if t is not None]
    try:
        delivered = seen.copy() if seen is not None else subscription.positions.copy()
        yield ServerSentEvent(event="hello", data={}, id=str(delivered), retry=RETRY_MS)
        if seen is not None:
            async for item in _missed(parts, subscription, delivered, gate):
                yield item
        if teller is not None:
            await teller.begin()
        if crier is not None:
            subscription.nudge()
        async for item in _live(subscription, delivered, gate, tellers):
            yield item
    except (GateClosedError, InfrastructureError):
        return  # who may go on comes back by itself, with Last-Event-ID, and has missed nothing
    finally:
        parts.live.unsubscribe(subscription)
        for each in tellers:
            each.end()


class Teller:
    """Tells one stream of its person's folder counts, when they have changed."""

    def __init__(self, parts: Parts, who: Principal, agent: str | None, subscription: Subscription) -> None:
        self._parts = parts
        self._who = who
        self._agent_id = who.agent_id or agent
        self._subscription = subscription
        self._told: Mapping[str, int] | None = None
        self.end = parts.folders.listen(subscription.put_aside)

    async def begin(self) -> None:
        """Have the counts as they stand told first; without MongoDB they come later."""
        with contextlib.suppress(InfrastructureError):
            self._subscription.put_aside(await self._parts.folders.current())

    def news(self) -> ServerSentEvent | None:
        """Return what is to be told, if anything is."""
        table = self._subscription.take_aside()
        if table is None:
            return None
        counts = table.counts(access_for(self._who, self._parts).readable, self._agent_id)
        if counts == self._told:
            return None
        self._told = counts
        return ServerSentEvent(event="counts", data=dict(counts))


async def _missed(
    parts: Parts, subscription: Subscription, delivered: Positions, gate: Gate
) -> AsyncIterator[ServerSentEvent]:
    """Give what lies between what the client saw and where this stream began: from memory, else from the read model.

    The memory of the tail comes first: while a replica has died, the read model of its partitions stands still until the group
    has noticed. What neither has is made good by `resync`.
    """
    until = subscription.positions
    recalled = parts.live.recall(delivered, until)
    if recalled is not None and len(recalled) > MAX_CATCH_UP:
        recalled = None
    for event in recalled or ():
        delivered.advance(event.position)
        if await gate.shows(event):
            yield _as_sse(event, delivered)
    if recalled is None:
        async for item in _missed_for_long(parts, until, delivered, gate):
            yield item
    for partition, offset in until.offsets.items():
        delivered.offsets[partition] = max(offset, delivered.offsets.get(partition, -1))


async def _missed_for_long(
    parts: Parts, until: Positions, delivered: Positions, gate: Gate
) -> AsyncIterator[ServerSentEvent]:
    complete = await _taken_in(parts, until)
    given = 0
    while given < MAX_CATCH_UP:
        chunk = await parts.events.between(delivered, until, CHUNK)
        if not chunk:
            break
        for event in chunk:
            delivered.advance(event.position)
            if await gate.shows(event):
                yield _as_sse(event, delivered)
        given += len(chunk)
    else:
        yield _resync("away", until)
        return
    if not complete:
        yield _resync("behind", until)


async def _taken_in(parts: Parts, until: Positions) -> bool:
    """Return whether the read model has everything up to `until`, within 5 s."""
    try:
        await parts.reader.wait_for(until, CATCH_UP_SECONDS)
    except NotYetError:
        return False
    return True


async def _live(
    subscription: Subscription,
    delivered: Positions,
    gate: Gate,
    tellers: Sequence["Teller | PresenceTeller | BellTeller"] = (),
) -> AsyncIterator[ServerSentEvent]:
    while True:
        item = await gate.next(subscription)
        if gate.changed():
            yield _resync("rights", delivered)
        for told in filter(None, (teller.news() for teller in tellers)):
            yield told
        if item is None:
            return
        if isinstance(item, LookAside):
            continue
        if isinstance(item, Resync):
            delivered.offsets.update(item.positions.offsets)
            yield _resync("slow", delivered)
        elif isinstance(item, LoggedEvent) and not delivered.includes(item.position):
            delivered.advance(item.position)
            if await gate.shows(item):
                yield _as_sse(item, delivered)


def _resync(reason: str, positions: Positions) -> ServerSentEvent:
    return ServerSentEvent(event="resync", data={"reason": reason}, id=str(positions))


class FactData(dict[str, Any]):
    """The `data` of one fact. All streams give the same text: it is made once."""

    _text: str | None = None

    def model_dump_json(self) -> str:
        """Return it as JSON; FastAPI asks for it by this name."""
        if self._text is None:
            self._text = json.dumps(self)
        return self._text


_made: OrderedDict[tuple[str, LogPosition, bytes], FactData] = OrderedDict()
"""Of the last facts that a stream has shown; the same for everybody who may see one."""


def _data_of(event: LoggedEvent) -> FactData:
    key = event.id, event.position, event.body
    data = _made.get(key)
    if data is None:
        data = _made[key] = FactData(
            position=str(event.position),
            conversation_id=event.conversation_id,
            type=shown.short(event),
            event=event.cloud_event(),
        )
        while len(_made) > MADE:
            _made.popitem(last=False)
    return data


def _as_sse(event: LoggedEvent, delivered: Positions) -> ServerSentEvent:
    return ServerSentEvent(data=_data_of(event), id=str(delivered))
