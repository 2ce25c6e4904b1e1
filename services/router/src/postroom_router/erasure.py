"""Carries erasures out: every conversation that knows the person is asked, in its own queue, until none holds anything.

note the contact's key -> forget the contact, but for the tombstone -> ask each conversation -> look again, until a look that
began long enough afterwards finds nothing more -> take the person out of the thread claims -> done. Each step may be repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

import structlog
from postroom_contracts.commands import EraseContact
from postroom_contracts.events import Event, new_event
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS, Topic
from postroom_contracts.values import Actor
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.leases import LeaseStore
from postroom_runtime.steps import reach

from postroom_router.adapters.claims import ClaimStore
from postroom_router.adapters.contacts import ContactStore
from postroom_router.adapters.erasures import Acquaintances, Erasure, Erasures, Knowing
from postroom_router.domain.threading import person
from postroom_router.metrics import ERASURE_OLDEST_SECONDS

log = structlog.get_logger(__name__)
LOOK_SECONDS = 1.0
REST_SHARE = 5
"""A look at all conversations is followed by a rest of so many times its length."""
ASK_AGAIN_SECONDS = 10.0
_LEASE_SECONDS = 5.0
_SOURCE = source_of("router")


class Commands(Protocol):
    async def publish_events(self, topic: Topic, events: Sequence[Event]) -> None: ...


@dataclass
class ErasureLoop:
    """One replica at a time, by a lease. `settle_seconds`: longer than any batch that read the contact before it was gone."""

    erasures: Erasures
    contacts: ContactStore
    acquaintances: Acquaintances
    claims: ClaimStore
    commands: Commands
    leases: LeaseStore
    clock: Clock
    settle_seconds: float
    _asked: dict[tuple[str, str], float] = field(default_factory=dict)
    """(conversation, request id) -> when it was asked; only saves repeats."""

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        while True:
            began = monotonic()
            try:
                await self.turn()
            except InfrastructureError as error:
                log.warning("erasing waits", error=str(error))
            await sleep(max(LOOK_SECONDS, REST_SHARE * (monotonic() - began)))

    async def turn(self) -> int:
        """Carry on what is open, as far as it goes now; return how many are open."""
        waiting = await self.erasures.open()
        oldest = min((e.asked_at for e in waiting), default=self.clock.now())
        ERASURE_OLDEST_SECONDS.set(max(0.0, (self.clock.now() - oldest).total_seconds()))
        if not waiting or await self.leases.acquire("erasures", _LEASE_SECONDS) is None:
            return len(waiting)
        for erasure in waiting:
            await self._carry_on(erasure)
        return len(waiting)

    async def _carry_on(self, erasure: Erasure) -> None:
        erasure = await self._begun(erasure)
        assert erasure.buried_at is not None
        began = self.clock.now()
        found = await self.acquaintances.knowing(erasure.contact_id)
        waiting = [k for k in found if not k.is_done(erasure)]
        if waiting:
            await self._ask(erasure, waiting)
        elif began - erasure.buried_at >= timedelta(seconds=self.settle_seconds):
            if erasure.address:
                await self.claims.forget(person(erasure.address))
            done = replace(erasure, key=None, done_at=self.clock.now(), conversations=len(found))
            await self.erasures.note(done)
            self._asked.clear()
            log.info("a person was erased", contact_id=erasure.contact_id, conversations=len(found))

    async def _begun(self, erasure: Erasure) -> Erasure:
        """The key is kept before the contact is forgotten: without it what names the address could not be found."""
        if erasure.buried_at is not None:
            return erasure
        if erasure.key is None:
            erasure = replace(erasure, key=await self.contacts.key_of(erasure.contact_id))
            await self.erasures.note(erasure)
        at = self.clock.now()
        await self.contacts.bury([erasure.contact_id], at)
        reach("erasure.buried")
        erasure = replace(erasure, buried_at=at)
        await self.erasures.note(erasure)
        return erasure

    async def _ask(self, erasure: Erasure, waiting: Sequence[Knowing]) -> None:
        now = monotonic()
        asked = [(k.conversation_id, k.next_request(erasure)) for k in waiting]
        due = [a for a in asked if now - self._asked.get(a, -ASK_AGAIN_SECONDS) >= ASK_AGAIN_SECONDS]
        await self.commands.publish_events(CONVERSATION_COMMANDS, [self._event(erasure, *a) for a in due])
        self._asked |= dict.fromkeys(due, now)

    def _event(self, erasure: Erasure, conversation_id: str, request: str) -> Event:
        actor = Actor.model_validate(erasure.actor)
        command = EraseContact(actor=actor, contact_id=erasure.contact_id, whole=erasure.whole)
        now = self.clock.now()
        event = new_event(command, source=_SOURCE, cause_id=erasure.request, subject=conversation_id, time=now)
        return replace(event, id=request)
