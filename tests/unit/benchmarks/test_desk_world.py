"""What the benchmark writes is what the desk's fold would have written."""

from collections.abc import Iterable
from datetime import UTC, datetime

from aiokafka import ConsumerRecord
from postroom_desk.domain.due import due_order
from postroom_desk.domain.logged import MODELS
from postroom_desk.domain.view import ConversationView
from postroom_desk.handlers import ReadModelDecider
from postroom_runtime.clock import ManualClock
from postroom_runtime.documents import InMemoryDocumentStore
from postroom_runtime.fold import Fold
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.records import Incoming, read
from postroom_runtime.settings import RuntimeSettings

from benchmarks.desk_world import DeskWorld, company
from tests.component.desk.doubles import InMemoryEventLog


class Silent(Publisher):
    """What follows from a fold is not looked at here."""

    async def publish(self, records: Iterable[Outgoing], *, max_bytes: int = 0) -> None: ...


async def test_a_document_equals_the_one_that_the_consumer_folds() -> None:
    world = DeskWorld(200)
    store = InMemoryDocumentStore(ConversationView)
    fold = Fold(
        service="desk",
        decider=ReadModelDecider(InMemoryEventLog()),
        store=store,
        publisher=Silent(RuntimeSettings()),
        clock=ManualClock(datetime(2026, 3, 6, tzinfo=UTC)),
        models=MODELS,
    )
    for number in (0, 1, 7, 10, 19, 50, 123):
        made = world.make(number)
        records = [
            ConsumerRecord(
                "events", e.position.partition, e.position.offset, e.timestamp_ms, 0, made.document["_id"].encode(), e.body,
                0, 0, 0, tuple((k, v.encode()) for k, v in e.headers.items()),
            )
            for e in made.facts
        ]  # fmt: skip
        batch = [read(r, MODELS, {"events": "topic"}, frozenset()) for r in records]
        await fold.handle([i for i in batch if isinstance(i, Incoming)], {})
        folded = store.stored[made.document["_id"]]
        outgoing = {"out": [], "sequence": 0}  # what is pending is dropped with the next commit
        view = ConversationView.model_validate(folded["state"])
        reckoned = {"due": {"at": due_order(view, company()), "version": 1, "of": 1}}  # which the desk's store adds
        assert made.document == {**folded, **outgoing, **reckoned}
        assert len(made.entries) == len(made.content)
