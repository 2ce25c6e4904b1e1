"""The one-click address of notification mail."""

import httpx
import pytest
from postroom_contracts.configuration import Configuration
from postroom_contracts.signed_ids import unsubscribe_token

from tests.component.desk.doubles import DeskBench, settings

KEY = "a-signing-key-of-the-tests-0001"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def desk() -> DeskBench:
    return DeskBench(settings=settings(signing_keys=f"a-newer-signing-key-0002,{KEY}"))


def configuration(desk: DeskBench) -> Configuration:
    return desk.configurations.latest


async def test_post_without_log_in_mutes_this_kind_for_this_agent_alone(desk: DeskBench) -> None:
    path = f"/u/{unsubscribe_token('ana', 'replied', KEY.encode())}"
    async with desk.client(token=None) as client:
        asked = await client.get(path)
        assert configuration(desk).notifications.muted == {}, "a scanner that follows the link changes nothing"
        done = await client.post(path, data=ONE_CLICK)
        again = await client.post(path, data=ONE_CLICK)
    assert (asked.status_code, done.status_code, again.status_code) == (200, 200, 200)
    assert '<form method="post"' in asked.text
    assert "Done: you get no more mail when a customer writes again." in done.text
    assert configuration(desk).notifications.muted == {"ana": ["replied"]}
    assert desk.configurations.latest_version == 2, "a repeat makes no version"
    assert desk.versions.versions[-1].applied_by == "one-click of ana"


async def test_second_kind_is_added(desk: DeskBench) -> None:
    async with desk.client(token=None) as client:
        for kind in ("replied", "assigned"):
            await client.post(f"/u/{unsubscribe_token('ana', kind, KEY.encode())}")
    assert configuration(desk).notifications.muted == {"ana": ["replied", "assigned"]}


async def test_another_writer_first_is_made_good(desk: DeskBench) -> None:
    desk.versions.overtaken = 3
    async with desk.client(token=None) as client:
        answer = await client.post(f"/u/{unsubscribe_token('ben', 'assigned', KEY.encode())}")
    assert answer.status_code == 200
    assert configuration(desk).notifications.muted == {"ben": ["assigned"]}


@pytest.mark.parametrize(
    "token",
    [
        unsubscribe_token("ana", "replied", b"somebody-elses-signing-key"),
        unsubscribe_token("ana", "replied", KEY.encode())[:-1],
        unsubscribe_token("ana", "replied", KEY.encode()).replace("ana", "ben"),
        unsubscribe_token("ana", "replied", KEY.encode()).replace("replied", "assigned"),
        unsubscribe_token("ana", "refused", KEY.encode()),
        unsubscribe_token("nobody", "replied", KEY.encode()),
        "x",
        "a.b.c",
        "replied.ana.ä",
    ],
    ids=["other-key", "cut", "other-agent", "other-kind", "not-mutable", "no-agent", "short", "form", "beyond-ascii"],
)
async def test_what_we_did_not_sign_changes_nothing(desk: DeskBench, token: str) -> None:
    async with desk.client(token=None) as client:
        answers = [await client.get(f"/u/{token}"), await client.post(f"/u/{token}", data=ONE_CLICK)]
    assert [a.status_code for a in answers] == [404, 404]
    assert len(desk.versions.versions) == 1


async def test_desk_without_keys_knows_no_address() -> None:
    desk = DeskBench()
    async with desk.client(token=None) as client:
        answer: httpx.Response = await client.post(f"/u/{unsubscribe_token('ana', 'replied', KEY.encode())}")
    assert answer.status_code == 404
