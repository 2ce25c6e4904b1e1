"""A toy service under the runtime: it counts notes per conversation. Run as `python -m tests.integration.runtime.toy`.

The group `toy` decides commands and publishes facts; `toy-followers`, if asked for, folds those facts again.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from postroom_contracts.commands import AddNote
from postroom_contracts.events import Event, new_event
from postroom_contracts.facts import NoteAdded
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS, Group
from postroom_contracts.values import Actor, ContentReference
from postroom_runtime.documents import Decision, Document, Emit, MongoDocumentStore
from postroom_runtime.errors import PermanentError
from postroom_runtime.fold import Fold, QuietDecider
from postroom_runtime.records import Incoming
from postroom_runtime.service import Runtime, run_service
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import Stores
from pydantic import BaseModel

GROUP = Group("toy", "toy", (CONVERSATION_COMMANDS,))
FOLLOWERS = Group("toy-followers", "toy", (CONVERSATION_EVENTS,))


class Notes(BaseModel):
    count: int = 0
    ids: list[str] = []


class CountNotes(QuietDecider[Notes, None]):
    """Poison is spelt in the content id: `bug...` raises, `permanent...` is permanent, `bug-until:FILE` until FILE exists."""

    def __init__(self, delay_seconds: float = 0.0) -> None:
        self.delay_seconds = delay_seconds
        self.batches: list[int] = []

    async def prepare(self, batch: Sequence[Incoming], documents: Mapping[str, Document[Notes]]) -> None:
        self.batches.append(len(batch))
        if self.delay_seconds:
            sys.stderr.write("at work\n")
            await asyncio.sleep(self.delay_seconds)

    def decide(self, state: Notes | None, incoming: Incoming, context: None) -> Decision[Notes] | None:
        note = incoming.the_event.data
        assert isinstance(note, AddNote | NoteAdded)
        misbehave(note.content.content_id)
        state = state or Notes()
        after = Notes(count=state.count + 1, ids=[*state.ids, note.message_id])
        if isinstance(note, NoteAdded):
            return Decision(after)
        fact = NoteAdded(message_id=note.message_id, actor=note.actor, content=note.content)
        return Decision(after, [Emit(fact)])


def misbehave(kind: str) -> None:
    """Raise what the content id asks for."""
    if kind.startswith("permanent-until:"):
        if not Path(kind.removeprefix("permanent-until:")).exists():
            raise PermanentError("planted")
    elif kind.startswith("permanent"):
        raise PermanentError("planted")
    if kind.startswith("bug-until:"):
        if not Path(kind.removeprefix("bug-until:")).exists():
            raise ZeroDivisionError
    elif kind.startswith("bug"):
        raise ZeroDivisionError


class Toy:
    name = "toy"
    needs_configuration = False

    def settings(self) -> RuntimeSettings:
        return RuntimeSettings()

    def __init__(self, *, delay_seconds: float = 0.0, decides: bool = True, follows: bool = False) -> None:
        self.decider = CountNotes(delay_seconds)
        self.follower = CountNotes()
        self.decides = decides
        self.follows = follows

    def fold(self, runtime: Runtime) -> Fold[Notes, None]:
        return Fold(
            service="router",
            decider=self.decider,
            store=MongoDocumentStore(runtime.database["notes"], Notes),
            publisher=runtime.publisher,
            clock=runtime.clock,
            models={AddNote.type_name(): AddNote},
        )

    async def prepare(self, stores: Stores) -> None:
        """It has no indexes."""

    async def build(self, runtime: Runtime) -> None:
        if self.decides:
            await runtime.consume(GROUP, self.fold(runtime))
        if self.follows:
            fold: Fold[Notes, None] = Fold(
                service="assigner",
                decider=self.follower,
                store=MongoDocumentStore(runtime.database["followed"], Notes),
                publisher=runtime.publisher,
                clock=runtime.clock,
                models={NoteAdded.type_name(): NoteAdded},
            )
            await runtime.consume(FOLLOWERS, fold)


ANN = Actor(kind="agent", id="ann")


def note(conversation: str, message: str, now: Any, kind: str = "fine") -> Event:
    """Return an AddNote command."""
    data = AddNote(actor=ANN, message_id=message, content=ContentReference(content_id=kind, sha256="0"))
    return new_event(data, source="/postroom/desk", cause_id=f"request-{message}", subject=conversation, time=now)


def noted(conversation: str, message: str, now: Any, sequence: int, kind: str = "fine") -> Event:
    """Return a NoteAdded fact with the number `sequence`."""
    data = NoteAdded(actor=ANN, message_id=message, content=ContentReference(content_id=kind, sha256="0"))
    return new_event(
        data,
        source="/postroom/router",
        cause_id=f"request-{message}",
        subject=conversation,
        time=now,
        sequence=sequence,
    )


if __name__ == "__main__":
    toy = Toy(
        delay_seconds=float(os.environ.get("TOY_DELAY", "0")),
        follows=bool(os.environ.get("TOY_FOLLOWS")),
    )
    asyncio.run(run_service(toy, RuntimeSettings()))
