"""How a request becomes a fact: store its text, publish the command, wait for what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.commands import StartConversation
from postroom_contracts.events import Data, Event, new_event
from postroom_contracts.ids import derived_id, digest
from postroom_contracts.registry import source_of
from postroom_runtime.clock import Clock
from postroom_runtime.content_store import ContentStore

from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.live import Broadcaster
from postroom_desk.ports import Commands, EventLog, RequestRecord, RequestStore

_REFUSALS = frozenset({f.RequestRefused.type_name(), f.ClaimRefused.type_name()})
_START_ENDS = frozenset({f.ReplyAccepted.type_name(), *_REFUSALS})


class KeyReusedError(Exception):
    """The Idempotency-Key was used for another request."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request; `event` is None while that is not known."""

    request_id: str
    conversation_id: str
    event: LoggedEvent | None

    @property
    def refused(self) -> bool:
        return self.event is not None and self.event.type in _REFUSALS


def cause_of(principal_key: str, idempotency_key: str) -> str:
    """Return the id that everything of one request is derived from: the same principal and key give the same."""
    return derived_id("request", principal_key, idempotency_key)


@dataclass(frozen=True, slots=True)
class Submission:
    """One request: `cause_id` from `cause_of`, `asked` all that was asked for (compared when the key is used again)."""

    cause_id: str
    conversation_id: str
    command: Data
    asked: str
    content: Sequence[Mapping[str, Any]] = ()
    by: str = ""
    """The key of the principal who asks."""


@dataclass(frozen=True, slots=True)
class RequestDoor:
    """Takes requests. Every step may be repeated: ids are derived, content is write-once, the router knows repeats."""

    requests: RequestStore
    content: ContentStore
    commands: Commands
    events: EventLog
    live: Broadcaster
    clock: Clock
    wait_seconds: float

    async def submit(self, submission: Submission) -> Outcome:
        """Return the outcome, or one without an event when the fact has not come within `wait_seconds`.

        A repeat (the same cause) gives the outcome of the first. Raises KeyReusedError when the same cause was used for
        something else, InfrastructureError when Kafka or MongoDB did not answer: then it may be repeated at will.
        """
        command = self._event(submission)
        record = RequestRecord(
            id=command.id,
            command=type(submission.command).__name__,
            conversation_id=submission.conversation_id,
            fingerprint=digest(submission.asked),
            at=command.time,  # one reading: by it the router's answer is known for one to this request
            by=submission.by,
        )
        before = await self.requests.remember(record)
        if before is not None:
            if before.fingerprint != record.fingerprint:
                raise KeyReusedError
            known = await self.find(before)
            if known.event is not None:
                return known
        await self.content.put(submission.content)
        ends = _ends(record.command)
        with self.live.expect(command.id, lambda event: event.type in ends if ends else True) as fact:
            await self.commands.publish(command)
            event = await fact.within(self.wait_seconds)
        if event is not None:
            return Outcome(record.id, event.conversation_id, event)
        return await self.find(record)

    def _event(self, submission: Submission) -> Event:
        return new_event(
            submission.command,
            source=source_of("desk"),
            cause_id=submission.cause_id,
            subject=submission.conversation_id,
            time=self.clock.now(),
        )

    async def find(self, request: RequestRecord) -> Outcome:
        """Return what is known of a request that was taken before."""
        ends = _ends(request.command)
        facts = self.live.recent(request.id) or await self.events.caused_by(request.id)
        event = next((e for e in facts if not ends or e.type in ends), None)
        conversation_id = event.conversation_id if event else request.conversation_id
        return Outcome(request.id, conversation_id, event)


def _ends(command: str) -> frozenset[str]:
    """Return the types of fact that end the wait; empty: any. A start is done when its message is accepted."""
    return _START_ENDS if command == StartConversation.__name__ else frozenset()
