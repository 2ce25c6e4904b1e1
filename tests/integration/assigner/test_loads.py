"""Slots: the double and MongoDB refuse and free alike; the sweep corrects what a crash left, and never too low."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from postroom_assigner.adapters.loads import MongoAgentLoads
from postroom_assigner.adapters.memory import InMemoryAgentLoads
from postroom_assigner.adapters.queue import create_indexes
from postroom_assigner.adapters.sweep import Sweep
from postroom_assigner.app import AssignerSettings
from postroom_assigner.domain.assignment import Assignment
from postroom_assigner.ports import AgentLoads, Release, Reserved, Take, slot_key
from postroom_contracts.facts import ConversationResolved
from postroom_contracts.values import Status
from postroom_runtime import mongo
from postroom_runtime.documents import MongoDocumentStore
from postroom_runtime.errors import ConflictError

from tests.component.assigner.world import NOON, World, agent, company, received

pytestmark = pytest.mark.connected
RESOLVED = ConversationResolved(actor=agent("a0"), previous=Status.OPEN, resolved_at=NOON)


@pytest.fixture
async def database(mongo_uri: str, database_prefix: str) -> AsyncIterator[Any]:
    settings = AssignerSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    found = mongo.database(client, settings, "assigner")
    await create_indexes(found["assignments"])
    yield found
    await mongo.close(client)


@pytest.fixture(params=["memory", "mongo"])
def loads(request: pytest.FixtureRequest, database: Any) -> AgentLoads:
    return InMemoryAgentLoads() if request.param == "memory" else MongoAgentLoads(database["agent_load"])


def slots(*conversations: str, epoch: int = 1) -> dict[str, Reserved]:
    return {slot_key(c, epoch): Reserved(c, epoch, NOON) for c in conversations}


async def test_slots_are_taken_to_the_last_and_not_beyond(loads: AgentLoads) -> None:
    await loads.take({"a": Take(3, 5, slots("k1", "k2"))})
    with pytest.raises(ConflictError):
        await loads.take({"a": Take(3, 6, slots("k3", "k4"))})
    await loads.take({"a": Take(3, 6, slots("k3"))})
    load = (await loads.load(["a", "nobody"]))["a"]
    assert (load.count, load.last_assigned, set(load.reserved)) == (3, 6, set(slots("k1", "k2", "k3")))
    assert (await loads.load(["nobody"]))["nobody"].count == 0


async def test_more_than_the_capacity_of_a_new_agent_is_refused(loads: AgentLoads) -> None:
    with pytest.raises(ConflictError):
        await loads.take({"a": Take(1, 1, slots("k1", "k2"))})
    assert (await loads.load(["a"]))["a"].count == 0


async def test_a_slot_that_is_reserved_is_not_taken_twice(loads: AgentLoads) -> None:
    await loads.take({"a": Take(None, 1, slots("k1"))})
    with pytest.raises(ConflictError):
        await loads.take({"a": Take(None, 2, slots("k1"))})
    assert (await loads.load(["a"]))["a"].count == 1


async def test_a_reserved_slot_moves_to_another_key_at_no_cost(loads: AgentLoads) -> None:
    await loads.take({"a": Take(1, 1, slots("k1"))})
    [new] = slots("k1", epoch=2).items()
    await loads.take({"a": Take(1, 2, {}, {slot_key("k1", 1): new})})
    load = (await loads.load(["a"]))["a"]
    assert (load.count, set(load.reserved)) == (1, {slot_key("k1", 2)})
    with pytest.raises(ConflictError):
        await loads.take({"a": Take(1, 2, {}, {slot_key("k1", 1): new})})


async def test_confirmed_reservations_go_with_the_next_take(loads: AgentLoads) -> None:
    await loads.take({"a": Take(None, 1, slots("k1"))})
    await loads.take({"a": Take(None, 2, slots("k2"), confirmed=list(slots("k1")))})
    load = (await loads.load(["a"]))["a"]
    assert (load.count, set(load.reserved)) == (2, set(slots("k2")))


async def test_a_slot_is_freed_once_and_not_under_a_past_generation(loads: AgentLoads) -> None:
    await loads.take({"a": Take(None, 1, slots("k1", "k2", "k3"))})
    await loads.give_back({"a": Release(0, 1, list(slots("k1")))})
    await loads.give_back({"a": Release(0, 0, list(slots("k1")))})
    await loads.give_back({"a": Release(7, 1)})
    assert (await loads.load(["a"]))["a"].count == 1


# --- the fold on MongoDB, with crashes between its steps -------------------------------------------------------------


class Crash(Exception):  # noqa: N818 - what a test throws to stop between two steps
    pass


def world_on(database: Any, capacity: int | None, agents: int = 1) -> World:
    store = MongoDocumentStore(database["assignments"], Assignment)
    return World(company(agents, capacity=capacity), loads=MongoAgentLoads(database["agent_load"]), store=store)


def sweep_of(database: Any, world: World) -> Sweep:
    return Sweep(database["agent_load"], database["assignments"], world.store, world.clock)


async def count_of(database: Any, agent_id: str = "a0") -> int:
    return int((await database["agent_load"].find_one({"_id": agent_id}))["load"])


async def test_after_a_crash_before_the_save_a_repeat_takes_no_second_slot(database: Any) -> None:
    world = world_on(database, capacity=1)
    batch = [world.incoming("k1", received())]
    save, world.store.save = world.store.save, _crash
    with pytest.raises(Crash):
        await world.fold.handle(batch, {})
    assert await count_of(database) == 1
    world.store.save = save
    await world.handle(batch)
    assert await count_of(database) == 1
    assert [type(x).__name__ for x in world.publisher.facts()] == ["ConversationAssigned"]


async def test_a_slot_of_an_owner_who_was_never_saved_is_swept_and_the_late_save_fails(database: Any) -> None:
    world = world_on(database, capacity=1)
    late = world.incoming("k1", received(1))
    reached, go_on = asyncio.Event(), asyncio.Event()
    save = world.store.save

    async def slow(documents: Any) -> None:
        reached.set()
        await go_on.wait()
        await save(documents)

    world.store.save = slow
    stuck = asyncio.create_task(world.fold.handle([late], {}))
    await asyncio.wait_for(reached.wait(), 10)
    world.store.save = save
    assert await sweep_of(database, world).turn() == 0  # it is young: it may be on its way
    world.clock.set(NOON + timedelta(seconds=60))
    assert await sweep_of(database, world).turn() == 1
    await world.tell(("k2", received(2)))  # the place is given to another
    go_on.set()
    with pytest.raises(ConflictError):
        await asyncio.wait_for(stuck, 10)
    await world.handle([late])
    facts = {e.key: type(e.data).__name__ for e in world.publisher.events}
    assert facts == {"k1": "ConversationQueued", "k2": "ConversationAssigned"}
    assert await count_of(database) == 1


async def test_a_slot_that_a_crash_did_not_free_is_swept(database: Any) -> None:
    world = world_on(database, capacity=2)
    await world.tell(("k1", received(1)), ("k2", received(2)))
    give_back, world.loads.give_back = world.loads.give_back, _crash
    batch = [world.incoming("k1", RESOLVED)]
    with pytest.raises(Crash):
        await world.fold.handle(batch, {})
    world.loads.give_back = give_back
    await world.handle(batch)
    assert await count_of(database) == 2
    assert await sweep_of(database, world).turn() == 1
    assert await count_of(database) == 1
    assert await sweep_of(database, world).turn() == 0


async def test_a_release_on_its_way_is_not_counted_twice_by_a_correction(database: Any) -> None:
    world = world_on(database, capacity=2)
    await world.tell(("k1", received(1)), ("k2", received(2)))
    give_back = world.loads.give_back

    async def after_the_sweep(releases: Any) -> None:
        assert await sweep_of(database, world).turn() == 1
        await give_back(releases)

    world.loads.give_back = after_the_sweep
    await world.tell(("k1", RESOLVED))
    assert await count_of(database) == 1


async def test_old_reservations_of_saved_owners_are_forgotten_without_a_correction(database: Any) -> None:
    world = world_on(database, capacity=5)
    await world.tell(("k1", received(1)), ("k2", received(2)))
    world.clock.advance(60)
    assert await sweep_of(database, world).turn() == 0
    stored = await database["agent_load"].find_one({"_id": "a0"})
    assert (stored["load"], stored["p"]) == (2, {})


async def test_sweeps_amid_traffic_leave_counts_exact(database: Any) -> None:
    world = world_on(database, capacity=None, agents=4)
    sweep = sweep_of(database, world)
    stop = asyncio.Event()

    async def sweeping() -> None:
        while not stop.is_set():
            await sweep.turn()

    running = asyncio.create_task(sweeping())
    for round_ in range(40):
        keys = [f"k{round_}-{n}" for n in range(10)]
        await world.tell(*[(key, received()) for key in keys])
        await world.tell(*[(key, RESOLVED) for key in keys[:6]])
    stop.set()
    await asyncio.wait_for(running, 20)
    await sweep.turn()
    held = {f"a{n}": await database["assignments"].count_documents({"state.slot": f"a{n}"}) for n in range(4)}
    assert sum(held.values()) == 160
    assert {f"a{n}": await count_of(database, f"a{n}") for n in range(4)} == held


async def _crash(*_: Any) -> None:
    raise Crash
