"""One's own notifications: what the page writes into the configuration."""

from typing import Any

import httpx
from postroom_contracts.configuration import Preferences, QuietHours
from postroom_desk.console.preferences import preferring

from tests.component.desk.doubles import DeskBench
from tests.component.desk.test_account import bench, token_in
from tests.component.desk.test_login import PASSWORD, give, visitor
from tests.integration.desk.office import company

PATH = "/account/notifications"
DEADLINES = ("deadline_warned", "deadline_breached")


async def save(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    page = (await client.get(PATH)).text
    return await client.post(PATH, data={"csrf": token_in(page), **fields})


def written(desk: DeskBench) -> tuple[list[str], Preferences | None]:
    section = desk.versions.versions[-1].configuration.notifications
    return list(section.muted.get("ana", [])), section.preferences.get("ana")


async def test_what_is_not_ticked_is_muted_and_quiet_hours_are_kept() -> None:
    desk = await bench()
    async with visitor(desk) as client:
        await give(client, "ana@velo.test", PASSWORD)
        night = {"start": "20:00", "end": "07:30", "zone": "Europe/Lisbon"}
        done = await save(client, kind=["assigned", "mentioned", *DEADLINES], **night)
        assert (done.status_code, done.headers["location"]) == (303, f"{PATH}?saved=true")
        hours = QuietHours(start="20:00", end="07:30", time_zone="Europe/Lisbon")
        assert written(desk) == (["replied"], Preferences(muted_inboxes=["support"], quiet_hours=hours))
        shown = (await client.get(PATH)).text
        assert 'value="20:00"' in shown
        assert 'name="inbox" value="sales"' not in shown  # what she may not read
        await save(client, kind=["assigned", "replied", "mentioned", *DEADLINES], inbox=["support"])
        assert written(desk) == ([], None)


async def test_hours_that_are_none_are_told_and_change_nothing() -> None:
    desk = await bench()
    async with visitor(desk) as client:
        await give(client, "ana@velo.test", PASSWORD)
        for wrong in (
            {"start": "20:00"},
            {"start": "20:00", "end": "20:00", "zone": "UTC"},
            {"start": "1:00", "end": "x", "zone": "UTC"},
        ):
            answer = await save(client, kind=["assigned"], **wrong)
            assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
        assert (await client.post(PATH, data={"kind": "assigned"})).status_code == 403  # without the page's token
    assert len(desk.versions.versions) == 1


def test_what_was_muted_elsewhere_stays() -> None:
    before = preferring(company(), "ana", [], ["sales"], ["sales"], None)
    after = preferring(before, "ana", ["replied"], [], ["support"], None)
    assert after.notifications.preferences == {"ana": Preferences(muted_inboxes=["sales"])}
    assert preferring(after, "nobody", [], [], [], None) is after
