"""The stores of identity: MongoDB's and their doubles keep the same promises."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from postroom_desk.adapters.identity_stores import identity_stores, prepare_identity
from postroom_desk.identity.api_tokens import ApiToken, TokenNameTakenError
from postroom_desk.identity.build import Stores
from postroom_desk.identity.letters import Letter
from postroom_desk.identity.links import made
from postroom_desk.identity.people import Person
from postroom_desk.identity.sessions import Limits, Where, begun
from postroom_desk.identity.sign_on import Journey
from postroom_desk.identity.tries import BY_ACCOUNT, BY_ADDRESS
from postroom_runtime import mongo
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.identity_doubles import InMemoryStores

NOW = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)
KINDS = ["memory", pytest.param("mongo", marks=pytest.mark.connected)]


@pytest_asyncio.fixture(params=KINDS)
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield InMemoryStores().all()
        return
    prefix = request.getfixturevalue("database_prefix")
    settings = RuntimeSettings(mongo_uri=request.getfixturevalue("mongo_uri"), database_prefix=prefix)
    client = mongo.connect(settings)
    try:
        database = mongo.database(client, settings, "desk")
        await prepare_identity(database)
        yield identity_stores(database)
    finally:
        await mongo.close(client)


async def test_of_many_tries_at_once_no_more_than_the_limit_are_taken(stores: Stores) -> None:
    waits = await asyncio.gather(*(stores.tries.take(BY_ADDRESS, "k", f"t{n}", NOW) for n in range(20)))
    assert sum(w is None for w in waits) == 5
    assert {w for w in waits if w is not None} == {300.0}


async def test_the_window_slides_and_a_right_try_is_given_back(stores: Stores) -> None:
    for n in range(10):
        assert await stores.tries.take(BY_ACCOUNT, "k", f"t{n}", NOW + timedelta(seconds=n)) is None
    assert await stores.tries.take(BY_ACCOUNT, "k", "t10", NOW + timedelta(seconds=100)) == 800.0
    assert await stores.tries.take(BY_ACCOUNT, "other", "t10", NOW) is None
    await stores.tries.give_back(BY_ACCOUNT, "k", "t3")
    assert await stores.tries.take(BY_ACCOUNT, "k", "t11", NOW + timedelta(seconds=100)) is None
    assert await stores.tries.take(BY_ACCOUNT, "k", "t12", NOW + timedelta(seconds=901)) is None


async def test_people_and_their_credentials(stores: Stores) -> None:
    people = stores.people
    assert await people.get("ana") is None
    assert await people.add("ana")
    assert not await people.add("ana")
    person = await people.set_password("ana", "hash-1", NOW)
    assert (person.password_hash, person.password_changed_at, person.version) == ("hash-1", NOW, 3)
    await people.renew_hash(person, "hash-2")
    await people.renew_hash(person, "hash-3")
    assert await people.get("ana") == replace(person, password_hash="hash-2")
    assert not await people.disable("ben")
    assert await people.disable("ana")
    assert (await people.all()) == [replace(person, password_hash="hash-2", disabled=True, version=4)]
    assert await people.add("ana")
    assert await people.set_password("ben", "hash", NOW) == Person("ben", 1, "hash", NOW)


async def test_a_log_in_is_noted_and_changes_no_credentials(stores: Stores) -> None:
    await stores.people.add("ana")
    await stores.people.logged_in("ana", NOW, "sso")
    await stores.people.logged_in("nobody", NOW, "sso")
    assert await stores.people.all() == [Person("ana", 1, last_login_at=NOW, last_login_by="sso")]


async def test_of_a_letter_one_gets_it_and_a_later_one_is_not_marked_by_an_earlier(stores: Stores) -> None:
    letters, later = stores.letters, NOW + timedelta(seconds=120)
    letter = Letter("ana", "reset", "de", "tests", NOW, NOW)
    await letters.want(letter)
    claimed = [x for x in await asyncio.gather(*(letters.claim(NOW, later) for _ in range(5))) if x is not None]
    assert claimed == [replace(letter, tries=1, due_at=later)]
    assert await letters.claim(NOW + timedelta(seconds=119), later) is None
    again = await letters.claim(later, later + timedelta(seconds=120))
    assert again is not None, "who had it died"
    await letters.mark(replace(claimed[0], state="failed"))
    await letters.mark(replace(again, state="sent"))
    assert await letters.all() == {"ana": replace(again, state="sent")}
    newer = replace(letter, wanted_at=later, due_at=later)
    await letters.want(newer)
    await letters.mark(replace(again, state="failed"))
    assert await letters.all() == {"ana": newer}


async def test_a_code_and_a_recovery_code_work_once(stores: Stores) -> None:
    people = stores.people
    await people.add("ana")
    await people.set_second_factor("ana", b"sealed", ["d1", "d2"], 7)
    assert not await people.use_step("ana", 7)
    taken = await asyncio.gather(*(people.use_step("ana", 8) for _ in range(5)))
    assert sorted(taken) == [False, False, False, False, True]
    assert await people.use_recovery("ana", "d1")
    assert not await people.use_recovery("ana", "d1")
    person = await people.get("ana")
    assert person is not None
    assert (person.second_factor, person.recovery, person.last_step) == (b"sealed", ("d2",), 8)
    await people.set_second_factor("ana", None, [], 0)
    assert (await people.get("ana") or person).second_factor is None


async def test_sessions_end_one_by_one_and_together(stores: Stores) -> None:
    made = []
    for n, agent in enumerate(["ana", "ana", "ana", "ben"]):
        at = NOW + timedelta(minutes=n)
        _, session = begun(agent, agent, "password", "full", Where("192.0.2.1", "Firefox"), at, Limits(), version=2)
        await stores.sessions.add(session)
        made.append(session)
    assert await stores.sessions.get(made[0].id) == made[0]
    assert await stores.sessions.of("ana") == [made[2], made[1], made[0]]
    assert await stores.sessions.counts(NOW) == {"ana": 3, "ben": 1}
    assert await stores.sessions.counts(NOW + timedelta(hours=12, minutes=1)) == {"ana": 1, "ben": 1}
    later = replace(made[0], seen_at=NOW + timedelta(hours=1), ends_at=NOW + timedelta(hours=13))
    await stores.sessions.touch(later)
    assert await stores.sessions.get(made[0].id) == later
    assert await stores.sessions.alive([m.id for m in made], NOW + timedelta(hours=12, minutes=2)) == {
        made[0].id,
        made[3].id,
    }
    assert await stores.sessions.remove(made[0].id)
    assert not await stores.sessions.remove(made[0].id)
    await stores.sessions.touch(later)
    assert await stores.sessions.get(made[0].id) is None
    assert await stores.sessions.remove_of("ana", but=made[1].id) == 1
    assert await stores.sessions.of("ana") == [made[1]]
    assert await stores.sessions.of("ben") == [made[3]]


async def test_a_link_is_used_by_one_and_replaced_by_the_next(stores: Stores) -> None:
    _, link = made("ana", "reset", NOW, "tests")
    await stores.links.add(link)
    assert await stores.links.get(link.id, NOW + timedelta(hours=23)) == link
    assert await stores.links.get(link.id, NOW + timedelta(hours=24)) is None
    assert await stores.links.use(link.id, NOW + timedelta(hours=24)) is None
    used = await asyncio.gather(*(stores.links.use(link.id, NOW) for _ in range(5)))
    assert [u for u in used if u] == [link]
    _, first = made("ana", "invitation", NOW, "tests")
    _, second = made("ana", "reset", NOW, "tests")
    _, bens = made("ben", "reset", NOW, "tests")
    for each in (first, bens, second):
        await stores.links.add(each)
    assert await stores.links.get(first.id, NOW) is None
    assert await stores.links.get(bens.id, NOW) == bens
    assert await stores.links.remove_of("ana") == 1
    assert await stores.links.get(second.id, NOW) is None


async def test_tokens_are_named_once_a_person_and_withdrawn_by_it_alone(stores: Stores) -> None:
    first = ApiToken("d1", "ana", "export", ("read", "write"), "postroom_abcd", NOW, NOW + timedelta(days=30))
    await stores.tokens.add(first)
    await stores.tokens.add(replace(first, id="d2", agent_id="ben"))
    with pytest.raises(TokenNameTakenError):
        await stores.tokens.add(replace(first, id="d3"))
    later = replace(first, id="d4", name="other", created_at=NOW + timedelta(hours=1))
    await stores.tokens.add(later)
    assert await stores.tokens.get("d1") == first
    assert await stores.tokens.of("ana") == [later, first]
    assert await stores.tokens.counts(NOW) == {"ana": 2, "ben": 1}
    await stores.tokens.used("d1", NOW + timedelta(minutes=2))
    await stores.tokens.used("d1", NOW)
    assert await stores.tokens.get("d1") == replace(first, used_at=NOW + timedelta(minutes=2))
    assert not await stores.tokens.remove("ben", "d1")
    assert await stores.tokens.remove("ana", "d1")
    assert await stores.tokens.remove_of("ana") == 1
    assert [t.id for t in await stores.tokens.of("ben")] == ["d2"]


async def test_a_journey_is_used_once_and_in_time(stores: Stores) -> None:
    journey = Journey("s1", "nonce", "verifier", "/", NOW + timedelta(minutes=10))
    await stores.journeys.add(journey)
    assert await stores.journeys.use("s1", NOW + timedelta(minutes=10)) is None
    used = await asyncio.gather(*(stores.journeys.use("s1", NOW) for _ in range(3)))
    assert [u for u in used if u] == [journey]
