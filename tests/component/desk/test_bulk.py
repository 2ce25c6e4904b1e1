"""Bulk actions: a command and a result for each conversation, and the way back."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.events import Event
from postroom_contracts.values import Actor, Status
from postroom_desk.domain.bulk import Before, CannotUndoError, Change, undo_of

from tests.component.desk.doubles import NOW, DeskBench
from tests.component.desk.facts import assigned, received

ANA = Actor(kind="agent", id="ana")


@pytest.fixture
async def desk() -> DeskBench:
    desk = DeskBench()
    for n in range(3):
        await desk.happens(received("m1", tags=["order"]), f"c{n}")
    await desk.happens(assigned("ben"), "c1", source="/postroom/assigner")

    async def router(command: Event) -> None:
        await _decide(desk, command)

    desk.commands.router = router
    return desk


async def _decide(desk: DeskBench, command: Event) -> None:
    """Do what the router does: resolve, reopen, tag; a request that saw an older sequence than stands there is stale."""
    asked, where = command.data, command.subject
    view = desk.conversations.views[where]
    fact: Any = None
    if asked.expected_sequence is not None and asked.expected_sequence < view.router_sequence:  # type: ignore[attr-defined]
        fact = f.RequestRefused(request_id=command.id, request_type=command.type, actor=ANA, reason="stale")
    elif isinstance(asked, c.ResolveConversation):
        fact = f.ConversationResolved(actor=ANA, previous=view.status, resolved_at=NOW)
    elif isinstance(asked, c.ReopenConversation):
        fact = f.ConversationReopened(actor=ANA, previous=view.status, reopened_at=NOW)
    elif isinstance(asked, c.TagConversation):
        tags = [t for t in dict.fromkeys([*view.tags, *asked.add]) if t not in asked.remove]
        fact = f.ConversationTagged(actor=ANA, tags=tags, added=list(asked.add), removed=list(asked.remove))
    if fact is not None:
        await desk.happens(fact, where, cause=command.id)


async def ask(client: httpx.AsyncClient, path: str, key: str = "", **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post(f"/api/v1/bulk{path}", json={"agent": "ana", **body}, headers=headers)


def results(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {i["id"]: i["result"] for i in answer.json()["items"]}


async def test_each_conversation_is_decided_by_itself_and_taken_back(desk: DeskBench) -> None:
    items = [{"id": "c0", "etag": "1.0"}, {"id": "c1", "etag": "0.0"}, {"id": "gone"}, {"id": "c2"}]
    async with desk.client() as client:
        done = await ask(client, "", "k1", action="resolve", items=items)
        assert results(done) == {"c0": "done", "c1": "refused", "gone": "unknown", "c2": "done"}
        published = len(desk.commands.published)
        again = await ask(client, "", "k1", action="resolve", items=items)
        assert (results(again), again.json()["undo_id"]) == (results(done), done.json()["undo_id"])
        assert len(desk.commands.published) == published
        await desk.happens(received("m2", "15:20", opened=False, reopened=True), "c2")
        undone = await ask(client, f"/{done.json()['undo_id']}/undo")
        assert results(undone) == {"c0": "done", "c1": "unchanged", "c2": "refused"}
        assert {i["id"]: i["reason"] for i in undone.json()["items"]}["c2"] == "stale"
        assert results(await ask(client, f"/{done.json()['undo_id']}/undo")) == results(undone)
        other = await client.post(f"/api/v1/bulk/{done.json()['undo_id']}/undo", json={"agent": "ben"})
        assert other.status_code == 404
    assert desk.conversations.views["c0"].status == Status.OPEN


async def test_tags_are_given_back_as_each_conversation_had_them(desk: DeskBench) -> None:
    await desk.happens(f.ConversationTagged(actor=ANA, tags=["order", "brakes"]), "c1")
    async with desk.client() as client:
        items = [{"id": "c0"}, {"id": "c1"}]
        done = await ask(client, "", action="tag", items=items, add=["brakes"], remove=["order"])
        assert [desk.conversations.views[i].tags for i in ("c0", "c1")] == [["brakes"], ["brakes"]]
        await ask(client, f"/{done.json()['undo_id']}/undo")
    assert [sorted(desk.conversations.views[i].tags) for i in ("c0", "c1")] == [["order"], ["brakes", "order"]]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "explode", "items": [{"id": "c0"}]},
        {"action": "resolve", "items": []},
        {"action": "resolve", "items": [{"id": f"c{n}"} for n in range(201)]},
        {"action": "tag", "items": [{"id": "c0"}]},
        {"action": "snooze", "items": [{"id": "c0"}], "until": "2020-01-01T00:00:00Z"},
        {"action": "resolve", "items": [{"id": "c0", "etag": "x"}]},
    ],
    ids=["unknown action", "nothing", "too many", "no tag", "past", "bad etag"],
)
async def test_a_faulty_bulk_action_changes_nothing(desk: DeskBench, body: dict[str, Any]) -> None:
    async with desk.client() as client:
        assert (await ask(client, "", **body)).status_code in (400, 422)
    assert desk.commands.published == []


LATER = NOW + timedelta(days=1)
WAYS: dict[str, tuple[Change, Before, list[type[c.Request]]]] = {
    "resolved, was waiting": (Change("resolve"), Before(Status.WAITING), [c.SetWaiting]),
    "resolved, was snoozed": (Change("resolve"), Before(Status.SNOOZED, snoozed_until=LATER), [c.SnoozeConversation]),
    "resolved, snooze over": (Change("resolve"), Before(Status.SNOOZED, snoozed_until=NOW), [c.ReopenConversation]),
    "archived, was open": (Change("archive"), Before(Status.OPEN), [c.ReopenConversation]),
    "archived, was archived": (Change("archive"), Before(Status.RESOLVED, archived=True), []),
    "deleted": (Change("delete"), Before(Status.RESOLVED), [c.RestoreConversation]),
    "spam": (Change("spam"), Before(Status.OPEN), [c.UnmarkSpam]),
    "snoozed, was open": (Change("snooze", until=LATER), Before(Status.OPEN), [c.ReopenConversation]),
    "reopened": (Change("reopen"), Before(Status.RESOLVED), [c.ResolveConversation]),
    "assigned": (Change("assign", agent_id="ben"), Before(Status.OPEN, owner_id="ana"), [c.AssignConversation]),
    "tagged, had it": (Change("tag", add=("a",)), Before(Status.OPEN, tags=("a",)), []),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_way_back_leads_to_what_was_before(way: str) -> None:
    change, before, wanted = WAYS[way]
    assert [type(x) for x in undo_of(change, before, ANA, 4, 1, NOW)] == wanted


@pytest.mark.parametrize(
    ("change", "before"),
    [
        (Change("archive"), Before(Status.RESOLVED)),
        (Change("reopen"), Before(Status.RESOLVED, archived=True)),
        (Change("reopen"), Before(Status.SPAM)),
    ],
    ids=["archived, was resolved", "reopened, was archived", "reopened spam"],
)
def test_what_has_no_way_back_says_so(change: Change, before: Before) -> None:
    with pytest.raises(CannotUndoError, match="was"):
        undo_of(change, before, ANA, 4, 1, NOW)
