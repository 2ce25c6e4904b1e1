"""Ingest's part of `postroom recover`: mails that were published to a topic that is gone are published once more."""

from collections.abc import Mapping
from typing import Any

import structlog
from postroom_contracts.events import decode
from postroom_contracts.ids import content_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.topics import INBOUND_MESSAGES
from postroom_contracts.values import Channel
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.kafka import Outgoing
from postroom_runtime.records import header_map
from postroom_runtime.recovery import Recovery, ServiceRecovery
from postroom_runtime.recovery_steps import chunks
from postroom_runtime.tail import read_to_end

from postroom_ingest.domain.inbound import Intake, mail_intake
from postroom_ingest.domain.mail import parse_mail

log = structlog.get_logger(__name__)
_INBOUND = {InboundReceived.type_name(): InboundReceived}
_CONFIGURATION_SECONDS = 30.0


async def mails_again(recovery: Recovery) -> list[str]:
    """Make the records of mails that were taken in since `since` anew, from the original mail, where the topic lacks them.

    The router knows those that it has by their message ids. Messages of webhooks and of the mail door cannot be made anew.
    """
    there = await _on_topic(recovery)
    configurations = await _configurations(recovery)
    content = MongoContentStore(recovery.database("content"))
    wanted = {
        "stored_at": {"$gte": recovery.since},
        "published": True,
        "ignored": None,
        "erased": {"$ne": True},
        "of": None,
    }
    published = other = 0
    async for entries in chunks(recovery.database("ingest")["ledger"], wanted, {"account": 1, "received_at": 1}):
        for entry in (e for e in entries if e["_id"] not in there):
            intake = await _again(recovery, configurations, content, entry)
            records = _records(recovery, intake) if intake is not None else []
            await recovery.publisher.publish(records)
            published += bool(records)
            other += intake is None
    lines = [f"{published} mails published again"] if published else []
    return lines + ([f"{other} messages cannot be made anew: ask for them where they came from"] if other else [])


async def _on_topic(recovery: Recovery) -> set[str]:
    """Return the ledger ids of what stands on the topic."""
    topic, found = recovery.settings.topic(INBOUND_MESSAGES.name), set()
    async for record in read_to_end(recovery.settings, topic):
        data = decode(header_map(record), record.value, _INBOUND).data
        assert isinstance(data, InboundReceived)
        found.add(data.ledger_id)
    return found


async def _configurations(recovery: Recovery) -> Configurations:
    configurations = Configurations()
    feed = ConfigurationFeed(recovery.settings, configurations)
    try:
        await feed.start(_CONFIGURATION_SECONDS)
    finally:
        await feed.stop()
    return configurations


async def _again(
    recovery: Recovery, configurations: Configurations, content: MongoContentStore, entry: Mapping[str, Any]
) -> Intake | None:
    """Return what the mail of an entry becomes, if it is this very one again."""
    account_id = entry["account"].removesuffix("/history")
    account = next((a for a in configurations.latest.accounts if a.id == account_id), None)
    raw = await content.get_blob(content_id(entry["_id"], "raw"))
    if raw is None or account is None or account.channel is not Channel.EMAIL:
        return None
    try:
        intake = mail_intake(
            parse_mail(raw),
            raw,
            account=account,
            configuration=configurations.latest,
            received_at=entry["received_at"],
            now=recovery.clock.now(),
            imported=entry["account"].endswith("/history"),
            probe_keys=recovery.settings.keys(),
        )
    except Exception:  # whatever a stranger's mail makes of us: it was kept under a note
        log.exception("mail cannot be read", ledger_id=entry["_id"])
        return None
    return intake if intake.ledger_id == entry["_id"] else None


def _records(recovery: Recovery, intake: Intake) -> list[Outgoing]:
    return [recovery.publisher.outgoing(INBOUND_MESSAGES, event) for event in intake.events]


RECOVERY = ServiceRecovery("ingest", afterwards=mails_again)
