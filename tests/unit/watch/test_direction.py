"""Provocations overlap where they may, and an alert counts by its own provocation."""

import asyncio
from dataclasses import dataclass, field

import pytest

from watch import direction
from watch.direction import Direction, Seen, Watcher
from watch.provocations import Provocations
from watch.rules import all_alerts
from watch.trouble import Provocation, services


@dataclass
class House:
    """Alerts fire while their provocation lasts; `lingering` ones go on until somebody ends them."""

    firing: set[str] = field(default_factory=set)
    lingering: set[str] = field(default_factory=set)
    happened: list[str] = field(default_factory=list)

    async def ask(self) -> set[str]:
        return self.firing | self.lingering

    def provocation(self, name: str, *alerts: str, fails: bool = False, **more: frozenset[str]) -> Provocation:
        async def begin() -> None:
            self.happened.append(f"{name} begins")
            self.firing |= set(alerts)
            if fails:
                raise RuntimeError("it could not be provoked")

        async def mend() -> None:
            self.happened.append(f"{name} ends")
            self.firing -= set(alerts)

        return Provocation(name, alerts, begin, mend, fires=30, ends=30, **more)  # type: ignore[arg-type]

    async def directed(self, *provocations: Provocation) -> list[Seen]:
        watcher = Watcher(self.ask)
        await watcher.look()
        looking = asyncio.create_task(watcher.run())
        found = Direction(watcher, lambda _: None)
        try:
            async with asyncio.timeout(90):
                await found.carry_out(provocations)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        return found.seen


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direction, "LOOK_SECONDS", 0.01)


async def test_those_that_touch_the_same_go_one_after_another_in_order_and_others_beside() -> None:
    house = House()
    seen = await house.directed(
        house.provocation("first", "A", takes=services("notifier")),
        house.provocation("second", "B", uses=services("notifier")),
        house.provocation("third", "C", uses=services("notifier")),
        house.provocation("beside", "D", takes=services("desk")),
    )
    assert house.happened[:2] == ["first begins", "beside begins"]
    assert house.happened.index("second begins") > house.happened.index("first ends")
    assert abs(house.happened.index("second begins") - house.happened.index("third begins")) == 1, "both only use it"
    assert all(one.fired_after is not None and one.silent_after is not None for one in seen)


async def test_one_that_waits_lets_none_overtake_that_would_keep_it_waiting() -> None:
    house = House()
    await house.directed(
        house.provocation("first", "A", uses=services("desk")),
        house.provocation("all", "B", takes=services("desk", "router")),
        house.provocation("last", "C", uses=services("router")),
    )
    assert house.happened == [f"{name} {what}" for name in ("first", "all", "last") for what in ("begins", "ends")]


async def test_an_alert_that_fires_already_is_waited_for_until_it_is_silent() -> None:
    house = House(lingering={"A"})

    async def calm() -> None:
        await asyncio.sleep(0.1)
        assert house.happened == [], "an alert of before would be taken for its own"
        house.lingering.clear()

    calming = asyncio.create_task(calm())
    (seen,) = await house.directed(house.provocation("first", "A"))
    await calming
    assert seen.silent_after is not None


async def test_what_did_not_fire_or_could_not_be_provoked_is_said_and_stops_nobody() -> None:
    house = House()
    quiet = house.provocation("quiet", takes=services("desk"))
    unfired = Provocation("unfired", ("Never",), quiet.begin, quiet.mend, fires=0.1, ends=0.1)
    failed = house.provocation("failed", "A", fails=True, takes=services("desk"))
    seen = await house.directed(unfired, failed, house.provocation("last", "B", takes=services("desk")))
    assert {one.alert for one in seen if one.silent_after is None} == {"Never", "A"}


def test_every_alert_is_provoked_but_the_slow_one_that_all_of_them_provoke() -> None:
    every = Provocations(None, None).every()  # type: ignore[arg-type]  # nothing is carried out
    named = {name.partition(":")[0] for one in every for name in (*one.alerts, *one.after)}
    assert {alert.name for alert in all_alerts()} - named == {"PostroomErrorBudgetBurnsSlowly"}
    assert len({one.name for one in every}) == len(every)
