"""The delivery store: MongoDB and its double keep the same promises."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from postroom_notifier.adapters.mongo_deliveries import MongoDeliveryStore
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.outcomes import Accepted, TryAgain, conclude
from postroom_notifier.ports import DeliveryStore
from postroom_runtime import mongo
from postroom_runtime.settings import RuntimeSettings

from tests.component.notifier.doubles import InMemoryDeliveryStore
from tests.unit.notifier.company import FRIDAY
from tests.unit.notifier.test_reply_mail import delivery as any_delivery

pytestmark = pytest.mark.connected
NOW = FRIDAY
DAYS = timedelta(days=3)


@pytest.fixture(params=["mongo", "in-memory"])
async def store(request: pytest.FixtureRequest, mongo_uri: str, database_prefix: str) -> AsyncIterator[DeliveryStore]:
    if request.param == "in-memory":
        yield InMemoryDeliveryStore()
        return
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    real = MongoDeliveryStore(mongo.database(client, settings, "notifier")["deliveries"])
    await real.prepare()
    yield real
    await mongo.close(client)


def delivery(number: int, order_key: str = "c", **changes: Any) -> Delivery:
    due_at = changes.pop("due_at", NOW)
    fields = {"id": f"d{number}", "number": number, "order_key": order_key, "due_at": due_at, "next_at": due_at}
    return any_delivery(**({"message_id": "r", "account_id": "mail", "conversation_id": "c"} | fields | changes))


async def lease(store: DeliveryStore, seconds: float = 0, name: str = "x", limit: int = 10, **out: Any) -> list[str]:
    now = NOW + timedelta(seconds=seconds)
    options: dict[str, Any] = {"accounts_out": [], "in_hand": []} | out
    found = await store.lease(limit, now=now, until=now + timedelta(seconds=60), lease=name, **options)
    return sorted(d.id for d in found)


async def done(store: DeliveryStore, delivery_id: str, seconds: float = 0) -> None:
    found = (await store.find([delivery_id]))[delivery_id]
    await store.mark([conclude(found, Accepted(), NOW + timedelta(seconds=seconds), DAYS)])
    await store.release_followers([found.order_key])


async def test_what_is_there_stays_as_it_is(store: DeliveryStore) -> None:
    assert [d.id for d in await store.add([delivery(1)])] == ["d1"]
    assert await store.add([delivery(1, details={"other": 1})]) == []
    assert (await store.find(["d1"]))["d1"].details == {}


async def test_only_the_first_undone_of_each_key_is_leased(store: DeliveryStore) -> None:
    await store.add([delivery(1), delivery(2), delivery(3, "other")])
    assert await lease(store) == ["d1", "d3"]
    assert await lease(store, 0.1, "y") == []
    await done(store, "d1", 0.2)
    assert await lease(store, 0.3, "y") == ["d2"]


async def test_one_that_is_tried_again_holds_up_those_behind_it(store: DeliveryStore) -> None:
    await store.add([delivery(1), delivery(2)])
    assert await lease(store) == ["d1"]
    leased = (await store.find(["d1"]))["d1"]
    await store.mark([conclude(leased, TryAgain("no_answer"), NOW, DAYS)])
    assert await lease(store, 1) == []
    assert await lease(store, 2.5) == ["d1"]


async def test_scheduled_one_holds_up_nothing_until_it_is_due(store: DeliveryStore) -> None:
    later = NOW + timedelta(minutes=5)
    await store.add([delivery(1, due_at=later), delivery(2)])
    assert await lease(store) == ["d2"]
    await done(store, "d2")
    assert await lease(store, 299) == []
    assert await lease(store, 300) == ["d1"]


async def test_lapsed_lease_is_taken_over_and_the_late_one_cannot_put_it_off(store: DeliveryStore) -> None:
    await store.add([delivery(1)])
    await lease(store, 0, "first")
    late = (await store.find(["d1"]))["d1"]
    assert await lease(store, 59, "second") == []
    assert await lease(store, 61, "second") == ["d1"]
    await store.mark([conclude(late, TryAgain("no_answer"), NOW, DAYS)])
    assert (await store.find(["d1"]))["d1"].lease == "second"
    assert (await store.find(["d1"]))["d1"].attempts == 2


async def test_done_stays_done(store: DeliveryStore) -> None:
    await store.add([delivery(1)])
    await lease(store)
    leased = (await store.find(["d1"]))["d1"]
    await store.mark([conclude(leased, Accepted(), NOW, DAYS)])
    await store.mark([conclude(leased, TryAgain("no_answer"), NOW, DAYS)])
    found = (await store.find(["d1"]))["d1"]
    assert (found.state, found.next_at, found.unreported_since) == ("accepted", None, NOW)


async def test_accounts_and_deliveries_that_are_not_wanted_stay(store: DeliveryStore) -> None:
    await store.add([delivery(1, "a"), delivery(2, "b", account_id="other"), delivery(3, "c")])
    assert await lease(store, accounts_out=["mail"]) == ["d2"]
    assert await lease(store, 0.1, in_hand=["d1"]) == ["d3"]


async def test_results_are_unreported_until_they_are_marked(store: DeliveryStore) -> None:
    await store.add([delivery(1), delivery(2, "other")])
    await lease(store)
    await done(store, "d1", 5)
    await done(store, "d2", 1)
    assert [d.id for d in await store.unreported(NOW + timedelta(seconds=9), 10)] == ["d2", "d1"]
    assert [d.id for d in await store.unreported(NOW + timedelta(seconds=2), 10)] == ["d2"]
    await store.mark_reported(["d2"], NOW)
    assert await store.reported(["d1", "d2"]) == {"d2"}
    assert [d.id for d in await store.unreported(NOW + timedelta(seconds=9), 10)] == ["d1"]


async def test_erasing_takes_addresses_out(store: DeliveryStore) -> None:
    await store.add(
        [delivery(1, remaining=["carla@example.test"]), delivery(2, remaining=["x@y"], conversation_id="z")]
    )
    await store.erase(["c"], [], NOW)
    found = await store.find(["d1", "d2"])
    assert (found["d1"].remaining, found["d1"].details) == ([], {"erased": True})
    assert found["d2"].remaining == ["x@y"]


async def test_erased_replies_that_nobody_has_tried_are_given_up_without_a_word(store: DeliveryStore) -> None:
    later = NOW + timedelta(seconds=60)
    await store.add(
        [
            delivery(1, message_id="gone", due_at=later),
            delivery(2, "other", message_id="tried"),
            delivery(3, "third", message_id="stays", due_at=later),
        ]
    )
    assert await lease(store) == ["d2"]
    for _ in range(2):
        await store.erase(["c"], ["gone", "tried"], NOW)
        found = await store.find(["d1", "d2", "d3"])
        assert [found[i].state for i in ("d1", "d2", "d3")] == ["skipped", "due", "due"]
        assert (found["d1"].next_at, found["d1"].results, found["d1"].last_reason) == (None, [], "content_erased")
    assert await lease(store, 120) == ["d2", "d3"]


async def test_a_reply_is_taken_back_until_somebody_leases_it(store: DeliveryStore) -> None:
    later = NOW + timedelta(seconds=10)
    await store.add([delivery(1, message_id="r1", due_at=later), delivery(2, "other", message_id="r2")])
    assert await lease(store) == ["d2"]
    assert await store.cancel("c", ["r2"], NOW) == []
    [taken] = await store.cancel("c", ["r1"], NOW)
    assert (taken.id, taken.state, [r.name for r in taken.results]) == ("d1", "cancelled", ["MessageCancelled"])
    assert await store.cancel("c", ["r1"], NOW) == []
    assert await lease(store, 20) == []
    assert [d.id for d in await store.unreported(NOW, 10)] == ["d1"]
