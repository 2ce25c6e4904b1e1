"""The thread step: from inbound messages to `AcceptMessage` in the queue of the right conversation.

read claims (one query) -> place (pure) -> make the missing claims (one unordered insert) -> publish -> let claims lead to
the merged conversation. Repeats make the same records with the same ids: a message's home never changes.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from postroom_contracts.commands import AcceptMessage, MergeConversations, RefuseAnswer
from postroom_contracts.events import Data, Event, encode_headers, new_event
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import models_of, source_of
from postroom_contracts.topics import CONVERSATION_COMMANDS, INBOUND_MESSAGES
from postroom_contracts.values import Actor
from postroom_runtime.clock import Clock
from postroom_runtime.fold import RecordFailedError
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.records import Incoming
from postroom_runtime.steps import reach

from postroom_router.adapters.claims import ClaimStore
from postroom_router.domain.answers import Answered, answer_of
from postroom_router.domain.company import Company
from postroom_router.domain.threading import Merge, Names, Placed, Placing, Row, names_of
from postroom_router.metrics import MERGES, PLACED

_SOURCE = source_of("router")
_ACTOR = Actor(kind="system", id="router-thread")


@dataclass(slots=True)
class Work:
    """One inbound record on its way. `placed` is None for one that needs no place: an answer by mail."""

    incoming: Incoming
    inbound: InboundReceived
    answered: Answered | None
    marked: bool
    names: Names
    placed: Placed | None = None


class ThreadStep:
    """A batch handler. `company` gives the newest configuration, `keys` are the signing keys, newest first."""

    def __init__(
        self,
        *,
        claims: ClaimStore,
        publisher: Publisher,
        clock: Clock,
        company: Callable[[], Company],
        keys: Sequence[bytes],
    ) -> None:
        self.models: Mapping[str, type[Data]] = models_of(INBOUND_MESSAGES)
        self._claims = claims
        self._publisher = publisher
        self._clock = clock
        self._company = company
        self._keys = tuple(keys)
        self._topic = publisher.topic(CONVERSATION_COMMANDS)

    async def handle(self, batch: Sequence[Incoming], committed: Mapping[str, int]) -> None:  # noqa: ARG002 - no output is kept
        """Carry the batch out. Raises RecordFailedError for one record, InfrastructureError."""
        company = self._company()
        works = [self._work(incoming, company) for incoming in batch if incoming.event is not None]
        placing = await self._place([work for work in works if work.answered is None])
        reach("thread.claimed")
        await self._publisher.publish([record for work in works for record in self._records(work)])
        _count(works)
        reach("thread.published")
        if placing.moved:
            await self._claims.move(placing.moved)
            reach("thread.moved")

    def _work(self, incoming: Incoming, company: Company) -> Work:
        try:
            inbound = incoming.the_event.data
            assert isinstance(inbound, InboundReceived)
            found = answer_of(inbound, company, self._keys)
            names = names_of(inbound, self._keys, company)
        except Exception as error:
            raise RecordFailedError(incoming, error) from error
        if isinstance(found, Answered):
            return Work(incoming, inbound, found, marked=False, names=names)
        return Work(incoming, inbound, None, found.marked, names)

    async def _place(self, works: Sequence[Work]) -> Placing:
        """Find the home of each message, and make the claims that are missing."""
        placing = Placing({})

        def place(found: dict[str, Row]) -> Mapping[str, Row]:
            placing.rows = found
            reach("thread.loaded")
            for work in works:
                if self._has_place(work, placing):
                    work.placed = placing.place(work.names)
            return placing.made

        others = await self._claims.claim((claim for work in works for claim in work.names.asked), place)
        if others:
            for work in works:
                if work.placed is not None:
                    work.placed = placing.lost(work.names, work.placed, others)
        return placing

    @staticmethod
    def _has_place(work: Work, placing: Placing) -> bool:
        """A provider's status says something about a message of ours; about nothing that we know it opens nothing."""
        known = work.names.decided is not None or any(claim in placing.rows for claim in work.names.claims)
        return known or work.inbound.message_kind != "status"

    def _records(self, work: Work) -> list[Outgoing]:
        if work.answered is not None:
            return [self._answer(work, work.answered)]
        if work.placed is None:
            return []
        records = [self._accept(work, work.placed.home)]
        if work.placed.merges:
            records += [self._merge(work, m) for m in work.placed.merges]
        return records

    def _accept(self, work: Work, home: str) -> Outgoing:
        """Return `AcceptMessage` with the inbound record's own bytes in it: it travels unchanged, and is not built twice."""
        data = AcceptMessage(inbound=work.inbound, from_stranger=work.marked)
        event = self._event(work, data, home)
        mark = b',"from_stranger":true}' if work.marked else b"}"
        body = b'{"inbound":' + work.incoming.record.value + mark
        return Outgoing(self._topic, home.encode(), body, encode_headers(event))

    def _merge(self, work: Work, merge: Merge) -> Outgoing:
        data = MergeConversations(actor=_ACTOR, target_id=merge.target, reason="late_parent", apart=merge.apart)
        event = self._event(work, data, merge.source, discriminator=f"{merge.source} {merge.target}")
        return self._publisher.outgoing(CONVERSATION_COMMANDS, event)

    def _answer(self, work: Work, answered: Answered) -> Outgoing:
        """The command's id comes from the ledger's: the same mail by two ways is one answer."""
        event = self._event(work, answered.command, answered.conversation_id, cause_id=work.inbound.ledger_id)
        return self._publisher.outgoing(CONVERSATION_COMMANDS, event)

    def _event(
        self, work: Work, data: Data, conversation: str, *, cause_id: str | None = None, discriminator: str = ""
    ) -> Event:
        cause = work.incoming.the_event
        return new_event(
            data,
            source=_SOURCE,
            cause_id=cause_id or cause.id,
            subject=conversation,
            time=self._clock.now(),
            correlation_id=cause.correlation_id or cause.id,
            traceparent=cause.traceparent,
            discriminator=discriminator,
        )


def _count(works: Sequence[Work]) -> None:
    MERGES.inc(sum(len(work.placed.merges) for work in works if work.placed is not None))
    for outcome, count in Counter(map(_outcome, works)).items():
        PLACED.labels(outcome).inc(count)


def _outcome(work: Work) -> str:
    if work.answered is not None:
        return "refused_answer" if isinstance(work.answered.command, RefuseAnswer) else "answered"
    return "unplaced" if work.placed is None else "accepted"
