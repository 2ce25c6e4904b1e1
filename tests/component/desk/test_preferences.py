"""One's own notifications: what the pages write into the configuration."""

import re
from typing import Any

import httpx
import pytest
from postroom_contracts.configuration import Configuration, ConfigurationApplied, Preferences, QuietHours
from postroom_contracts.notifying import WAYS, general_ways, ways_of
from postroom_desk.domain.preferring import Chosen, preferring, preferring_in, ways_there, without_mail

from tests.component.desk.doubles import NOW, DeskBench
from tests.component.desk.facts import CONVERSATION, received
from tests.component.desk.test_account import bench, token_in
from tests.component.desk.test_login import PASSWORD, give, visitor
from tests.integration.desk.office import company

PATH = "/account/notifications"
OWN_CHAT = {"chat": [{"id": "own", "url": {"env": "OWN"}, "agents": ["ana"]}]}
THERE = [f"{kind}.{way}" for kind, ways in WAYS.items() for way in ways if way != "chat"]


async def save(client: httpx.AsyncClient, path: str = PATH, **fields: Any) -> httpx.Response:
    page = (await client.get(path)).text
    return await client.post(path, data={"csrf": token_in(page), **fields})


def written(desk: DeskBench) -> tuple[list[str], Preferences | None]:
    section = desk.versions.versions[-1].configuration.notifications
    return list(section.muted.get("ana", [])), section.preferences.get("ana")


def ticked(page: str) -> set[str]:
    return set(re.findall(r'name="way" value="([^"]+)"[^>]* checked', page))


async def test_what_is_not_ticked_is_not_told_and_quiet_hours_are_kept() -> None:
    desk = await bench()
    async with visitor(desk) as client:
        await give(client, "ana@velo.test", PASSWORD)
        assert ticked((await client.get(PATH)).text) == set(THERE), "all that there is, unless somebody says otherwise"
        night = {"start": "20:00", "end": "07:30", "zone": "Europe/Lisbon"}
        left = [way for way in THERE if way not in ("replied.mail", "woken.console", "assigned.console")]
        done = await save(client, way=left, **night)
        assert (done.status_code, done.headers["location"]) == (303, f"{PATH}?saved=true")
        hours = QuietHours(start="20:00", end="07:30", time_zone="Europe/Lisbon")
        own = Preferences(
            muted_inboxes=["support"], quiet_hours=hours, ways={"assigned": ["mail", "chat"], "woken": []}
        )
        assert written(desk) == (["replied"], own)
        shown = (await client.get(PATH)).text
        assert 'value="20:00"' in shown
        assert ticked(shown) == set(left)
        assert 'name="inbox" value="sales"' not in shown  # what she may not read
        await save(client, way=THERE, inbox=["support"])
        assert written(desk) == ([], None)


async def test_for_how_long_a_reply_can_be_taken_back_reaches_the_composer() -> None:
    desk = await bench()
    await desk.happens(received(), CONVERSATION)
    async with visitor(desk) as client:
        await give(client, "ana@velo.test", PASSWORD)
        assert 'data-undo="10"' in (await client.get(f"/conversations/{CONVERSATION}")).text
        await save(client, way=THERE, inbox=["support", "sales"], undo="30")
        assert written(desk) == ([], Preferences(undo_seconds=30))
        assert 'data-undo="30"' in (await client.get(f"/conversations/{CONVERSATION}")).text
        await save(client, way=THERE, inbox=["support", "sales"])
        assert written(desk) == ([], Preferences(undo_seconds=30)), "a form without it changes it not"
        assert (await save(client, undo="7")).status_code == 422


async def test_hours_that_are_none_are_told_and_change_nothing() -> None:
    desk = await bench()
    async with visitor(desk) as client:
        await give(client, "ana@velo.test", PASSWORD)
        for wrong in (
            {"start": "20:00"},
            {"start": "20:00", "end": "20:00", "zone": "UTC"},
            {"start": "1:00", "end": "x", "zone": "UTC"},
        ):
            answer = await save(client, way=["assigned.mail"], **wrong)
            assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
        assert (await client.post(PATH, data={"way": "assigned.mail"})).status_code == 403  # without the page's token
    assert len(desk.versions.versions) == 1


async def test_of_one_inbox_something_else_may_be_told_and_taken_back() -> None:
    desk = await bench()
    async with visitor(desk) as client:
        await give(client, "ana@velo.test", PASSWORD)
        path = f"{PATH}/support"
        assert ticked((await client.get(path)).text) == set(THERE)
        assert (await save(client, path, way=["assigned.console"])).status_code == 303
        _, own = written(desk)
        assert own is not None
        assert own.inbox_ways["support"]["assigned"] == ["console", "chat"], "chat was not offered, and stays"
        assert own.inbox_ways["support"]["mentioned"] == ["chat"]
        assert ticked((await client.get(path)).text) == {"assigned.console"}
        await save(client, way=THERE, inbox=["support"])
        _, own = written(desk)
        assert own is not None
        assert list(own.inbox_ways) == ["support"], "what is told of all changes nothing of that"
        await save(client, path, as_all="true")
        assert written(desk) == ([], None)
        for foreign in ("sales", "nowhere"):
            assert (await client.get(f"{PATH}/{foreign}")).status_code == 404
            token = token_in((await client.get(PATH)).text)
            assert (await client.post(f"{PATH}/{foreign}", data={"csrf": token})).status_code == 404


async def test_what_the_house_has_switched_off_or_there_is_not_is_not_offered() -> None:
    desk = await bench()
    plain = company().model_dump() | {"notifications": {"replied": False, **OWN_CHAT}}
    changed = Configuration.model_validate(plain)
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=changed))
    async with visitor(desk) as client:
        await give(client, "ana@velo.test", PASSWORD)
        shown = ticked((await client.get(PATH)).text)
    assert {way for way in shown if way.startswith("replied")} == {"replied.console"}
    assert {"assigned.chat", "deadline_breached.chat"} <= shown, "a destination names her"
    assert "chat" not in {w for ways in ways_there(changed, "ben").values() for w in ways}


def house(**notifications: Any) -> Configuration:
    return Configuration.model_validate(company().model_dump() | {"notifications": notifications})


def chosen(configuration: Configuration, agent: str = "ana", **changes: Any) -> Chosen:
    there = ways_there(configuration, agent)
    fields = {"ticked": there, "offered": there, "left_out": [], "inboxes": ["support"], "quiet": None}
    return Chosen(**fields | changes)


def test_what_was_chosen_elsewhere_stays() -> None:
    before = house(preferences={"ana": {"muted_inboxes": ["sales"], "inbox_ways": {"sales": {"woken": []}}}})
    after = preferring(before, "ana", chosen(before))
    assert after.notifications.preferences == before.notifications.preferences
    assert preferring(after, "nobody", chosen(after)) is after
    assert preferring_in(after, "ana", "nowhere", {}, {}) is after


def test_what_agrees_with_the_house_goes_on_following_it_and_what_was_not_shown_stays() -> None:
    plain = house(
        defaults={"assigned": ["console"]}, preferences={"ana": {"ways": {"replied": ["mail"]}}}, replied=False
    )
    usual = {k: general_ways(plain, "ana", k) for k in WAYS}
    same = preferring(plain, "ana", chosen(plain, ticked=usual))
    assert same.notifications.preferences["ana"].ways == {"replied": ["mail"]}, "switched off by the house, not by her"
    more = preferring(plain, "ana", chosen(plain, ticked=usual | {"assigned": frozenset({"console", "mail"})}))
    assert more.notifications.preferences["ana"].ways["assigned"] == ["console", "mail"]
    assert "mail" in ways_of(more, "ana", "assigned", "support")


@pytest.mark.parametrize(
    ("notifications", "expected"),
    [
        ({}, {"console", "mail", "chat"}),
        ({"assigned": False}, {"console"}),
        ({"defaults": {"assigned": ["mail"]}}, {"mail"}),
        ({"muted": {"ana": ["assigned"]}}, {"console", "chat"}),
        ({"preferences": {"ana": {"ways": {"assigned": []}}}}, set()),
        ({"preferences": {"ana": {"muted_inboxes": ["support"]}}}, set()),
        (
            {
                "muted": {"ana": ["assigned"]},
                "preferences": {"ana": {"inbox_ways": {"support": {"assigned": ["mail"]}}}},
            },
            {"mail"},
        ),
        ({"assigned": False, "preferences": {"ana": {"inbox_ways": {"support": {"assigned": ["mail"]}}}}}, set()),
        ({"preferences": {"ana": {"inbox_ways": {"sales": {"assigned": []}}}}}, {"console", "mail", "chat"}),
    ],
)
def test_what_counts_before_what(notifications: dict[str, Any], expected: set[str]) -> None:
    assert ways_of(house(**notifications), "ana", "assigned", "support") == expected


def test_one_click_ends_the_mails_of_a_kind_of_whatever_inbox() -> None:
    before = house(
        preferences={"ana": {"inbox_ways": {"support": {"assigned": ["console", "mail"], "replied": ["mail"]}}}}
    )
    after = without_mail(before, "ana", "assigned")
    assert "mail" not in ways_of(after, "ana", "assigned", "support")
    assert "mail" not in ways_of(after, "ana", "assigned", "sales")
    assert ways_of(after, "ana", "replied", "support") == {"mail"}
    assert without_mail(after, "ana", "assigned") is after
    assert without_mail(before, "nobody", "assigned") is before
