"""Mail through the real service: once, threaded, in order, and its result as an event."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from postroom_contracts.facts import MessageBounced, MessageFailed, MessageSent, NotificationSent
from postroom_contracts.signed_ids import read_answer_key, read_signed_message_id
from postroom_local.smtp_sink import Accept, DropAfterData, Reject

from tests.integration.notifier.conftest import House
from tests.unit.notifier.company import KEY, Facts, header

pytestmark = pytest.mark.connected


def now() -> datetime:
    return datetime.now(UTC)


async def test_reply_goes_out_once_and_threaded(house: House) -> None:
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.replied())
    [mail] = await house.mails(1)
    assert mail.sender == "support@acme.test"
    assert mail.recipients == ("carla@example.test",)
    assert header(mail.content, "In-Reply-To") == "<question-1@example.test>"
    assert header(mail.content, "References") == "<start@example.test> <question-1@example.test>"
    [sent] = await house.facts(1)
    assert isinstance(sent.data, MessageSent)
    assert sent.sequence == 1
    signed = read_signed_message_id(header(mail.content, "Message-ID") or "", [KEY])
    assert signed is not None
    assert (signed.conversation_id, signed.delivery_id) == (facts.conversation, sent.data.delivery_id)


async def test_redelivered_event_does_not_send_twice(house: House) -> None:
    await house.notifier()
    facts = Facts(start=now())
    events = [facts.received(), facts.assigned(), facts.replied()]
    await house.publish(*events)
    await house.facts(2)
    await house.publish(*events, *events)
    others = [Facts(f"{n:08d}-1111-5111-8111-111111111111", start=now()) for n in range(12)]
    for other in others:  # each partition gets some, so that everything before them was read
        await house.publish(other.received(), other.replied())
    await house.facts(2 + len(others))
    assert len([m for m in house.sink.mails if facts.conversation.encode() in m.content]) == 2


async def test_notification_shows_the_text_the_link_and_a_valid_answer_address(house: House) -> None:
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.assigned())
    [mail] = await house.mails(1)
    assert mail.recipients == ("ana@staff.acme.test",)
    parsed = message_from_bytes(mail.content, policy=default)
    text = parsed.get_content().replace("\r\n", "\n")
    assert "My order 1234 is late.\nWhere is it?" in text
    assert f"https://desk.acme.test/conversations/{facts.conversation}" in text
    plus = str(parsed["Reply-To"]).partition("+")[2].partition("@")[0]
    answer = read_answer_key(plus, "ana", [KEY])
    assert answer is not None
    assert (answer.conversation_id, answer.sequence) == (facts.conversation, 1)
    assert read_answer_key(plus, "ben", [KEY]) is None
    [sent] = await house.facts(1)
    assert isinstance(sent.data, NotificationSent)
    assert (sent.data.notification, sent.data.agent_id) == ("assigned", "ana")


async def test_refused_for_now_is_sent_later(house: House) -> None:
    house.sink.answer_next("carla@example.test", Reject(451))
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.replied())
    [sent] = await house.facts(1)
    assert isinstance(sent.data, MessageSent)
    assert sent.data.attempts == 2
    assert len(house.sink.mails) == 1


@pytest.mark.parametrize("at_data", [False, True], ids=["at-rcpt", "at-data"])
async def test_refused_for_good_becomes_message_failed(house: House, at_data: bool) -> None:
    house.sink.answer_always("carla@example.test", Reject(550, "5.1.1 no such user", at_data=at_data))
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.replied())
    [failed, *_] = await house.facts(2)  # the second one: its author was told
    assert isinstance(failed.data, MessageFailed)
    assert (failed.data.reason, failed.data.status_code, failed.data.attempts) == ("refused", "5.1.1", 1)
    assert [m.recipients for m in house.sink.mails] == [("ana@staff.acme.test",)]


async def test_connection_dropped_after_data_is_sent_again_under_the_same_id(house: House) -> None:
    house.sink.answer_next("carla@example.test", DropAfterData(taken=True))
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.replied())
    [sent] = await house.facts(1)
    assert isinstance(sent.data, MessageSent)
    first, second = house.sink.mails
    assert first.content == second.content


async def test_recipient_that_was_put_off_is_tried_alone(house: House) -> None:
    house.sink.answer_next("dora@example.test", Reject(450))
    to = [{"address": "carla@example.test"}, {"address": "dora@example.test"}]
    await house.content.put([{"_id": "two", "kind": "reply", "text": "Hello both.", "to": to}])
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.replied(content_id="two"))
    await house.facts(1)
    assert [m.recipients for m in house.sink.mails] == [("carla@example.test",), ("dora@example.test",)]
    stored = await house.deliveries.find_one({"kind": "reply"})
    assert "remaining" not in stored, "addresses stay in a delivery only while they are needed"


async def test_replies_of_a_conversation_go_out_in_order(house: House) -> None:
    house.sink.answer_next("carla@example.test", Reject(451))  # the first of five
    texts = [{"_id": f"text-{n}", "kind": "reply", "text": f"Number {n}"} for n in range(5)]
    await house.content.put(texts)
    await house.notifier()
    facts = Facts(start=now())
    replies = [facts.replied(f"r{n}", f"text-{n}") for n in range(5)]
    await house.publish(facts.received(), *replies)
    sent = await house.facts(5)
    assert [b"Number %d\r\n" % n in m.content for n, m in enumerate(house.sink.mails)] == [True] * 5
    assert [e.sequence for e in sent] == [1, 2, 3, 4, 5]
    assert [e.data.message_id for e in sent if isinstance(e.data, MessageSent)] == [
        f"{facts.conversation}-r{n}" for n in range(5)
    ]


async def test_scheduled_reply_waits_for_its_time_and_holds_up_nothing(house: House) -> None:
    texts = [{"_id": name, "kind": "reply", "text": f"It is {name}."} for name in ("hours", "seconds")]
    await house.content.put(texts)
    await house.notifier()
    facts = Facts(start=now())
    hours, seconds = now() + timedelta(hours=1), now() + timedelta(seconds=2)
    await house.publish(facts.received(), facts.replied("r1", "hours", send_at=hours), facts.replied("r2"))
    await house.facts(1)
    await house.publish(facts.replied("r3", "seconds", send_at=seconds))
    await house.facts(2)
    first, second = house.sink.mails
    assert b"It left today." in first.content
    assert b"It is seconds." in second.content
    assert second.received_at >= seconds


async def test_refused_answer_comes_back_to_the_agent_with_text_and_reason(house: House) -> None:
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.assigned(), facts.received("m2"), facts.refused())
    mails = await house.mails(3)
    assert {m.recipients for m in mails} == {("ana@staff.acme.test",)}
    text = message_from_bytes(mails[-1].content, policy=default).get_content()
    assert "Ana, your answer was NOT sent to the customer." in text
    assert "the conversation changed after the mail that you answered" in text
    assert "the customer wrote again" in text
    assert "It left today." in text
    kinds = [e.data.notification for e in await house.facts(3) if isinstance(e.data, NotificationSent)]
    assert kinds == ["assigned", "replied", "refused"]


async def test_bounce_that_names_a_delivery_becomes_message_bounced(house: House) -> None:
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.replied())
    [sent] = await house.facts(1)
    assert isinstance(sent.data, MessageSent)
    bounce = facts.received(
        "m2",
        message_kind="bounce",
        delivery_id=sent.data.delivery_id,
        delivery_status="failed",
        delivery_status_code="5.1.1",
    )
    await house.publish(bounce)
    facts_now = await house.facts(3)
    [bounced] = [e for e in facts_now if isinstance(e.data, MessageBounced)]
    assert isinstance(bounced.data, MessageBounced)
    assert (bounced.data.permanent, bounced.data.status_code, bounced.data.undeliverable) == (True, "5.1.1", True)
    assert bounced.data.message_id == sent.data.message_id
    assert sorted(e.sequence or 0 for e in facts_now) == [1, 2, 3]
    [_, told] = house.sink.mails
    assert told.recipients == ("ana@staff.acme.test",)
    assert b"your reply did NOT reach the customer." in told.content
    deadline = time.monotonic() + 60
    while await house.addresses.count_documents({}) != 1:  # it is noted beside the facts
        assert time.monotonic() < deadline, "the address is not marked"
        await asyncio.sleep(0.05)
    await house.publish(facts.received("m3"), facts.assigned())
    await house.facts(4)
    assert await house.addresses.count_documents({}) == 0, "the customer wrote, so the address lives"


async def test_reply_that_is_refused_for_good_comes_back_to_its_author_once(house: House) -> None:
    house.sink.answer_always("dora@example.test", Reject(550, "5.1.1 no such user"))
    house.sink.answer_next("emil@example.test", Reject(450, "4.2.1 greylisted"))
    to = [{"address": f"{name}@example.test"} for name in ("carla", "dora", "emil")]
    await house.content.put([{"_id": "three", "kind": "reply", "text": "Hello all.", "to": to}])
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.replied(content_id="three"))
    found = await house.facts(3)
    assert sorted(type(e.data).__name__ for e in found) == ["MessageBounced", "MessageSent", "NotificationSent"]
    assert [m.recipients for m in house.sink.mails] == [
        ("carla@example.test",),
        ("emil@example.test",),
        ("ana@staff.acme.test",),
    ]
    text = message_from_bytes(house.sink.mails[-1].content, policy=default).get_content().replace("\r\n", "\n")
    assert "Not reached: dora@example.test (5.1.1: there is no such mailbox). Who is not named here has it." in text
    stored = await house.deliveries.find().to_list(length=10)
    assert "example.test" not in str(stored), "addresses stay in a delivery only while they are needed"


async def test_cause_of_four_days_ago_is_skipped_and_counted(house: House) -> None:
    process = await house.notifier()
    old = Facts(start=now() - timedelta(days=4))
    await house.publish(old.received(), old.replied(), old.replied("r2", send_at=now()))
    await house.facts(1)
    assert len(house.sink.mails) == 1, "the scheduled one is exempt"
    states = {d["message_id"]: d["state"] async for d in house.deliveries.find()}
    assert states == {f"{old.conversation}-r1": "skipped_too_old", f"{old.conversation}-r2": "accepted"}
    metrics = await asyncio.to_thread(process.get, "/metrics")
    assert 'postroom_deliveries_skipped_too_old_total{kind="reply"} 1.0' in metrics


async def test_server_that_comes_back_gets_what_waited(house: House) -> None:
    house.sink.stop()
    await house.notifier()
    facts = Facts(start=now())
    await house.publish(facts.received(), facts.replied())
    await asyncio.to_thread(_wait_for_attempt, house)
    house.sink.start()
    [sent] = await house.facts(1)
    assert isinstance(sent.data, MessageSent)
    assert len(house.sink.mails) == 1


def _wait_for_attempt(house: House) -> None:
    [process] = house.deployment.processes
    for _ in range(1200):
        if re.search(r'outcome="again"} [1-9]', process.get("/metrics")):
            return
        time.sleep(0.05)
    raise AssertionError("the send was never tried")


async def test_two_replicas_never_send_one_delivery_at_the_same_time(house: House) -> None:
    house.sink.answer_always("ana@staff.acme.test", Accept(delay_seconds=0.05))
    await asyncio.gather(house.notifier(), house.notifier())
    everyone = [Facts(f"{n:08d}-1111-5111-8111-111111111111", start=now()) for n in range(60)]
    for facts in everyone:
        await house.publish(facts.received(), facts.assigned(), facts.received("m2"))
    await house.facts(120)
    ids = [header(m.content, "Message-ID") for m in house.sink.mails]
    assert len(ids) == len(set(ids)) == 120
    for facts in everyone:
        mine = [m for m in house.sink.mails if facts.conversation.encode() in m.content]
        assert [b"yours now" in m.content for m in mine] == [True, False], "in order for each receiver"
