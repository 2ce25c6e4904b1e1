"""The drain: proposes waiting conversations to the queue of their own commands when somebody can take them.

It chooses no owner: that is decided when the proposal comes to its place in the conversation's order. A proposal that is
made twice has the same id, one that came too late names a past epoch; both are dropped there.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from postroom_contracts.commands import AssignFromQueue
from postroom_contracts.configuration import Team
from postroom_contracts.events import Event, new_event
from postroom_contracts.ids import derived_id
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS
from postroom_runtime.clock import Clock
from postroom_runtime.held import none_held
from postroom_runtime.kafka import Publisher
from postroom_runtime.leases import LeaseStore

from postroom_assigner.domain.company import Company
from postroom_assigner.domain.duty import Duty
from postroom_assigner.metrics import OLDEST_UNASSIGNED_SECONDS, PROPOSED, UNASSIGNED
from postroom_assigner.ports import AgentLoads, QueueLength, WaitingConversation, WaitingQueue

MOST_AT_ONCE = 200
"""Proposals for one team in one turn: a batch of the consumer."""
AGAIN_AFTER = timedelta(seconds=5)
"""A proposal that was not decided in this time is made again, with the same id."""
_LEASE_SECONDS = 10.0
_COALESCE_SECONDS = 0.05
"""Many are freed in a burst of batches: the queues are looked at once for all of these."""


@dataclass(slots=True)
class Drain:
    """One replica's drain. `company` gives the newest configuration."""

    queue: WaitingQueue
    loads: AgentLoads
    company: Callable[[], Company]
    publisher: Publisher
    leases: LeaseStore
    clock: Clock
    pause_seconds: float = 1.0
    held: Callable[[], Awaitable[frozenset[str]]] = none_held
    """Conversations on hold: nothing is decided of them, and a proposal would only be parked."""
    _awake: asyncio.Event = field(default_factory=asyncio.Event)
    _proposed: dict[tuple[str, int, int], datetime] = field(default_factory=dict)
    _shown: set[str] = field(default_factory=set)

    def wake(self) -> None:
        """Look at once: somebody became free, or the configuration changed."""
        self._awake.set()

    async def run(self) -> None:
        """Turn for ever: every `pause_seconds`, which also sees shifts that start, and when woken."""
        while True:
            await self.turn()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), self.pause_seconds)
            await asyncio.sleep(_COALESCE_SECONDS)
            self._awake.clear()

    async def turn(self) -> int:
        """Propose for every team as many as it can take now; return how many."""
        lengths = await self.queue.lengths()
        self._show(lengths)
        self._forget()
        total = 0
        for team in self.company().teams.values():
            if team.id in lengths and team.assignment != "manual":
                total += await self._drain(team)
        return total

    async def reassign(self) -> int:
        """Propose conversations whose owner is not among the agents any more; return how many."""
        company = self.company()
        enabled = [agent_id for agent_id in company.agents if company.enabled(agent_id)]
        held = await self.held()
        return await self._propose(await self.queue.owned_by_others_than(enabled, MOST_AT_ONCE, held), "")

    async def _drain(self, team: Team) -> int:
        free = await self._free(team)
        places = sum(free.values())
        if not places or await self.leases.acquire(f"drain-{team.id}", _LEASE_SECONDS) is None:
            return 0
        # Where only one can take something, what they put back themselves must not stand before everything else.
        only = next(iter(free)) if len(free) == 1 else None
        # What none of these may handle must not stand before everything else either.
        closed = self.company().closed_to(free)
        # And neither must what is on hold.
        held = await self.held()
        waiting = await self.queue.first(team.id, min(places, MOST_AT_ONCE), only, closed, held)
        return await self._propose(waiting, team.id)

    async def _free(self, team: Team) -> dict[str, int]:
        """Return the agents of the team who can take something now, with how much."""
        company = self.company()
        duty = Duty(company.configuration, self.clock.now())
        members = [company.agents[m] for m in team.members if company.enabled(m)]
        working = [agent for agent in members if duty.of(agent, team)]
        loads = await self.loads.load([agent.id for agent in working])
        places = {a.id: MOST_AT_ONCE if a.capacity is None else a.capacity - loads[a.id].count for a in working}
        return {agent_id: n for agent_id, n in places.items() if n > 0}

    async def _propose(self, waiting: Sequence[WaitingConversation], team_id: str) -> int:
        now = self.clock.now()
        new = [w for w in waiting if (w.conversation_id, w.epoch, w.attempt) not in self._proposed]
        await self.publisher.publish_events(CONVERSATION_COMMANDS, _proposals(new, team_id, now))
        self._proposed.update({(w.conversation_id, w.epoch, w.attempt): now for w in new})
        if new:
            PROPOSED.labels(team_id).inc(len(new))
        return len(new)

    def _forget(self) -> None:
        limit = self.clock.now() - AGAIN_AFTER
        self._proposed = {key: at for key, at in self._proposed.items() if at > limit}

    def _show(self, lengths: dict[str, QueueLength]) -> None:
        now, teams = self.clock.now(), {*self.company().teams, *lengths}
        for team_id in self._shown - teams:  # taken out, and nothing waits for it any more
            UNASSIGNED.remove(team_id)
            OLDEST_UNASSIGNED_SECONDS.remove(team_id)
        self._shown = teams
        for team_id in teams:
            length = lengths.get(team_id)
            PROPOSED.labels(team_id)  # shown from the beginning, at 0
            UNASSIGNED.labels(team_id).set(length.count if length else 0)
            age = (now - length.oldest_since).total_seconds() if length else 0.0
            OLDEST_UNASSIGNED_SECONDS.labels(team_id).set(max(0.0, age))


def _proposals(waiting: Iterable[WaitingConversation], team_id: str, now: datetime) -> Iterable[Event]:
    for w in waiting:
        yield new_event(
            AssignFromQueue(epoch=w.epoch, attempt=w.attempt, team_id=team_id or "none"),
            source=source_of("assigner"),
            cause_id=derived_id("queue", w.conversation_id, str(w.epoch), str(w.attempt)),
            subject=w.conversation_id,
            time=now,
        )
