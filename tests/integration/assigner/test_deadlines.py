"""Deadlines on real servers: one replica warns, the next goes on; what is answered in time is not told of."""

from datetime import UTC, datetime

import pytest
from postroom_contracts.configuration import Configuration
from postroom_contracts.facts import (
    ConversationAssigned,
    ConversationQueued,
    DeadlineBreached,
    DeadlineWarned,
    MessageReceived,
    MessageSent,
    ReplyAccepted,
)
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_contracts.values import Channel, ContentReference, Status

from tests.component.assigner.world import agent, company, received
from tests.integration.assigner.company_on_servers import on_servers, until

pytestmark = pytest.mark.connected


def firm() -> Configuration:
    policy = {"id": "quick", "first_response_seconds": 4, "warn_percent": 50, "reassign_after_seconds": 2}
    return Configuration.model_validate(company(2).model_dump() | {"policies": [policy]})


def message(n: int) -> MessageReceived:
    now = datetime.now(UTC)
    return received(n, received_at=now, ingested_at=now, policy_id="quick")


def reply(message_id: str) -> ReplyAccepted:
    return ReplyAccepted(
        message_id=message_id,
        inbox_id="support",
        channel=Channel.EMAIL,
        actor=agent("a0"),
        via="api",
        content=ContentReference(content_id="t", sha256="0"),
        recipients=["c1"],
        status=Status.OPEN,
        configuration_version=1,
    )


async def test_an_unanswered_conversation_is_warned_of_missed_once_and_given_to_another_an_answered_one_never(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> None:
    async with on_servers(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as servers:
        await servers.apply(firm())
        runtime = await servers.replica()
        try:
            async with servers.follow() as log:
                silent = message(1)
                sent = MessageSent(message_id="r", delivery_id="d", sent_at=datetime.now(UTC))
                servers.sequences["k2"] = 0
                told = [servers.event(*one) for one in (("k1", silent), ("k2", message(2)), ("k2", reply("r")))]
                servers.sequences["k2"] = 6  # the notifier counts for itself, and only some of its facts are followed
                # At once: a machine that stands still for two seconds must not find the second unanswered.
                await servers.publisher.publish_events(CONVERSATION_EVENTS, [*told, servers.event("k2", sent)])

                async def warned() -> bool:
                    return await log.count(DeadlineWarned) == 1

                async def missed() -> bool:
                    return await log.count(DeadlineBreached) == 1

                await until(warned, "the warning", 30)
                await runtime.stop()
                runtime = await servers.replica()
                await until(missed, "the breach", 30)

                async def given_to_another() -> bool:
                    return await log.count(ConversationAssigned) == 3

                await until(given_to_another, "the silent owner loses it to another", 30)
        finally:
            await runtime.stop()
        events = await servers.log()
    notices = [(e.key, e.data) for e in events if isinstance(e.data, DeadlineWarned | DeadlineBreached)]
    assert [(k, type(data).__name__) for k, data in notices] == [("k1", "DeadlineWarned"), ("k1", "DeadlineBreached")]
    breach = notices[1][1]
    assert isinstance(breach, DeadlineBreached)
    owner = next(e.data.agent_id for e in events if isinstance(e.data, ConversationAssigned) and e.key == "k1")
    assert (breach.breached_at - silent.received_at).total_seconds() == 4
    assert (breach.deadline, breach.policy_id, breach.agent_id) == ("first_response", "quick", owner)
    assert breach.started_at == silent.received_at
    first, second = (e.data for e in events if isinstance(e.data, ConversationAssigned) and e.key == "k1")
    [queued] = [e.data for e in events if isinstance(e.data, ConversationQueued)]
    assert (second.reason, {first.agent_id, second.agent_id}) == ("queue", {"a0", "a1"})
    assert queued.unanswered is not None
    assert (queued.queued_at - breach.breached_at).total_seconds() >= 2
    assert second.record.candidate(first.agent_id).excluded == ["silent"]  # type: ignore[union-attr]
