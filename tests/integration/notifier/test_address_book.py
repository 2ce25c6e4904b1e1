"""Address book and receiver limit: MongoDB and the doubles keep the same promises."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from postroom_notifier.adapters.mongo_addresses import MongoAddressBook, MongoReceiverLimit
from postroom_notifier.ports import AddressBook, ReceiverLimit
from postroom_runtime import mongo
from postroom_runtime.clock import ManualClock
from postroom_runtime.settings import RuntimeSettings

from tests.component.notifier.doubles import InMemoryAddressBook, InMemoryReceiverLimit
from tests.unit.notifier.company import FRIDAY, KEY

pytestmark = pytest.mark.connected
DAY = 24 * 3600


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(FRIDAY)


@pytest.fixture
async def database(mongo_uri: str, database_prefix: str) -> AsyncIterator[Any]:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    yield mongo.database(client, settings, "notifier")
    await mongo.close(client)


@pytest.fixture(params=["mongo", "in-memory"])
async def book(request: pytest.FixtureRequest, database: Any, clock: ManualClock) -> AddressBook:
    if request.param == "in-memory":
        return InMemoryAddressBook(clock)
    real = MongoAddressBook(database["addresses"], clock, KEY)
    await real.prepare()
    return real


@pytest.fixture(params=["mongo", "in-memory"])
async def limit(request: pytest.FixtureRequest, database: Any, clock: ManualClock) -> ReceiverLimit:
    if request.param == "in-memory":
        return InMemoryReceiverLimit(clock, 3)
    real = MongoReceiverLimit(database["receivers"], clock, KEY, 3)
    await real.prepare()
    return real


async def test_marked_address_rests_for_a_day_and_is_forgotten_when_cleared(
    book: AddressBook, clock: ManualClock
) -> None:
    assert not await book.any()
    await book.mark(["Bad@X.test"], "5.1.1")
    await book.mark(["bad@x.test"], "5.1.1")
    assert await book.any()
    assert await book.resting(["good@x.test", "bad@x.test"])
    assert not await book.resting(["good@x.test"])
    clock.advance(DAY)
    assert not await book.resting(["bad@x.test"])
    assert await book.any(), "still marked"
    await book.clear(["BAD@x.test"])
    assert not await book.any()


async def test_addresses_do_not_lie_in_the_database(database: Any, clock: ManualClock) -> None:
    await MongoAddressBook(database["addresses"], clock, KEY).mark(["bad@x.test"], "5.1.1")
    limit = MongoReceiverLimit(database["receivers"], clock, KEY, 3)
    await limit.allows(["bad@x.test"])
    limit.count(["bad@x.test"])
    limit._refresh_at = 0
    await limit.allows(["bad@x.test"])
    found = [await database[name].find().to_list(length=9) for name in ("addresses", "receivers")]
    found = [document for documents in found for document in documents]
    assert len(found) == 2
    assert "x.test" not in str(found)


async def test_full_receiver_is_full_until_the_next_hour(limit: ReceiverLimit, clock: ManualClock) -> None:
    for _ in range(3):
        assert await limit.allows(["ana@x.test", "ben@x.test"])
        limit.count(["ana@x.test"])
    assert not await limit.allows(["ben@x.test", "Ana@x.test"])
    assert await limit.allows(["ben@x.test"])
    clock.advance(3600)
    assert await limit.allows(["ana@x.test"])


async def test_replicas_see_each_others_counts(database: Any, clock: ManualClock) -> None:
    one, two = (MongoReceiverLimit(database["receivers"], clock, KEY, 3) for _ in range(2))
    for replica in (one, one, two):
        assert await replica.allows(["ana@x.test"])
        replica.count(["ana@x.test"])
    for replica in (one, two, one):  # each writes its counts, then reads
        replica._refresh_at = 0
        await replica.allows(["ana@x.test"])
    assert not await one.allows(["ana@x.test"])
    two._refresh_at = 0
    assert not await two.allows(["ana@x.test"])
