"""What the composer says of its text, in Chromium, with answers of the desk that come late, twice or never; its earlier versions.

The desk runs over doubles: what is shown here lies between the page and the API.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, Route, expect
from postroom_contracts.commands import SendReply, StartConversation
from postroom_contracts.events import Event
from postroom_contracts.facts import RequestRefused

from tests.component.desk.doubles import DeskBench
from tests.component.desk.facts import customer_content, received
from tests.integration.desk.attacked import Attacked, attacked

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]
STATE = "#draft-state"
SAID = """() => {
  window.said = [];
  const line = document.getElementById("draft-state");
  const note = () => window.said.push(line.textContent);
  new MutationObserver(note).observe(line, { childList: true, characterData: true, subtree: true });
}"""
"""Notes every word that is shown, however short."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[Attacked]:
    async with attacked(DeskBench()) as found:
        yield found


@pytest.fixture
def conversation(request: pytest.FixtureRequest) -> str:
    return f"conversation-of-{request.node.name.replace('_', '-')[:60]}"


class Held:
    """Answers that a test lets go when it wants. `asked` counts the requests."""

    def __init__(self) -> None:
        self.asked = 0
        self._came = asyncio.Condition()
        self._go = asyncio.Semaphore(0)

    async def __call__(self, route: Route) -> None:
        """Let the desk answer, and keep the answer until it is let go."""
        answer = await route.fetch()
        async with self._came:
            self.asked += 1
            self._came.notify_all()
        await self._go.acquire()
        await route.fulfill(response=answer)

    def let_go(self, number: int = 1) -> None:
        for _ in range(number):
            self._go.release()

    async def until(self, asked: int) -> None:
        """Return once the desk has answered so many."""
        async with asyncio.timeout(40), self._came:
            await self._came.wait_for(lambda: self.asked >= asked)


def only(method: str, handler: Callable[[Route], Awaitable[Any]]) -> Callable[[Route, Request], Awaitable[Any]]:
    async def handle(route: Route, request: Request) -> None:
        await (handler(route) if request.method == method else route.fallback())

    return handle


@asynccontextmanager
async def opened(house: Attacked, conversation: str, *, begun: str = "", **routes: Any) -> AsyncIterator[Page]:
    """Give Ana's page of a conversation, with routes by method on its reply's draft; `begun`: what she had written."""
    await house.desk.content.put([customer_content(conversation)])
    await house.desk.happens(received(conversation), conversation)
    async with await house.desk.browser("ana", house.url) as client:
        if begun:
            assert (await client.put(draft_of(conversation), json={"text": begun})).status_code == 200
    async with house.page("ana") as (page, _):
        for method, handler in routes.items():
            await page.route(replies(conversation), only(method, handler))
        await page.goto(f"{house.url}/conversations/{conversation}")
        yield page


def replies(conversation: str) -> re.Pattern[str]:
    """Return what the addresses match by which a page reads and saves its reply."""
    return re.compile(rf"/{conversation}/draft\?.*kind=reply")


def draft_of(conversation: str) -> str:
    return f"/api/v1/conversations/{conversation}/draft"


async def stored(house: Attacked, conversation: str) -> str:
    async with await house.desk.browser("ana", house.url) as client:
        return str((await client.get(draft_of(conversation))).json()["text"])


async def types(page: Page, words: str) -> None:
    await page.locator("#text").press("Control+End")
    await page.keyboard.type(words)


async def test_saved_is_said_of_nothing_that_is_not_stored(house: Attacked, conversation: str) -> None:
    puts = Held()
    async with opened(house, conversation, PUT=puts) as page:
        await page.evaluate(SAID)
        await types(page, "Dear")
        await expect(page.locator(STATE)).to_have_text("Saving …")
        await puts.until(1)
        await types(page, " Carla")
        puts.let_go()
        await puts.until(2)
        assert await page.evaluate("said") == ["Saving …"], "the first text is stored, and no longer what is shown"
        puts.let_go()
        await expect(page.locator(STATE)).to_have_text("Saved")
        assert await page.evaluate("said") == ["Saving …", "Saved"]
    assert await stored(house, conversation) == "Dear Carla"


async def test_nothing_is_saved_before_it_is_known_over_what(house: Attacked, conversation: str) -> None:
    """A page that heard late of the draft that was there went back to its number: the next save was refused as another's."""
    gets = Held()
    async with opened(house, conversation, begun="Dear Carla", GET=gets) as page:
        saves: list[str] = []
        page.on("request", lambda r: saves.append(r.url) if r.method == "PUT" and "/draft" in r.url else None)
        await page.clock.install()
        await gets.until(1)
        await types(page, "come in")
        await page.clock.run_for(3000)
        await expect(page.locator(STATE)).to_have_text("Saving …")
        assert saves == []
        gets.let_go(10)
        await expect(page.locator(STATE)).to_have_text("Saved")
        await types(page, " today")
        await expect(page.locator(STATE)).to_have_text("Saved")
        await expect(page.locator(".toast")).to_have_count(0)
    assert (await stored(house, conversation)).split() == ["Dear", "Carla", "come", "in", "today"]


async def test_a_save_whose_answer_was_lost_is_not_taken_for_a_colleagues(house: Attacked, conversation: str) -> None:
    lost = 0

    async def loses_the_first(route: Route) -> None:
        nonlocal lost
        answer = await route.fetch()
        lost += 1
        await (route.abort() if lost == 1 else route.fulfill(response=answer))

    async with opened(house, conversation, PUT=loses_the_first) as page:
        await types(page, "Dear")
        await expect(page.locator(STATE)).to_have_text("Not saved yet")
        await types(page, " Carla")
        await page.evaluate("document.dispatchEvent(new Event('postroom:live'))")  # the connection is back
        await expect(page.locator(STATE)).to_have_text("Saved")
        await expect(page.locator("#text")).to_have_text("Dear Carla")
        await expect(page.locator(".toast")).to_have_count(0)
    assert await stored(house, conversation) == "Dear Carla"


async def test_a_colleagues_text_is_shown_and_ones_own_offered_with_what_was_typed_meanwhile(
    house: Attacked, conversation: str
) -> None:
    gets = Held()
    async with opened(house, conversation, begun="Dear") as page:
        await expect(page.locator("#text")).to_have_text("Dear")
        async with await house.desk.browser("ben", house.url) as ben:
            await ben.post(f"{draft_of(conversation)}/lease", json={"take_over": True})
            await ben.put(draft_of(conversation), json={"text": "Dear Ms Cruz"})
            await ben.post(f"{draft_of(conversation)}/lease", json={"release": True})
        await page.route(replies(conversation), only("GET", gets))
        await types(page, " Carla")
        await gets.until(1)
        await types(page, ", hello")
        gets.let_go(10)
        await expect(page.locator("#text")).to_have_text("Dear Ms Cruz")
        assert await stored(house, conversation) == "Dear Ms Cruz"
        await page.get_by_role("button", name="Use mine").click()
        await expect(page.locator(STATE)).to_have_text("Saved")
    assert await stored(house, conversation) == "Dear Carla, hello"


async def test_what_a_colleague_holds_is_saved_once_they_stop(house: Attacked, conversation: str) -> None:
    async with opened(house, conversation, begun="Dear") as page:
        await expect(page.locator("#text")).to_have_text("Dear")
        async with await house.desk.browser("ben", house.url) as ben:
            await ben.post(f"{draft_of(conversation)}/lease", json={"take_over": True})
            await types(page, " Carla")
            await expect(page.locator("#locked-by")).to_have_text("Ben Okafor is writing")
            await expect(page.locator(STATE)).to_have_text("Not saved yet")
            await ben.post(f"{draft_of(conversation)}/lease", json={"release": True})
        await page.evaluate("document.dispatchEvent(new Event('postroom:live'))")  # what a moment later does by itself
        await expect(page.locator(STATE)).to_have_text("Saved")
        await expect(page.locator("#locked")).to_be_hidden()
    assert await stored(house, conversation) == "Dear Carla"


async def test_an_earlier_version_is_looked_at_put_back_and_taken_away_again(
    house: Attacked, conversation: str
) -> None:
    long = "It squeals because the pads are worn down to the metal."
    async with opened(house, conversation) as page:
        await types(page, long)
        await expect(page.locator(STATE)).to_have_text("Saved")
        await page.keyboard.press("Control+a")
        await page.keyboard.type("Oil it.")
        await expect(page.locator(STATE)).to_have_text("Saved")
        await page.locator("#menu-draft summary").click()
        await page.get_by_role("button", name="Earlier versions").click()
        dialog = page.get_by_role("dialog", name="Earlier versions")
        await expect(dialog.locator(".version-list button")).to_have_count(1)
        await expect(dialog.locator(".version-text")).to_have_text(long)
        await dialog.get_by_role("button", name="Put this version back").click()
        await expect(page.locator("#text")).to_have_text(long)
        assert await stored(house, conversation) == long
        await page.locator(".toast").get_by_role("button", name="Undo").click()
        await expect(page.locator("#text")).to_have_text("Oil it.")
        await expect(dialog).to_have_count(0)
    assert await stored(house, conversation) == "Oil it."


async def test_what_is_typed_into_a_first_message_before_it_is_known_stays_as_it_stands(house: Attacked) -> None:
    """Of one that was not there yet everything stood twice, and an address that was half typed was gone."""
    offer = {"inbox_id": "support", "subject": "", "to": [{"address": "dora@example.test"}], "text": "Dear Dora"}
    async with await house.desk.browser("ana", house.url) as client:
        assert (await client.put("/api/v1/drafts/there-already", json=offer)).status_code == 200
    async with house.page("ana") as (page, _):
        to, about = page.get_by_label("To", exact=True), page.get_by_label("Subject")
        for draft, before, typed in (
            ("there-already", "Dear Dora", "ev"),
            ("not-there-yet", "", "dora@example.test, ev"),
        ):
            gets = Held()
            await page.route(f"**/api/v1/drafts/{draft}?*", only("GET", gets))
            await page.goto(f"{house.url}/conversations/new-{draft}")
            await gets.until(1)
            await about.fill("Your bike")
            await to.fill(typed)
            gets.let_go(10)
            await expect(page.locator("#new-state")).to_have_text("Saved")
            await page.keyboard.type("a@example.test")
            await expect(to).to_have_value("dora@example.test, eva@example.test")
            await expect(about).to_have_value("Your bike")
            await expect(page.locator("#new-text")).to_have_text(before)


async def test_a_reply_that_is_held_goes_out_over_nothing_that_is_not_shown_yet(
    house: Attacked, conversation: str
) -> None:
    """Who pressed the button before it was there sent over the ETag of nothing, which the desk could not read."""
    panes, sends = Held(), list[str]()
    house.desk.commands.router = refuses(house)
    async with opened(house, conversation) as page:
        page.on("request", lambda r: sends.append(r.url) if r.url.endswith("/draft/send") else None)
        await page.route("**/panes/since/*", only("GET", panes))
        await types(page, "Oil it.")
        await expect(page.locator(STATE)).to_have_text("Saved")
        await house.desk.content.put([customer_content(f"{conversation}-2")])
        await house.desk.happens(received(f"{conversation}-2", "15:30", opened=False), conversation)
        await expect(page.locator("#written")).to_be_visible()
        await page.keyboard.press("Control+Enter")
        await panes.until(1)
        await page.keyboard.press("Control+Enter")  # leads to the decision
        await expect(page.locator("[data-held=send]")).to_be_focused()
        await page.keyboard.press("Enter")
        panes.let_go(10)
        await expect(page.locator("#since .since > li")).to_have_count(1)
        assert len(sends) == 1
        house.desk.commands.router = None
        await page.keyboard.press("Enter")
        await expect(page.locator("#held")).to_be_hidden()
    command = house.desk.commands.published[-1].data
    assert isinstance(command, SendReply)
    assert command.expected_sequence == 3  # the mail is the second, the refusal the third


def refuses(house: Attacked) -> Callable[[Event], Awaitable[None]]:
    """Return what answers as the router does whoever has not seen everything."""

    async def router(command: Event) -> None:
        assert isinstance(command.data, SendReply)
        assert command.subject is not None
        refused = RequestRefused(
            request_id=command.id, request_type=command.type, actor=command.data.actor, reason="stale"
        )
        await house.desk.happens(refused, command.subject, cause=command.id)

    return router


HEARS = """() => {
  const { port1, port2 } = new MessageChannel();
  const before = document.getElementById("composer");
  window.heard = new Promise((heard) => {
    port1.onmessage = () => heard(document.getElementById("composer").dataset.started ?? "not yet");
  });
  new MutationObserver(() => { if (document.getElementById("composer") !== before) port2.postMessage(0); })
    .observe(document.body, { childList: true, subtree: true });
}"""
"""Notes whether the next composer works in the first moment in which anybody could press a key."""


async def test_a_conversation_listens_from_the_moment_in_which_it_is_shown(house: Attacked, conversation: str) -> None:
    """For a moment the script spoke to the composer of the one before, and what was opened meanwhile was closed."""
    await house.desk.content.put([customer_content("listens", subject="Listens")])
    await house.desk.happens(received("listens", opened=True), "listens")
    async with opened(house, conversation) as page:
        await page.evaluate(HEARS)
        await page.locator("#rows .row > a", has_text="Listens").click()
        assert await asyncio.wait_for(page.evaluate("heard"), 40) == "true"


async def test_a_mail_that_is_unfolded_before_the_script_has_come_is_shown(house: Attacked, conversation: str) -> None:
    scripts = Held()
    await house.desk.content.put([customer_content(conversation, html="<p>It squeals</p>")])
    await house.desk.happens(received(conversation), conversation)
    async with house.page("ana") as (page, _):
        await page.route("**/static/desk.js", only("GET", scripts))
        await page.goto(f"{house.url}/conversations/{conversation}", wait_until="commit")
        await scripts.until(1)
        await page.locator("details.html summary").click()
        scripts.let_go()
        await expect(page.frame_locator("details.html iframe").locator("p")).to_have_text("It squeals")


async def test_what_a_handed_over_first_message_says_is_seen_live_and_written_by_one(house: Attacked) -> None:
    draft = f"{house.url}/conversations/new-shared-draft"
    async with house.page("ana") as (ana, _), house.page("ben") as (ben, _):
        await ana.goto(draft)
        await ana.get_by_label("To", exact=True).fill("dora@example.test")
        await ana.get_by_label("Subject").fill("Your bike")
        await ana.locator("#new-text").click()
        await ana.keyboard.type("It is ready.")
        await expect(ana.locator("#new-state")).to_have_text("Saved")
        await ana.locator("#menu-draft summary").click()
        await ana.locator("#new-hand-over").select_option(label="Ben Okafor")
        await expect(ana.locator(".toast", has_text="Ben Okafor goes on with it.")).to_be_visible()
        await ben.goto(draft)
        await expect(ben.locator("#new-awaits")).to_have_text("Ana Ruiz gave this draft to you")
        await ben.locator("#new-text").press("Control+End")
        await ben.keyboard.type(" Come on Monday.")
        await expect(ben.locator("#new-state")).to_have_text("Saved")
        await ana.reload()
        await expect(ana.locator("#new-locked-by")).to_have_text("Ben Okafor is writing")
        await ben.keyboard.type(" At nine.")
        await expect(ana.locator("#new-text")).to_have_text("It is ready. Come on Monday. At nine.")
        await expect(ana.get_by_label("Subject")).to_have_value("Your bike")
        await ana.get_by_role("button", name="Take over").click()
        await expect(ana.locator("#new-locked")).to_be_hidden()
        await ana.locator("#menu-draft summary").click()
        await ana.get_by_role("button", name="Discard").click()
        await expect(ana.locator("#new-text")).to_have_text("")
        await ben.goto(f"{house.url}/drafts")
        await expect(ben.locator("#drafts .empty")).to_be_visible()


async def test_a_draft_discarded_from_the_list_comes_back_and_goes_out_later(house: Attacked) -> None:
    offer = {"inbox_id": "support", "subject": "Offer", "to": [{"address": "dora@example.test"}], "text": "Dear Dora"}
    async with await house.desk.browser("ana", house.url) as client:
        assert (await client.put("/api/v1/drafts/offer-to-dora", json=offer)).status_code == 200
        async with house.page("ana") as (page, _):
            await page.goto(f"{house.url}/drafts")
            row = page.locator("#drafts li", has_text="Offer")
            await row.get_by_role("button", name="Discard").click()
            await expect(row).to_have_count(0)
            await page.locator(".toast").get_by_role("button", name="Undo").click()
            await expect(row).to_contain_text("to dora@example.test")
            await row.get_by_role("link", name="Go on").click()
            await expect(page.locator("#new-text")).to_have_text("Dear Dora")
            await page.locator("#menu-later summary").click()
            await page.locator("#new-send-at").fill("2040-01-01T09:00")
            await page.get_by_role("button", name="Schedule").click()
            await page.wait_for_url(re.compile(r"/conversations/(?!new)"))
    command = house.desk.commands.published[-1].data
    assert isinstance(command, StartConversation)
    assert command.send_at == datetime(2040, 1, 1, 9, tzinfo=UTC)
