"""Rebuilding all figures from offset 0, beside the ones in use, and the switch to them.

The order makes the switch lossless: fold to the end, switch, fold again to the end as it is after the switch. What the
service folded into the old generation in between stands in the log before that end, and repeats change nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime import mongo
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.errors import ConflictError
from postroom_runtime.records import Incoming, read
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end

from postroom_analytics.handler import MetricsHandler
from postroom_analytics.store import MetricsStore

BATCH = 500


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found: how many events it folded, and which figures differ from those that were in use."""

    events: int
    generation: int
    differences: list[str]


async def rebuild(
    settings: RuntimeSettings, *, switch: bool = True, progress: Callable[[int], None] = lambda _: None
) -> Rebuilt:
    """Fold the whole log into a new generation; with `switch` put it into use and drop the old one.

    Without `switch` the new figures are compared and thrown away: a check. Compare only while no events come in.
    """
    client = mongo.connect(settings)
    store = MetricsStore(client, mongo.database(client, settings, "analytics"))
    configurations = Configurations()
    feed = ConfigurationFeed(settings, configurations)
    try:
        await feed.start()
        old = await store.generation()
        new = old + 1
        await store.drop(new)
        await store.prepare(new)
        store.build(new)
        handler = MetricsHandler(store, configurations, new)
        events = await _fold_to_end(settings, handler, progress)
        differences = compare(await store.everything(old), await store.everything(new))
        if switch:
            await store.switch(new)
            await _fold_to_end(settings, handler, progress)
            await store.drop(old)
        else:
            await store.drop(new)
        return Rebuilt(events, new if switch else old, differences)
    finally:
        await feed.stop()
        await mongo.close(client)


async def _fold_to_end(settings: RuntimeSettings, handler: MetricsHandler, progress: Callable[[int], None]) -> int:
    topic = settings.topic(CONVERSATION_EVENTS.name)
    waiting: list[ConsumerRecord] = []
    count = 0
    async for record in read_to_end(settings, topic):
        waiting.append(record)
        count += 1
        if len(waiting) >= BATCH:
            await _fold(handler, topic, waiting)
            waiting.clear()
            progress(count)
    await _fold(handler, topic, waiting)
    progress(count)
    return count


async def _fold(handler: MetricsHandler, topic: str, records: Sequence[ConsumerRecord]) -> None:
    """Fold a batch; what cannot be read counts as seen, as it does for the service once it is parked."""
    batch: list[Incoming] = []
    for record in records:
        found = read(record, handler.models, {topic: "rebuild"}, frozenset())
        if found is not None:
            batch.append(found if isinstance(found, Incoming) else found.incoming)
    batch = [i for i in batch if i.event is not None or (i.key and i.skipped_source and i.skipped_sequence)]
    while batch:
        try:
            await handler.handle(batch, {})
            return
        except ConflictError:
            continue  # after the switch the service writes here too


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return what differs between the figures of two generations, at most 100 names; empty when they are equal."""
    names: list[str] = []
    for part in ("rows", "rollups"):
        names += [
            f"{part}: {key}"
            for key in sorted(old[part].keys() | new[part].keys())
            if old[part].get(key) != new[part].get(key)
        ]
    return names[:100]
