"""The desk's part of `postroom recover`: it keeps every fact that it has read, so that a lost log can be made anew from it."""

from collections.abc import Mapping
from typing import Any

from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Event, decode, new_event
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONFIGURATION, CONVERSATION_EVENTS, CONVERSATION_STATES
from postroom_runtime.errors import translated
from postroom_runtime.kafka import Outgoing, client_options
from postroom_runtime.records import header_map
from postroom_runtime.recovery import Recovery, ServiceRecovery
from postroom_runtime.tail import read_to_end
from postroom_runtime.topic_ids import read_topic_ids

from postroom_desk.adapters.configuration_publisher import KafkaConfigurationPublisher
from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_desk.adapters.documents import ConversationDocuments
from postroom_desk.adapters.event_log import MongoEventLog
from postroom_desk.domain.states import state_of
from postroom_desk.domain.view import ConversationView
from postroom_desk.rebuild import CHUNK, Refolding, keep_facts


async def folds(recovery: Recovery) -> dict[str, tuple[str, ...]]:  # noqa: ARG001 - the form of a part
    return {"desk": ("conversations",)}


async def _log_of(recovery: Recovery) -> MongoEventLog:
    topic = recovery.settings.topic(CONVERSATION_EVENTS.name)
    topic_id = (await read_topic_ids(client_options(recovery.settings), [topic]))[topic]
    return MongoEventLog(recovery.database("desk"), topic_id)


async def facts_to_log(recovery: Recovery) -> list[str]:
    """Publish every kept fact that the log lacks, each conversation's in the order in which they stood."""
    events, topic, count = await _log_of(recovery), recovery.settings.topic(CONVERSATION_EVENTS.name), 0
    stored = recovery.database("desk")["events"]
    ids = await events.conversations()
    for start in range(0, len(ids), CHUNK):
        order = [("k", 1), ("at", 1), ("p", 1), ("o", 1)]
        async with translated("read events"):
            found = await stored.find({"k": {"$in": ids[start : start + CHUNK]}}).sort(order).to_list(length=None)
        count += await recovery.publish_missing(_record(topic, document) for document in found)
    return [f"{count} facts published that it had kept"] if count else []


def _record(topic: str, stored: Mapping[str, Any]) -> Outgoing:
    headers = [(name, value.encode()) for name, value in stored["h"].items()]
    return Outgoing(topic, stored["k"].encode(), bytes(stored["b"]), headers)


async def configuration_both_ways(recovery: Recovery) -> list[str]:
    """Let topic and database hold the same versions: what stands on the topic goes for both where they differ."""
    store = MongoConfigurationStore(recovery.database("desk"))
    model = {ConfigurationApplied.type_name(): ConfigurationApplied}
    applied: dict[int, ConfigurationApplied] = {}
    async for record in read_to_end(recovery.settings, recovery.settings.topic(CONFIGURATION.name)):
        data = decode(header_map(record), record.value, model).data
        assert isinstance(data, ConfigurationApplied)
        applied.setdefault(data.configuration_version, data)
    taken = [version for version in applied.values() if await _taken_over(recovery, store, version)]
    publish, missing = KafkaConfigurationPublisher(recovery.settings), []
    for version in reversed(await store.history(None, 1_000_000)):
        if version.configuration_version not in applied:
            await publish(version)
            await store.mark_published(version.configuration_version)
            missing.append(version)
    lines = [f"{len(taken)} versions of the configuration taken over from the topic"] if taken else []
    return lines + ([f"{len(missing)} versions of the configuration published"] if missing else [])


async def _taken_over(recovery: Recovery, store: MongoConfigurationStore, applied: ConfigurationApplied) -> bool:
    known = await store.at(applied.configuration_version)
    if known is not None and known.configuration == applied.configuration:
        return False
    if known is not None:
        async with translated("write configuration"):
            await recovery.database("desk")["configuration"].delete_one({"_id": applied.configuration_version})
    await store.add(applied)
    await store.mark_published(applied.configuration_version)
    return True


async def read_model_anew(recovery: Recovery) -> list[str]:
    """Where facts stand at other places than they did: keep them by their new ones, fold all anew, publish each state."""
    events = await _log_of(recovery)
    database = recovery.database("desk")
    stale = _stale(events, recovery.ends)
    if not await database["events"].count_documents(stale, limit=1):
        return []
    async with translated("drop events"):  # all of them stand on the log now, or did when it was read
        await database["events"].delete_many(stale)
        for stream, end in recovery.ends.items():
            await database["progress"].update_one({"_id": stream, "o": {"$gte": end}}, {"$set": {"o": end - 1}})
    topic = recovery.settings.topic(CONVERSATION_EVENTS.name)
    facts = await keep_facts(recovery.settings, topic, events)
    done = await Refolding(database, events, topic, stopped=True).run()
    states = await _publish_states(recovery)
    failed = f", {len(done.failed)} left as they were" if done.failed else ""
    folded = f"{done.conversations} conversations folded anew{failed}"
    return [f"{facts} facts kept by their places, {folded}", f"{states} states published"]


def _stale(events: MongoEventLog, ends: Mapping[str, int]) -> dict[str, Any]:
    """Return what finds facts at places that are not: on a topic that is gone, or behind the end of one that was restored."""
    ours = {stream: end for stream, end in ends.items() if stream.startswith(f"{events.topic_id}-")}
    return {"$or": [{"s": {"$nin": sorted(ours)}}, *({"s": s, "o": {"$gte": end}} for s, end in ours.items())]}


async def _publish_states(recovery: Recovery) -> int:
    collection, count = recovery.database("desk")["conversations"], 0
    store = ConversationDocuments(collection, ConversationView)
    ids = sorted([d["_id"] async for d in collection.find({"state": {"$ne": None}}, {"_id": 1})])
    for start in range(0, len(ids), CHUNK):
        documents = await store.load(ids[start : start + CHUNK])
        states = [_state(recovery, i, d.state) for i, d in documents.items() if d.state is not None]
        await recovery.publisher.publish_events(CONVERSATION_STATES, states)
        count += len(states)
    return count


def _state(recovery: Recovery, conversation_id: str, view: ConversationView) -> Event:
    return new_event(
        state_of(view),
        source=source_of("desk"),
        cause_id=f"recovery-{conversation_id}",
        subject=conversation_id,
        time=recovery.clock.now(),
        discriminator=view.position,
    )


RECOVERY = ServiceRecovery(
    "desk",
    rank=0,
    folds=folds,
    to_log=facts_to_log,
    from_log=configuration_both_ways,
    afterwards=read_model_anew,
)
