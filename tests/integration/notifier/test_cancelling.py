"""Cancelling against sending, on real parts: each reply has exactly one outcome, and it is what happened."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from postroom_contracts.facts import MessageCancelled, MessageSent

from tests.integration.notifier.conftest import House
from tests.unit.notifier.company import Facts

pytestmark = pytest.mark.connected
CONVERSATIONS = 40
SURE = 5
"""So many are cancelled a minute before their time, and so many when mail goes out already, however slow the machine is."""


async def test_a_cancelled_reply_is_either_sent_or_not_and_the_log_says_which(house: House) -> None:
    await house.notifier()
    start = datetime.now(UTC)
    cases = [Facts(f"{n:08d}-2222-5222-8222-222222222222", start=start) for n in range(CONVERSATIONS)]
    due = start + timedelta(seconds=2)
    times = [due + timedelta(seconds=60 if n < SURE else 0) for n in range(CONVERSATIONS)]
    for case, at in zip(cases, times, strict=True):
        await house.publish(case.received(), case.replied(send_at=at))
    for n, case in enumerate(cases):  # from well before their time to after it
        await asyncio.sleep(max(0, (due - datetime.now(UTC)).total_seconds() - 0.4 + n * 0.02))
        if n == CONVERSATIONS - SURE:
            await asyncio.to_thread(house.sink.wait_for, 1, 60)
        await house.publish(case.cancelled())
    outcomes = await house.facts(CONVERSATIONS)
    assert Counter(e.subject for e in outcomes) == Counter(c.conversation for c in cases)
    sent = {e.subject for e in outcomes if isinstance(e.data, MessageSent)}
    cancelled = {e.subject for e in outcomes if isinstance(e.data, MessageCancelled)}
    assert sent, "the race was not run: nothing was sent"
    assert cancelled, "the race was not run: nothing was taken back"
    reached = {c.conversation for c in cases if any(c.conversation.encode() in m.content for m in house.sink.mails)}
    assert reached == sent
