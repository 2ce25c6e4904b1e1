"""Folders, saved filters and what one has read."""

import pytest
from postroom_contracts.facts import NoteAdded
from postroom_contracts.values import Status
from postroom_desk.api import streams
from postroom_desk.api.guard import Asker, access_for
from postroom_desk.domain.permissions import Operation
from postroom_desk.folder_feed import FolderFeed
from postroom_desk.identity.principal import Principal

from tests.component.desk.doubles import DeskBench, settings
from tests.component.desk.facts import ANA, CONVERSATION, assigned, content, queued, received, replied

TOKENS = "tests=token-of-the-tests-0001,ben@ben=token-of-ben-alone-0001,mira@mira=token-of-mira-alone-001"
BEN, MIRA = "token-of-ben-alone-0001", "token-of-mira-alone-001"


@pytest.fixture
async def desk() -> DeskBench:
    """Five conversations: ana's, ben's answered one, one in the queue, one resolved; and one of sales."""
    desk = DeskBench(settings=settings(api_tokens=TOKENS))
    for n, owner in enumerate((assigned("ana"), assigned("ben"), queued())):
        await desk.happens(received("m1", tags=["brakes"] if n else ["odd", "brakes"]), f"c{n}")
        await desk.happens(owner, f"c{n}", source="/postroom/assigner")
    await desk.happens(replied(status=Status.WAITING), "c1")
    await desk.happens(received("m1"), "c3")
    await desk.happens(replied("r3", status=Status.RESOLVED, resolved=True), "c3")
    await desk.happens(received("m1", inbox_id="sales", team_id="sales", tags=["hidden"]), "c4")
    return desk


async def counts(desk: DeskBench, token: str, agent: str | None = None) -> dict[str, int]:
    desk.folders._counted_at = float("-inf")
    async with desk.client(token) as client:
        answer = await client.get("/api/v1/folders", params={"agent": agent} if agent else {})
    assert answer.status_code == 200, answer.text
    return {f["key"]: f["count"] for f in answer.json()["folders"]}


async def test_each_folder_counts_what_its_person_may_read(desk: DeskBench) -> None:
    found = await counts(desk, BEN)
    assert {k: n for k, n in found.items() if n} == {
        "unassigned": 1,
        "unattended": 2,
        "open": 2,
        "waiting": 1,
        "inbox:support": 2,
        "team:workshop": 2,
        "person:ana": 1,
        "tag:brakes": 2,
        "tag:odd": 1,
    }
    assert "tag:hidden" not in found
    assert "inbox:sales" not in found
    assert (await counts(desk, MIRA))["tag:hidden"] == 1
    assert (await counts(desk, "token-of-the-tests-0001", "ana"))["mine"] == 1


async def test_every_folder_lists_what_it_counts(desk: DeskBench) -> None:
    async with desk.client(BEN) as client:
        for folder in (await client.get("/api/v1/folders")).json()["folders"]:
            page = await client.get("/api/v1/conversations", params=folder["query"])
            assert page.status_code == 200, (folder, page.text)
            if folder["section"] != "tags" and folder["count"]:
                shown = [row for row in page.json()["items"] if row["inbox_id"] == "support"]
                assert len(shown) == folder["count"], folder


async def test_looking_attends_to_a_conversation_and_reading_is_each_persons_own(desk: DeskBench) -> None:
    note = NoteAdded(message_id="n1", actor=ANA, content=content("n1"), mentions=["ben"])
    await desk.happens(note, "c2")
    before = await counts(desk, BEN)
    assert (before["unattended"], before["mentions"]) == (2, 1)
    async with desk.client(BEN) as client:
        assert (await client.put("/api/v1/conversations/c2/read")).status_code == 204
        after = await counts(desk, BEN)
        assert (after["unattended"], after["mentions"], after["unassigned"]) == (1, 0, 1)
        rows = (await client.get("/api/v1/conversations?owner=me&status=waiting")).json()["items"]
        assert [(r["id"], r["unread"]) for r in rows] == [("c1", True)]
        unread = {r["id"]: r["unread"] for r in (await client.get("/api/v1/conversations?tag=brakes")).json()["items"]}
        assert unread == {"c0": True, "c1": True, "c2": False}
        await client.delete("/api/v1/conversations/c2/read")
        again = await counts(desk, BEN)
        assert (again["unattended"], again["mentions"]) == (1, 1)


async def test_ones_own_doing_is_not_unread(desk: DeskBench) -> None:
    async with desk.client() as client:
        rows = (await client.get("/api/v1/conversations?status=waiting&agent=ana")).json()["items"]
    assert [(r["id"], r["unread"], r["last_activity_by"]) for r in rows] == [("c1", False, "ana")]


async def test_counts_are_told_live_and_only_when_they_change(desk: DeskBench) -> None:
    parts = desk.app.state.parts
    ben = Principal("ben", "ben")
    asker = Asker(ben, access_for(ben, parts), Operation.FOLLOW_EVENTS)
    items = streams.events(parts, asker, None, None, None, counts=True)
    assert (await anext(items)).event == "hello"
    first = await anext(items)
    assert (first.event, first.id, first.data["unassigned"]) == ("counts", None, 1)
    await desk.happens(assigned("ben"), "c2", source="/postroom/assigner")
    assert (await anext(items)).event is None
    await renew(desk.folders)
    second = await anext(items)
    assert (second.event, second.data["mine"]) == ("counts", 1)
    await desk.happens(replied("r9", status=Status.OPEN), "c4")  # of an inbox that ben may not read
    await anext(items)
    await renew(desk.folders)
    await desk.happens(replied("r8", status=Status.WAITING), CONVERSATION)
    assert (await anext(items)).event is None
    await items.aclose()  # type: ignore[attr-defined]
    assert desk.folders._listeners == []


async def renew(feed: FolderFeed) -> None:
    await feed.renew()


async def test_filters_are_ones_own_or_shared_with_a_team(desk: DeskBench) -> None:
    mine = {"name": " Brakes ", "query": {"tag": "brakes", "owner": "me"}, "search": "from:ann"}
    async with desk.client(BEN) as ben, desk.client(MIRA) as mira:
        saved = (await ben.post("/api/v1/filters", json=mine)).json()
        assert (saved["name"], saved["query"]) == ("Brakes", {"tag": "brakes", "owner": "me"})
        assert (await mira.get("/api/v1/filters")).json() == []
        assert (await mira.delete(f"/api/v1/filters/{saved['id']}")).status_code == 404
        foreign = await ben.post("/api/v1/filters", json={**mine, "team_id": "sales"})
        assert foreign.json()["type"] == "urn:postroom:problem:unknown-team"
        shared = await ben.put(f"/api/v1/filters/{saved['id']}", json={**mine, "team_id": "workshop"})
        assert shared.status_code == 200
        async with desk.client() as ana:
            seen = (await ana.get("/api/v1/folders?agent=ana")).json()["filters"]
            assert [f["id"] for f in seen] == [saved["id"]]
        assert (await ben.delete(f"/api/v1/filters/{saved['id']}")).status_code == 204
        assert (await ben.get("/api/v1/filters")).json() == []


@pytest.mark.parametrize(
    "query",
    [{"folder": "x"}, {"sort": "loudest"}, {"status": ["lost"]}, {"owner": {"$gt": ""}}, {"owner": "A B"}],
    ids=["unknown field", "unknown order", "unknown status", "operator", "no agent's id"],
)
async def test_a_filter_is_checked_as_the_list_is(desk: DeskBench, query: dict[str, object]) -> None:
    async with desk.client(BEN) as client:
        answer = await client.post("/api/v1/filters", json={"name": "x", "query": query})
        assert answer.status_code == 422
        listed = await client.get("/api/v1/conversations", params={k: str(v) for k, v in query.items()})
        assert listed.status_code == 422
