"""The router's part of `postroom recover`: its pending output, and what was met since the backup: contacts and threads."""

from postroom_contracts.facts import MessageReceived
from postroom_contracts.thread_keys import normalised_address
from postroom_runtime.errors import translated
from postroom_runtime.mongo import UpdateOne
from postroom_runtime.recovery import Recovery, ServiceRecovery
from postroom_runtime.recovery_steps import publish_pending

from postroom_router.domain.outcome import contact_key
from postroom_router.recovery_claims import accepted, claims_from_log


async def to_log(recovery: Recovery) -> list[str]:
    return await publish_pending(recovery, recovery.database("router")["conversations"])


async def contacts_from_log(recovery: Recovery) -> list[str]:
    """Give people who wrote since the backup the random ids that the log knows them by; an id that is stored stays."""
    known = {e.data.message_id: e.data.contact_id for e in recovery.log.recent if isinstance(e.data, MessageReceived)}
    writes: dict[str, UpdateOne] = {}
    async for event in accepted(recovery):
        inbound = event.data.inbound  # type: ignore[attr-defined]
        if (contact_id := known.get(inbound.message_id)) is not None:
            key = contact_key(inbound.channel, normalised_address(inbound.sender.address))
            row = {"contact": contact_id, "at": inbound.received_at}
            writes.setdefault(key, UpdateOne({"_id": key}, {"$setOnInsert": row}, upsert=True))
    if not writes:
        return []
    async with translated("recover contacts"):
        result = await recovery.database("router")["contacts"].bulk_write(list(writes.values()), ordered=False)
    made = result.upserted_count
    return [f"{made} contacts have the ids that the log knows them by"] if made else []


async def from_log(recovery: Recovery) -> list[str]:
    return [*await contacts_from_log(recovery), *await claims_from_log(recovery)]


RECOVERY = ServiceRecovery(
    "router", numbered="conversations", follows_commands="conversations", to_log=to_log, from_log=from_log
)
