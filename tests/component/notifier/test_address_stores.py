"""The doubles of address book and receiver limit keep the promises of MongoDB's (see tests/integration/notifier)."""

from datetime import UTC, datetime

from postroom_notifier.domain.outcomes import Accepted, Refusal, Rejected, TryAgain
from postroom_notifier.watching import AddressWatch
from postroom_runtime.clock import ManualClock

from tests.component.notifier.doubles import InMemoryAddressBook, InMemoryReceiverLimit

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)


def watch(mails_per_hour: int = 300) -> tuple[AddressWatch, InMemoryAddressBook, ManualClock]:
    clock = ManualClock(NOON)
    book = InMemoryAddressBook(clock)
    return AddressWatch(book, InMemoryReceiverLimit(clock, mails_per_hour)), book, clock


async def test_cap_per_receiver_and_hour() -> None:
    watched, _, clock = watch(3)
    for _ in range(3):
        assert await watched.objection(["ana@x.test"]) is None
        await watched.learn(["ana@x.test"], Accepted(), counts=True)
    await watched.learn(["ana@x.test"], TryAgain("no_answer"), counts=True)
    assert await watched.objection(["Ana@x.test"]) == "receiver_limit"
    assert await watched.objection(["ben@x.test"]) is None
    clock.advance(3600)
    assert await watched.objection(["ana@x.test"]) is None


async def test_what_people_send_counts_not() -> None:
    watched, _, _ = watch(1)
    for _ in range(5):
        await watched.learn(["ana@x.test"], Accepted(), counts=False)
    assert await watched.objection(["ana@x.test"]) is None


async def test_refused_address_rests_a_day_and_is_cleared_by_a_mail_that_gets_through() -> None:
    watched, book, clock = watch()
    refusal = Refusal("bad@x.test", 550, "5.1.1")
    await watched.learn(["bad@x.test", "good@x.test"], Accepted((refusal,)), counts=False)
    assert await watched.objection(["bad@x.test"]) == "undeliverable"
    assert await watched.objection(["good@x.test"]) is None
    clock.advance(24 * 3600)
    assert await watched.objection(["bad@x.test"]) is None, "one may try whether it is back"
    await watched.learn(["bad@x.test"], Rejected("refused", "5.1.1", (refusal,)), counts=True)
    assert await watched.objection(["bad@x.test"]) == "undeliverable"
    await watched.learn(["bad@x.test"], Accepted(), counts=False)
    assert not await book.any()


async def test_other_refusals_mark_nobody() -> None:
    watched, book, _ = watch()
    for refusal in (Refusal("a@x.test", 550, "5.7.1"), Refusal("a@x.test", 450, "4.2.1"), Refusal("a@x.test", 552)):
        await watched.learn(["a@x.test"], Rejected("refused", refusal.status, (refusal,)), counts=False)
    await watched.learn(["a@x.test"], Rejected("refused", "5.1.1"), counts=False)
    assert not await book.any(), "what was said of the whole mail says nothing of an address"
