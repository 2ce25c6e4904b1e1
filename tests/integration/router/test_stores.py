"""The router's stores: what holds of the doubles of the component tests holds of MongoDB."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from postroom_contracts.commands import AcceptMessage
from postroom_router.adapters.claims import ClaimStore, InMemoryClaims, MongoClaims
from postroom_router.adapters.contacts import ContactStore, InMemoryContacts, MongoContacts
from postroom_router.adapters.erasures import (
    Erasure,
    Erasures,
    InMemoryErasures,
    MongoAcquaintances,
    MongoErasures,
)
from postroom_router.adapters.merges import InMemoryMerges, MergeForest, MongoMerges
from postroom_router.adapters.snoozes import MongoSnoozes, MongoTargets
from postroom_router.domain.conversation import Conversation, Snooze
from postroom_router.domain.threading import Row
from postroom_runtime import mongo
from postroom_runtime.documents import Document, MongoDocumentStore
from postroom_runtime.errors import ConflictError
from postroom_runtime.settings import RuntimeSettings

from tests.unit.router.build import at

pytestmark = pytest.mark.connected


@dataclass
class Stores:
    claims: ClaimStore
    contacts: ContactStore
    merges: MergeForest


def counting(prefix: str) -> Callable[[], str]:
    made: list[str] = []

    def make() -> str:
        made.append(f"{prefix}-{len(made)}")
        return made[-1]

    return make


@pytest.fixture
async def database(mongo_uri: str, database_prefix: str) -> AsyncIterator[Any]:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    yield mongo.database(client, settings, "router")
    await mongo.close(client)


@pytest.fixture(params=["double", "mongodb"])
async def stores(request: pytest.FixtureRequest, database: Any) -> Stores:
    if request.param == "double":
        return Stores(InMemoryClaims(), InMemoryContacts(counting("c")), InMemoryMerges())
    merges = MongoMerges(database.client, database["merges"])
    contacts = MongoContacts(database["contacts"], counting("c"), [b"a key of the house"])
    await merges.prepare()
    await contacts.prepare()
    return Stores(MongoClaims(database["thread_claims"]), contacts, merges)


async def test_claims_are_made_once_and_who_comes_late_learns_it(stores: Stores) -> None:
    claims = stores.claims
    assert await claims.load(["a", "b"]) == {}
    assert await claims.insert({"a": Row("x", "x", 5), "b": Row("x", "x", 5)}) == set()
    assert await claims.insert({"b": Row("y", "y", 4), "c": Row("y", "y", 4)}) == {"b"}
    assert await claims.load(["a", "b", "c", "d"]) == {
        "a": Row("x", "x", 5), "b": Row("x", "x", 5), "c": Row("y", "y", 4),
    }  # fmt: skip
    assert await claims.insert({}) == set()
    people = {"d": Row("z", "z", 6, (2**63 - 1, 7)), "e": Row("z", "z", 6, (7,), awaited_by=8, apart=True)}
    await claims.insert(people)
    assert await claims.load(["d", "e"]) == people


async def test_moved_claim_keeps_its_home(stores: Stores) -> None:
    await stores.claims.insert({"a": Row("x", "x", 5)})
    await stores.claims.move({"a": Row("x", "y", 4)})
    await stores.claims.move({})
    assert await stores.claims.load(["a", "a"]) == {"a": Row("x", "y", 4)}
    await stores.claims.move({"a": Row("x", "z", 3, apart=True)})
    await stores.claims.move({"a": Row("x", "w", 2)})
    assert await stores.claims.load(["a"]) == {"a": Row("x", "w", 2, apart=True)}


async def test_contact_is_made_once_found_again_and_forgotten(stores: Stores) -> None:
    contacts = stores.contacts
    first = await contacts.ids(["email:a@x", "email:b@x", "email:a@x"], at(0))
    assert len(set(first.values())) == 2
    again = await contacts.ids(["email:b@x", "sms:a@x"], at(1))
    assert again["email:b@x"] == first["email:b@x"]
    assert again["sms:a@x"] not in first.values()
    assert await contacts.addresses([first["email:a@x"], "nobody"]) == {first["email:a@x"]: "a@x"}
    assert await contacts.addresses([]) == {}
    assert await contacts.key_of(first["email:a@x"]) == "email:a@x"
    await contacts.bury([first["email:a@x"]], at(1))
    assert await contacts.key_of(first["email:a@x"]) is None
    assert (await contacts.ids(["email:a@x"], at(2)))["email:a@x"] != first["email:a@x"]


async def test_who_was_erased_is_known_to_what_had_come_in_before_and_new_to_what_comes_later(stores: Stores) -> None:
    contacts, key = stores.contacts, "email:a@x"
    first = (await contacts.ids([key], at(0)))[key]
    for _ in range(2):
        await contacts.bury([first], at(10))
    late = await contacts.known({key: at(10), "email:b@x": at(1)}, at(20))
    assert (late.ids[key], late.erased) == (first, frozenset({first}))
    new = await contacts.known({key: at(11)}, at(20))
    assert (new.ids[key] != first, new.erased) == (True, frozenset())
    again = await contacts.known({key: at(9)}, at(20))
    assert (again.ids[key], again.erased) == (first, frozenset({first})), "though somebody new has this address now"
    await contacts.bury([new.ids[key]], at(30))
    assert (await contacts.known({key: at(25)}, at(40))).erased == {new.ids[key]}


async def test_tombstone_holds_no_address_and_is_found_after_the_key_was_rotated(database: Any) -> None:
    contacts = MongoContacts(database["contacts"], keys=[b"an old key of the house"])
    first = (await contacts.ids(["email:a@x"], at(0)))["email:a@x"]
    await contacts.bury([first], at(10))
    stored = [d async for d in database["contacts"].find()]
    assert len(stored) == 2, "the tombstone and the mark"
    assert "a@x" not in str(stored)
    rotated = MongoContacts(database["contacts"], keys=[b"a new key of the house", b"an old key of the house"])
    assert (await rotated.known({"email:a@x": at(5)}, at(20))).erased == {first}


@pytest.mark.parametrize("kind", ["double", "mongodb"])
async def test_erasures_are_noted_once_and_another_request_begins_anew_with_what_is_known(
    kind: str, database: Any
) -> None:
    erasures: Erasures = InMemoryErasures() if kind == "double" else MongoErasures(database["erasures"])
    asked = Erasure("c1", "r1", {"kind": "agent", "id": "ann"}, whole=False, asked_at=at(0))
    await erasures.ask(asked)
    await erasures.note(replace(asked, key="email:a@x", buried_at=at(1)))
    await erasures.ask(asked)
    assert await erasures.open() == [replace(asked, key="email:a@x", buried_at=at(1))]
    assert await erasures.addresses(["c1", "c2"]) == {"c1": "a@x"}
    more = replace(asked, request="r2", whole=True, asked_at=at(2))
    await erasures.ask(more)
    assert await erasures.open() == [replace(more, key="email:a@x")]
    await erasures.note(replace(more, done_at=at(3), conversations=4))
    assert await erasures.open() == []
    assert await erasures.addresses(["c1"]) == {}


async def test_acquaintances_are_found_over_all_ranges(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom_router.adapters.ranges.id_ranges.__defaults__", (2,))
    collection = database["conversations"]
    states: dict[str, Any] = {
        "a": {"participants": {"c1": "a@x"}},
        "b": {"participants": {"c2": "b@x"}, "messages": {"m": "c1/ledger"}},
        "c": {"participants": {"c2": "b@x"}, "messages": {"m": "c2/c1/"}},
        "d": {"participants": {"c1": ""}},
        "e": None,
        "f": {"participants": {"c1": ""}},
    }
    accept = [{"h": {"ce_type": AcceptMessage.type_name().encode()}}]
    documents = [
        {"_id": i, "state": s, "requests": ["r1"], "out": accept if i == "f" else []} for i, s in states.items()
    ]
    await collection.insert_many(documents)
    found = {k.conversation_id: k.holds for k in await MongoAcquaintances(collection).knowing("c1")}
    assert found == {"a": True, "b": False, "d": False, "f": True}
    assert await MongoAcquaintances(collection).knowing("nobody") == []


async def test_a_person_is_taken_out_of_the_claims(stores: Stores) -> None:
    await stores.claims.insert(
        {"one": Row("h", "h", 1, (7, 8)), "two": Row("h", "h", 1, (8,)), "three": Row("h", "h", 1)}
    )
    for _ in range(2):
        await stores.claims.forget(7)
    rows = await stores.claims.load(["one", "two", "three"])
    assert {i: row.people for i, row in rows.items()} == {"one": (0, 8), "two": (8,), "three": ()}


async def test_members_that_meet_the_same_person_at_once_agree(database: Any) -> None:
    keys = [f"email:{n}@x" for n in range(50)]
    members = [MongoContacts(database["contacts"]) for _ in range(4)]
    found = await asyncio.gather(*(m.ids(keys, at(0)) for m in members))
    assert all(f == found[0] for f in found)
    assert len(set(found[0].values())) == 50


async def test_merges_make_no_circle(stores: Stores) -> None:
    merges = stores.merges
    await merges.take("a", "b")
    await merges.take("b", "c")
    await merges.take("a", "b")
    assert await merges.chains(["a", "c"]) == {"a": ["b", "c"], "c": []}
    for source, target in (("c", "a"), ("b", "a"), ("d", "d")):
        with pytest.raises(ConflictError):
            await merges.take(source, target)


async def test_merges_in_opposite_directions_at_once_leave_one(database: Any) -> None:
    merges = MongoMerges(database.client, database["merges"])
    await merges.prepare()
    for n in range(10):
        a, b = f"a{n}", f"b{n}"
        results = await asyncio.gather(merges.take(a, b), merges.take(b, a), return_exceptions=True)
        assert sorted(type(r).__name__ for r in results) == ["ConflictError", "NoneType"], results


async def test_due_snoozes_and_existing_targets(database: Any) -> None:
    collection = database["conversations"]
    snoozes, targets = MongoSnoozes(collection), MongoTargets(collection)
    await snoozes.prepare()
    store = MongoDocumentStore(collection, Conversation)
    states = {
        "late": Conversation(inbox_id="support", snooze=Snooze(until=at(10), generation=3)),
        "soon": Conversation(inbox_id="support", snooze=Snooze(until=at(5), generation=1)),
        "ahead": Conversation(inbox_id="support", snooze=Snooze(until=at(30), generation=1)),
        "awake": Conversation(inbox_id="support"),
        "nobody": Conversation(sequence=1),
    }
    await store.save([Document(key, state, applied={"t-0": 1}) for key, state in states.items()])
    due = await snoozes.due(at(20), 10)
    assert [(t.subject, t.generation, t.due_at) for t in due] == [("soon", 1, at(5)), ("late", 3, at(10))]
    assert [t.subject for t in await snoozes.due(at(20), 1)] == ["soon"]
    assert await targets.existing(["awake", "nobody", "gone"]) == {"awake"}
