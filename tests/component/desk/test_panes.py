"""The panes over doubles: fragments with addresses of their own, shown to those who may see them, in their language."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from fastapi.sse import ServerSentEvent
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_desk.console import pages
from postroom_desk.console.live import with_beats
from postroom_desk.live import Broadcaster

from tests.component.desk.doubles import NOW, DeskBench, ended
from tests.component.desk.facts import ANA, CONVERSATION, assigned, customer_content, received
from tests.integration.desk.office import company

HTMX = {"HX-Request": "true"}


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench()
    await bench.content.put([customer_content()])
    await bench.happens(received(), CONVERSATION)
    await bench.happens(assigned(), CONVERSATION, source="/postroom/assigner")
    return bench


@pytest.mark.parametrize(
    ("path", "element"),
    [
        ("/panes/folders?status=open", 'id="folders"'),
        ("/panes/list?status=open&sort=newest", 'id="list"'),
        ("/panes/conversation", 'id="conversation"'),
        (f"/panes/conversation/{CONVERSATION}?status=open", 'id="conversation"'),
        (f"/panes/targets/{CONVERSATION}?q=brake", 'id="targets"'),
    ],
    ids=["folders", "list", "nothing", "conversation", "targets"],
)
async def test_a_pane_is_a_fragment_of_its_own(desk: DeskBench, path: str, element: str) -> None:
    async with desk.client() as client:
        answer = await client.get(path, headers=HTMX)
    assert answer.status_code == 200
    assert element in answer.text.split(">")[0]
    assert "<html" not in answer.text
    assert "<b>squeal</b>" not in answer.text


async def test_a_fragment_sends_whoever_is_signed_out_to_the_form_as_a_whole_page(desk: DeskBench) -> None:
    async with desk.client(None) as client:
        answer = await client.get("/panes/list?status=open", headers=HTMX)
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")


async def test_an_unknown_conversation_keeps_looking(desk: DeskBench) -> None:
    async with desk.client() as client:
        answer = await client.get("/panes/conversation/none-such", headers=HTMX)
    assert answer.status_code == 404
    assert 'data-live="all"' in answer.text


async def test_folders_are_counted_in_their_pane_and_named_in_the_list(desk: DeskBench) -> None:
    async with desk.client() as client:
        folders = (await client.get("/panes/folders?status=open", headers=HTMX)).text
        listed = (await client.get("/panes/list?status=open&team=workshop", headers=HTMX)).text
    marked = [line for line in folders.splitlines() if 'aria-current="page"' in line]
    assert len(marked) == 1
    assert 'data-folder="open"' in marked[0]
    assert '<span class="count">1</span>' in marked[0]
    assert ">Workshop</h1>" in listed
    assert f'href="/conversations/{CONVERSATION}?status=open&amp;team=workshop"' in listed


async def test_a_conversation_is_offered_only_to_those_who_may_handle_its_inbox(desk: DeskBench) -> None:
    """Mira may not handle Support: neither the menu offers her, nor the bar of several conversations."""
    await desk.happens(received("m1", inbox_id="sales", team_id="sales"), "of-sales")
    async with desk.client() as client:
        ana = {"Cookie": "postroom_agent=ana"}
        support = (await client.get(f"/panes/conversation/{CONVERSATION}", headers=HTMX | ana)).text
        sales = (await client.get("/panes/conversation/of-sales", headers=HTMX)).text
        listed = (await client.get("/panes/list?status=open", headers=HTMX)).text
    assert re.findall(r'data-assign="(\w*)"', support) == ["", "ben"]  # it is ana's already
    assert "Who may not handle Support is not listed." in support
    assert re.findall(r'data-assign="(\w*)"', sales) == ["", "mira"]
    offered = re.search(r'data-assignees="([^"]*)"', listed)
    assert offered is not None
    assert json.loads(unescape(offered[1])) == {"sales": ["mira"], "support": ["ana", "ben"]}


async def test_what_somebody_may_not_do_is_not_offered_to_them(desk: DeskBench) -> None:
    """Mira has no right in Support: she may look over a token of the house, and act there as nobody else."""
    async with desk.client() as client:
        ana = (await client.get(f"/conversations/{CONVERSATION}", headers={"Cookie": "postroom_agent=ana"})).text
        mira = (await client.get(f"/conversations/{CONVERSATION}", headers={"Cookie": "postroom_agent=mira"})).text
    for offered in ('data-act="resolve"', 'id="menu-assign"', 'id="composer"', 'data-post="tag"'):
        assert offered in ana
        assert offered not in mira


@pytest.mark.parametrize(
    ("language", "title", "status"),
    [
        ("de", "Offen", "offen"),
        ("fr", "Ouvertes", "ouverte"),
        ("es", "Abiertas", "abierta"),
        ("pl", "Otwarte", "otwarta"),
    ],
)
async def test_a_page_speaks_the_browsers_language(desk: DeskBench, language: str, title: str, status: str) -> None:
    async with desk.client() as client:
        headers = {"Accept-Language": f"{language}-XX,en;q=0.3"}
        answer = await client.get(f"/conversations/{CONVERSATION}?status=open", headers=headers)
    assert f'<html lang="{language}">' in answer.text
    assert f">{title}</h1>" in answer.text
    assert f'<span class="badge badge-open">{status}</span>' in answer.text


async def test_a_time_is_the_readers(desk: DeskBench) -> None:
    async with desk.client() as client:
        cookies = {"Cookie": "postroom_zone=America/New_York; postroom_language=en"}
        text = (await client.get(f"/conversations/{CONVERSATION}", headers=cookies)).text
        odd = await client.get("/", headers={"Cookie": "postroom_zone=../../etc/passwd"})
    assert "10:00\u202fAM" in text  # 15:00 UTC
    assert odd.status_code == 200


async def test_a_pane_that_shows_less_than_was_heard_of_says_so(
    desk: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_WAIT_SECONDS", 0.01)
    async with desk.client() as client:
        behind = await client.get("/panes/list?status=open", headers={**HTMX, "X-After": "0:99"})
        level = await client.get("/panes/list?status=open", headers={**HTMX, "X-After": "0:0"})
    assert behind.status_code == level.status_code == 200
    assert behind.headers["x-behind"] == "1"
    assert "x-behind" not in level.headers


@pytest.mark.parametrize(("begins", "behind"), [("0:1", "false"), ("0:9", "true")], ids=["level", "behind"])
async def test_a_stream_says_whether_pages_lack_what_came_before_it(
    desk: DeskBench, monkeypatch: pytest.MonkeyPatch, begins: str, behind: str
) -> None:
    monkeypatch.setattr(Broadcaster, "subscribe", ended)
    async with desk.client() as client:
        text = (await client.get("/live", params={"after": begins})).text
    assert f'event: hello\ndata: {{"behind":{behind}}}\nid: {begins}' in text.replace(": true", ":true").replace(
        ": false", ":false"
    )


async def test_a_silent_stream_beats_and_ends_with_what_it_follows() -> None:
    go_on = asyncio.Event()

    async def facts() -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent(event="hello", data={})
        await go_on.wait()
        yield ServerSentEvent(event="fact", data={})

    seen = []
    async with contextlib.aclosing(with_beats(facts(), 0.01)) as items:
        async for item in items:
            seen.append(item.event)
            if len(seen) == 3:
                go_on.set()
    assert seen[:3] == ["hello", "beat", "beat"]
    assert seen[-1] == "fact"


async def test_a_missing_asset_is_named_with_its_remedy_and_pages_still_work(
    desk: DeskBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ASSETS", ("htmx.min.js", "never-fetched.js"))
    pages.missing_assets.cache_clear()
    try:
        async with desk.client() as client:
            text = (await client.get(f"/conversations/{CONVERSATION}?status=open")).text
    finally:
        pages.missing_assets.cache_clear()
    assert "never-fetched.js. `make setup` fetches it" in text
    assert "/static/vendor/" not in text
    assert f'<a href="/conversations/{CONVERSATION}?status=open"' in text


async def test_a_saved_filter_stands_among_the_folders_and_names_its_list(desk: DeskBench) -> None:
    async with desk.client() as client:
        asked = {"agent": "ana", "name": "Ours <b>", "query": {"status": ["open"], "tag": "support"}}
        assert (await client.post("/api/v1/filters", json=asked)).status_code == 201
        acting = {"Cookie": "postroom_agent=ana"}
        text = (await client.get("/conversations?status=open&tag=support", headers=acting)).text
        nobody = (await client.get("/panes/folders", headers=HTMX)).text
    assert "Ours &lt;b&gt;" in text
    assert 'href="/conversations?status=open&amp;tag=support" aria-current="page"' in text
    assert "data-unsave" in text
    assert "Ours" not in nobody


async def test_a_filter_is_shared_with_a_team_and_deleted_by_its_owner_alone(desk: DeskBench) -> None:
    way = "/conversations?status=open&tag=support"
    async with desk.client() as client:
        empty = (await client.get(way, headers={"Cookie": "postroom_agent=ana"})).text
        assert '<option value="workshop">Workshop</option>' in empty
        assert '<option value="sales">' not in empty.split('name="team"')[1].split("</select>")[0]
        asked = {"agent": "ana", "name": "Ours", "team_id": "workshop", "query": {"status": ["open"], "tag": "support"}}
        assert (await client.post("/api/v1/filters", json=asked)).status_code == 201
        mine = (await client.get(way, headers={"Cookie": "postroom_agent=ana"})).text
        theirs = (await client.get(way, headers={"Cookie": "postroom_agent=ben"})).text
    assert "shared with Workshop" in mine
    assert "shared with Workshop" in theirs
    assert ("data-unsave" in mine, "data-unsave" in theirs) == (True, False)


async def test_search_stands_where_a_list_stands(desk: DeskBench) -> None:
    async with desk.client() as client:
        empty = await client.get("/search?q=")
        none = await client.get("/search", params={"q": "nothing-of-the-kind"})
        bad = await client.get("/search", params={"q": "x", "cursor": "none"})
    assert empty.status_code == none.status_code == 200
    assert "Nothing found." in none.text
    assert 'value="nothing-of-the-kind"' in none.text
    assert bad.status_code == 400


async def test_a_conversation_tells_of_tags_by_name_and_of_no_refusals(desk: DeskBench) -> None:
    many = ["brakes", *(f"tag-{n}" for n in range(8))]
    await desk.happens(f.ConversationTagged(actor=ANA, added=many, removed=[]), CONVERSATION, cause="tag")
    refused = f.RequestRefused(request_id="x", request_type="x", actor=ANA, reason="stale")
    await desk.happens(refused, CONVERSATION, cause="refused")
    async with desk.client() as client:
        text = (await client.get(f"/panes/conversation/{CONVERSATION}", headers=HTMX)).text
    assert "changed tags: +Brakes, +tag-0, +tag-1, +tag-2, +tag-3, +tag-4 … (+3)" in text
    assert "kind-request-refused" not in text


@pytest.mark.parametrize(
    ("language", "due", "why", "mark"),
    [
        ("en", "First response due ", ": 4 h of business time by the policy standard, calendar office", "due "),
        (
            "de",
            "Erste Antwort fällig ",
            ": 4 Std. Geschäftszeit nach der Richtlinie standard, Kalender office",
            "fällig ",
        ),
    ],
)
async def test_what_is_due_is_said_with_its_reason_in_the_pane_and_marked_in_the_list(
    language: str, due: str, why: str, mark: str
) -> None:
    plain = company().model_dump()
    hours = {"fri": ["15:00-16:30"], "sat": ["09:00-12:00"], "mon": ["09:00-17:00"]}
    calendar = {"id": "office", "time_zone": "UTC", "hours": hours, "holidays": ["2026-03-07"]}
    plain |= {
        "calendars": [*plain["calendars"], calendar],
        "teams": [team | {"calendar": "office"} for team in plain["teams"]],
        "policies": [{"id": "standard", "first_response_seconds": 14400}],
    }
    desk = DeskBench()
    configuration = Configuration.model_validate(plain)
    applied = ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=configuration)
    desk.configurations.add(applied)
    await desk.content.put([customer_content()])
    await desk.happens(received(policy_id="standard"), CONVERSATION)
    async with desk.client() as client:
        headers = HTMX | {"Accept-Language": language}
        pane = (await client.get(f"/panes/conversation/{CONVERSATION}?status=open", headers=headers)).text
        listed = (await client.get("/panes/list?status=open", headers=headers)).text
    # Friday 15:00 to 16:30, not Saturday the holiday, and two and a half hours of Monday.
    assert 'datetime="2026-03-09T11:30:00' in pane
    said = re.sub("<[^>]*>", "", pane)
    assert due in said
    assert why in said
    assert "7" in said.split(why)[1].split("\n")[0]  # the holiday
    assert f">{mark}<time" in listed


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/nothing-here", 404, "Hier ist nichts"),
        (f"/search?q={'x' * 9000}", 422, "Diese Adresse passt nicht"),
        ("/conversations?cursor=none", 400, "Diese Adresse passt nicht"),
        (f"/conversations/{CONVERSATION}/messages/none/original", 404, "Hier ist nichts"),
    ],
    ids=["no page", "too long", "bad cursor", "no message"],
)
async def test_a_browser_that_goes_nowhere_sees_a_page_and_a_program_problem_details(
    desk: DeskBench, path: str, status: int, title: str
) -> None:
    browser = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "de"}
    async with desk.client() as client:
        seen = await client.get(path, headers={**browser, "X-Request-Id": "r-1"})
        script = await client.get(path, headers={**browser, **HTMX})
        program = await client.get(path)
        api = await client.get("/api/v1/nothing-here", headers=browser)
    assert seen.status_code == status
    assert f"<h1>{title}</h1>" in seen.text
    assert "r-1" in seen.text
    assert "default-src 'none'" in seen.headers["content-security-policy"]
    for answer in (script, program, api):
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_failure_is_a_page_and_says_nothing_of_itself(desk: DeskBench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(type(desk.app.state.parts.reader), "page", fails)
    async with desk.client() as client:
        seen = await client.get("/", headers={"Accept": "text/html"})
    assert (seen.status_code, "This failed" in seen.text, "secret" in seen.text) == (500, True, False)
