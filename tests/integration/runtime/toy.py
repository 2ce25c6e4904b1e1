"""A toy service under the runtime: it counts notes per conversation. Run as `python -m tests.integration.runtime.toy`."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from postroom_contracts.commands import AddNote
from postroom_contracts.events import new_event
from postroom_contracts.facts import NoteAdded
from postroom_contracts.topics import CONVERSATION_COMMANDS, Group
from postroom_contracts.values import Actor, ContentReference
from postroom_runtime.documents import Decision, Document, Emit, MongoDocumentStore
from postroom_runtime.errors import PermanentError
from postroom_runtime.fold import Fold, QuietDecider
from postroom_runtime.records import Incoming
from postroom_runtime.service import Runtime, run_service
from postroom_runtime.settings import RuntimeSettings
from pydantic import BaseModel

GROUP = Group("toy", "router", (CONVERSATION_COMMANDS,))


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
            await asyncio.sleep(self.delay_seconds)

    def decide(self, state: Notes | None, incoming: Incoming, context: None) -> Decision[Notes] | None:
        note = incoming.the_event.data
        assert isinstance(note, AddNote)
        kind = note.content.content_id
        if kind.startswith("permanent"):
            raise PermanentError("planted")
        if kind.startswith("bug-until:"):
            if not os.path.exists(kind.removeprefix("bug-until:")):  # noqa: PTH110 - a test's switch
                raise ZeroDivisionError
        elif kind.startswith("bug"):
            raise ZeroDivisionError
        state = state or Notes()
        after = Notes(count=state.count + 1, ids=[*state.ids, note.message_id])
        fact = NoteAdded(message_id=note.message_id, actor=note.actor, content=note.content)
        return Decision(after, [Emit(fact)])


class Toy:
    name = "toy"
    needs_configuration = False

    def settings(self) -> RuntimeSettings:
        return RuntimeSettings()

    def __init__(self) -> None:
        self.decider = CountNotes(float(os.environ.get("TOY_DELAY", "0")))

    async def build(self, runtime: Runtime) -> None:
        fold: Fold[Notes, None] = Fold(
            service="router",
            decider=self.decider,
            store=MongoDocumentStore(runtime.database["notes"], Notes),
            publisher=runtime.publisher,
            clock=runtime.clock,
            models={AddNote.type_name(): AddNote},
        )
        await runtime.consume(GROUP, fold)


def note(conversation: str, message: str, now: Any, kind: str = "fine") -> Any:
    """Return an AddNote event."""
    data = AddNote(
        actor=Actor(kind="agent", id="ann"), message_id=message, content=ContentReference(content_id=kind, sha256="0")
    )
    return new_event(data, source="/postroom/desk", cause_id=f"request-{message}", subject=conversation, time=now)


if __name__ == "__main__":
    asyncio.run(run_service(Toy(), RuntimeSettings()))
