"""275 published ways to run script, in everything that others write, in every view of the console: none runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from fastapi.responses import HTMLResponse
from playwright.async_api import Error, expect

from tests.component.desk.doubles import DeskBench
from tests.component.desk.routes_of import addresses
from tests.integration.desk.attacked import DRAFTS, THREADS, Attacked, attacked, fill, raw_page, write
from tests.integration.desk.vectors import CANARY_HOST, VECTORS, vector

pytestmark = pytest.mark.asyncio(loop_scope="module")
A_THREAD = "thread-0"
VIEWS: dict[str, list[str]] = {
    "/": ["/"],
    "/conversations": [f"/conversations?status=open&sort=oldest&inbox=support&tag=tag-{n}" for n in (0, 100)]
    + ["/conversations?sort=newest"],
    "/folders": ["/folders"],
    "/conversations/new": ["/conversations/new"],
    "/conversations/{conversation_id}": [],
    "/conversations/{conversation_id}/messages/{message_id}/original": [
        f"/conversations/alone-{n}/messages/a{n}/original" for n in (0, 60, 99)
    ],
    "/panes/folders": ["/panes/folders"],
    "/panes/list": ["/panes/list?status=open&opened=thread-0"],
    "/panes/conversation": ["/panes/conversation"],
    "/panes/conversation/new": ["/panes/conversation/new"],
    "/conversations/new-{draft_id}": [f"/conversations/new-draft-{n}" for n in range(DRAFTS)],
    "/panes/conversation/new-{draft_id}": ["/panes/conversation/new-draft-0"],
    "/drafts": ["/drafts"],
    "/panes/conversation/{conversation_id}": ["/panes/conversation/thread-1"],
    "/panes/palette": ["/panes/palette"],
    "/panes/targets/{conversation_id}": ["/panes/targets/thread-1", "/panes/targets/thread-1?q=script"],
    "/panes/since/{conversation_id}": ["/panes/since/thread-1?seen=0.0"],
    "/panes/erasure/{contact_id}": ["/panes/erasure/carla?asked=VECTOR"],
    "/scheduled": ["/scheduled"],
    "/search": ["/search?q=canary", "/search?q=script", "/search?q=VECTOR"],
    "/overview": ["/overview"],
    "/figures/{kind}": ["/figures/VECTOR"],
    "/demo/status": ["/demo/status"],
    "/login": ["/login?next=VECTOR", "/login?next=javascript:canary(1)"],
    "/login/forgot": ["/login/forgot"],
    "/login/code": ["/login/code?next=VECTOR"],
    "/login/enrol": ["/login/enrol?next=VECTOR"],
    "/login/sso": ["/login/sso?next=VECTOR"],
    "/login/sso/callback": ["/login/sso/callback?state=VECTOR&code=VECTOR&error=VECTOR"],
    "/invitation/{token}": ["/invitation/VECTOR"],
    "/reset/{token}": ["/reset/VECTOR"],
    "/u/{token}": ["/u/VECTOR"],
    "/account": ["/account"],
    "/account/sessions": ["/account/sessions"],
    "/account/second-factor": ["/account/second-factor"],
    "/account/tokens": ["/account/tokens"],
    "/account/saved-replies": ["/account/saved-replies"],
    "/account/notifications": ["/account/notifications"],
    "/account/notifications/{inbox_id}": ["/account/notifications/support"],
    "/notifications": ["/notifications"],
    "/settings": ["/settings"],
    "/settings/people": ["/settings/people"],
    "/settings/people/{agent_id}": ["/settings/people/ana"],
    "/settings/history": ["/settings/history"],
    "/settings/{section}": ["/settings/teams", "/settings/tags", "/settings/saved_replies"],
    "/audit": ["/audit?person=VECTOR", "/audit"],
    "/live": [],  # a stream, and a style sheet: no views
    "/tags.css": [],
}
"""Where each page is looked at; VECTOR stands for all vectors in turn, a few at a time. Who adds a page says here how."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[Attacked]:
    desk = DeskBench()
    await fill(desk)

    @desk.app.get("/raw-for-the-tests", include_in_schema=False)
    async def raw() -> HTMLResponse:
        policy = "default-src * data: blob: 'unsafe-inline' 'unsafe-eval'"  # else even here our own policy stops them
        return HTMLResponse(raw_page(), headers={"Content-Security-Policy": policy})

    async with attacked(desk) as found:
        yield found


async def test_every_page_has_a_view() -> None:
    assert len(VECTORS) == len(set(VECTORS)) > 150
    pages = {a.path for a in addresses(DeskBench().app) if "GET" in a.methods and not a.path.startswith("/api/")}
    assert pages == set(VIEWS)


async def test_what_runs_is_seen(house: Attacked) -> None:
    """The same vectors in a page that lets them: the detector sees those that run by themselves, and finds the others."""
    async with house.page() as (page, seen):
        await page.goto(f"{house.url}/raw-for-the-tests")
        for _ in range(600):
            with suppress(Error):  # where all of it runs, frames come and go while one looks
                await seen.look(page)
                if len(seen.ran) > 60 and len(seen.asked) > 10:
                    break
            seen.would_run.clear()
            await asyncio.sleep(0.05)
        assert len(seen.ran) > 60, sorted(seen.ran)
        assert len({u for u in seen.asked if CANARY_HOST in u}) > 10
        assert len(seen.would_run) > 120


async def test_in_no_view_does_anything_run(house: Attacked) -> None:
    looked = 0
    async with house.page() as (page, seen):
        for paths in VIEWS.values():
            for path in paths:
                turns = range(0, len(VECTORS), 90) if "VECTOR" in path else (0,)
                for turn in turns:
                    await page.goto("about:blank")
                    address = path.replace("VECTOR", _encoded(vector(turn)))
                    await page.goto(house.url + address, wait_until="load")
                    await seen.look(page)
                    looked += 1
        await page.goto(f"{house.url}/conversations?sort=newest", wait_until="load")
        await page.keyboard.press("Control+k")  # the palette, with all that has a name
        for word in ("", "canary", "script"):
            await page.locator("#palette-q").fill(word)
            await page.locator(".palette li").first.wait_for()
            await seen.look(page)
        assert (seen.ran, seen.asked, seen.would_run, seen.stopped) == (set(), [], [], [])
    assert looked > 50


def _encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


async def test_in_no_conversation_with_its_html_does_anything_run(house: Attacked) -> None:
    async with house.page() as (page, seen):
        for n in range(THREADS):
            await page.goto(f"{house.url}/conversations/thread-{n}?first=t{n}", wait_until="load")
            opened = await page.evaluate(
                """() => { const all = [...document.querySelectorAll("details.html, details.quoted")];
                for (const d of all) { for (const f of d.querySelectorAll("iframe")) f.loading = "eager"; d.open = true; }
                return all.length; }"""
            )
            assert opened >= 2 * (len(VECTORS) // THREADS)
            frames = len(VECTORS) // THREADS
            await page.wait_for_function(
                "n => [...document.querySelectorAll('details.html iframe')].filter((f) => f.src).length >= n",
                arg=frames,
            )
            for _ in range(600):
                if len([f for f in page.frames if f.url.endswith("/html")]) >= frames:
                    break
                await asyncio.sleep(0.05)
            else:
                raise AssertionError("the frames were not loaded")
            for frame in page.frames[1:]:
                await frame.wait_for_load_state("load")
            await seen.look(page)
        for number in range(0, len(VECTORS), 12):  # and by itself, without the frame
            await page.goto(f"{house.url}/api/v1/conversations/alone-{number}/messages/a{number}/html")
            await seen.look(page)
        assert (seen.ran, seen.asked, seen.would_run, seen.stopped) == (set(), [], [], [])


async def test_what_comes_live_is_written_and_pasted_does_not_run(house: Attacked) -> None:
    async with house.page() as (page, seen):
        await page.goto(f"{house.url}/conversations?sort=newest")
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        for n in range(0, len(VECTORS), 30):
            await write(house.desk, n, f"live-{n}", f"l{n}")
        await expect(page.locator(f"#rows [data-id='live-{n}']")).to_be_visible()
        await seen.look(page)

        together = "".join(map(vector, range(len(VECTORS))))
        client = await house.desk.browser("ada", house.url)
        async with client:
            for said in (together, vector(0)):
                answer = await client.put("/api/v1/conversations/thread-1/draft", json={"html": said, "subject": "x"})
                assert answer.status_code in (200, 422), answer.text
        await page.goto(f"{house.url}/conversations/thread-1")
        editor = page.locator("#composer .editor")
        await expect(editor).to_be_visible()
        for turn in range(0, len(VECTORS), 25):
            said = "".join(map(vector, range(turn, turn + 25)))
            await editor.evaluate(
                """(field, html) => {
                const clipboardData = new DataTransfer();
                for (const kind of ["text/html", "text/plain"]) clipboardData.setData(kind, html);
                field.focus();
                field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
                }""",
                said,
            )
        await seen.look(page)
        assert (seen.ran, seen.asked, seen.would_run, seen.stopped) == (set(), [], [], [])
