"""The page in a real browser: a conversation appears by itself, an agent answers it, everything moves live."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.integration.desk.agents import PATIENCE_MS
from tests.integration.desk.cable import cable_to
from tests.integration.desk.office import START_SECONDS, TOKEN, TOKENS, Office

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]
AXE = Path(__file__).resolve().parents[3] / "services/desk/node_modules/axe-core/axe.min.js"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert executable, "Chromium is needed for this test (Debian: apt-get install chromium)"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, office: Office) -> AsyncIterator[Page]:
    """A signed-in page. It fails the test when the page's script failed or the content policy stopped something."""
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None
    )
    await signs_in(page, office)
    await expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    yield page
    assert faults == []
    await context.close()


async def signs_in(page: Page, office: Office, url: str = "") -> None:
    url = url or office.desk.url
    await page.goto(f"{url}/login")
    await page.locator("details summary").click()
    await page.fill("input[name=token]", TOKEN)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{url}/")


async def acts_as(page: Page, agent_id: str) -> None:
    await page.context.add_cookies([{"name": "postroom_agent", "value": agent_id, "url": page.url}])


async def test_a_conversation_appears_live_and_is_answered(page: Page, office: Office, subject: str) -> None:
    await acts_as(page, "ana")
    await page.goto(f"{office.desk.url}/overview")
    before = int(await page.locator("#tile-all").inner_text())
    await office.customer_writes("Since Tuesday <b>they</b> squeal.", subject, html="<p>Since <i>Tuesday</i></p>")

    line = page.locator("#feed a", has_text=subject).first
    await expect(line).to_be_visible()
    await expect(page.locator("#tile-all")).to_have_text(str(before + 1))
    await line.click()
    await expect(page.locator("#subject")).to_have_text(subject)
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    await expect(page.locator(".message")).to_have_count(1)
    await expect(page.locator(".message .text").first).to_have_text("Since Tuesday <b>they</b> squeal.")
    await expect(page.locator("#owner .record")).to_be_visible()

    await page.locator("details.html summary").click()
    await expect(page.frame_locator("details.html iframe").locator("i")).to_have_text("Tuesday")

    await page.keyboard.press("r")
    await page.keyboard.type("Bring it in today.")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".message-outgoing .text")).to_have_text("Bring it in today.")
    await expect(page.locator("#composer .editor")).to_have_text("")

    await page.keyboard.press("Escape")
    await page.keyboard.press("e")
    await expect(page.locator("#head .badge").first).to_have_text("resolved")


async def test_a_stranger_is_marked_and_answered_only_on_purpose(page: Page, office: Office, subject: str) -> None:
    first = await office.customer_writes("My brake squeals.", subject)
    await office.customer_writes("Send it to me", subject, sender=("mallory@evil.test", "Mallory"), answers=first)
    seen = await office.conversation(subject)
    await acts_as(page, "ben")
    await page.goto(f"{office.desk.url}/conversations/{seen['id']}")
    await expect(page.locator(".message")).to_have_count(2)
    await page.get_by_role("button", name="Answer this person").click()
    await expect(page.locator("#answering strong")).to_have_text("mallory@evil.test")
    await page.keyboard.type("Who are you?")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".message-outgoing .to")).to_have_text("to mallory@evil.test")
    await expect(page.locator("#answering")).to_be_hidden()


async def test_what_is_written_is_kept_shared_and_goes_out_as_it_was_written(
    page: Page, office: Office, subject: str
) -> None:
    """Two people: one begins, the other sees it live, takes it over, and sends it with its file."""
    await office.customer_writes("Can you repair it?", subject)
    seen = await office.conversation(subject)
    await acts_as(page, "ana")
    await page.goto(f"{office.desk.url}/conversations/{seen['id']}")
    await page.keyboard.press("r")
    await page.keyboard.type("Yes, ")
    await page.keyboard.press("Control+b")
    await page.keyboard.type("of course")
    await page.keyboard.press("Control+b")
    await page.keyboard.press("Enter")
    await page.keyboard.type("/sat")
    await expect(page.locator("#offers [data-offered]")).to_have_text("Saturday")
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_contain_text("Come on Saturday, Ana is here.")
    await page.locator("#attach").set_input_files({"name": "prices.txt", "mimeType": "text/plain", "buffer": b"10 EUR"})
    await expect(page.locator("#files li")).to_contain_text("prices.txt")
    await expect(page.locator("#draft-state")).to_have_text("Saved")
    await page.reload()
    await expect(page.locator("#text b, #text strong")).to_have_text("of course")
    await expect(page.locator("#recipients-shown")).to_contain_text("@")

    assert page.context.browser is not None
    other = await page.context.browser.new_context(storage_state=await page.context.storage_state())
    colleague = await other.new_page()
    await acts_as_in(colleague, office, "ben")
    await colleague.goto(f"{office.desk.url}/conversations/{seen['id']}")
    await expect(colleague.locator("#text")).to_contain_text("of course")
    await page.locator("#text").click()
    await page.keyboard.press("Control+End")
    await page.keyboard.type(" Bye")
    await expect(page.locator("#draft-state")).to_have_text("Saved")
    await colleague.reload()
    await expect(colleague.locator("#locked-by")).to_have_text("Ana Ruiz is writing")
    await page.keyboard.type(" bye")
    await expect(colleague.locator("#text")).to_contain_text("Bye bye")
    await colleague.get_by_role("button", name="Take over").click()
    await colleague.get_by_role("button", name="Send", exact=True).click()
    await expect(colleague.locator(".message-outgoing .text")).to_contain_text("Come on Saturday, Ana is here. Bye bye")
    await expect(colleague.locator(".message-outgoing .attachments")).to_contain_text("prices.txt")
    await expect(colleague.locator("#text")).to_have_text("")
    await other.close()
    [sent] = [m for m in (await office.read(seen["id"]))["messages"] if m["kind"] == "outgoing"]
    assert (sent["delivery"], sent["html_href"] is not None, sent["actor"]["id"]) == ("scheduled", True, "ben")


async def acts_as_in(page: Page, office: Office, agent_id: str) -> None:
    await page.context.add_cookies([{"name": "postroom_agent", "value": agent_id, "url": office.desk.url}])


async def written(office: Office, *subjects: str) -> list[str]:
    """Have customers write; return the ids of the conversations once each has its owner."""
    for subject in subjects:
        await office.customer_writes("Hello", subject)
    return [(await office.conversation(s, lambda row: row["owner_id"] is not None))["id"] for s in subjects]


async def test_address_reload_and_back_button_say_what_is_shown(page: Page, office: Office, subject: str) -> None:
    first, second = f"{subject} one", f"{subject} two"
    await written(office, first, second)
    await page.goto(f"{office.desk.url}/conversations?status=open&sort=newest")
    await page.locator(".row > a", has_text=first).click()
    await expect(page.locator("#subject")).to_have_text(first)
    address = page.url
    await page.locator(".row > a", has_text=second).click()
    await expect(page.locator("#subject")).to_have_text(second)
    await expect(page.locator(".row > a[aria-current]")).to_contain_text(second)
    await page.go_back()
    await expect(page.locator("#subject")).to_have_text(first)
    assert page.url == address
    await page.reload()
    await expect(page.locator("#subject")).to_have_text(first)
    await expect(page.locator(".row > a[aria-current]")).to_contain_text(first)
    await page.locator("#folders [data-folder=snoozed]").click()
    await expect(page.locator("#list-title")).to_have_text("Snoozed")
    await expect(page.locator("#conversation[data-id]")).to_have_count(0)
    await page.go_back()
    await expect(page.locator("#subject")).to_have_text(first)
    await expect(page.locator(".row > a", has_text=second)).to_be_visible()


async def test_keys_act_and_what_was_done_can_be_undone(page: Page, office: Office, subject: str) -> None:
    first, second = f"{subject} one", f"{subject} two"
    ids = await written(office, first, second)
    await acts_as(page, "ana")
    await page.goto(f"{office.desk.url}/conversations/{ids[0]}?status=open&sort=newest")
    badge = page.locator("#head .badge").first
    await page.keyboard.press("s")
    await page.locator("[data-snooze='3600']").click()
    await expect(badge).to_have_text("snoozed")
    await page.locator(".toast", has_text="Snoozed.").get_by_role("button", name="Undo").click()
    await expect(badge).to_have_text("open")
    await page.keyboard.press("a")
    await page.keyboard.type("Ben")
    await page.keyboard.press("Enter")
    await expect(page.locator("#owner strong").first).to_have_text("Ben Okafor")

    await page.goto(f"{office.desk.url}/conversations?status=open&sort=newest")
    for name in (first, second):
        await page.locator(".row", has_text=name).locator("input[name=pick]").check()
    await expect(page.locator(".bulk-count")).to_have_text("2 selected")
    await page.keyboard.press("e")
    await expect(page.locator(".row", has_text=subject)).to_have_count(0)
    await page.locator(".toast", has_text="2 conversations resolved.").get_by_role("button", name="Undo").click()
    await expect(page.locator(".row", has_text=subject)).to_have_count(2)


async def test_a_cut_connection_is_shown_and_comes_back_with_what_was_missed(
    page: Page, office: Office, subject: str
) -> None:
    async with cable_to(office.desk.url) as cable:
        await page.goto(f"{cable.url}/conversations?status=open&sort=newest")
        live = page.locator("#live")
        await expect(live).to_have_attribute("data-state", "live")
        await cable.pull()
        await expect(live).to_have_attribute("data-state", "away")
        await written(office, subject)
        await cable.plug_in()
        await expect(live).to_have_attribute("data-state", "live")
        await expect(page.locator(".row", has_text=subject)).to_be_visible()
        await page.goto("about:blank")


async def violations(page: Page) -> list[Any]:
    """Return what axe-core finds wrong: rule, and the first element."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1440), ("light", 390)])
async def test_no_view_is_a_barrier(browser: Browser, office: Office, subject: str, scheme: Any, width: int) -> None:
    [identifier] = await written(office, subject)
    context = await browser.new_context(
        viewport={"width": width, "height": 860}, color_scheme=scheme, bypass_csp=True, locale="de-DE"
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await signs_in(page, office)
    await acts_as(page, "ana")
    paths = (
        "/",
        "/overview",
        "/folders",
        "/notifications",
        "/conversations?sort=newest",
        "/drafts",
        "/conversations/new",
    )
    for path in (*paths, f"/conversations/{identifier}"):
        await page.goto(office.desk.url + path)
        await expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
        assert await violations(page) == [], path
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert await page.get_attribute("html", "lang") == "de"
    await expect(page.locator("#head .badge").first).to_have_text("offen")
    for key in ("s", "?"):
        await page.keyboard.press(key)
        assert await violations(page) == [], key
        await page.keyboard.press("Escape")
    await page.keyboard.press("x")
    assert await violations(page) == []
    await context.close()


async def test_two_agents_see_each_other_view_and_reply(
    page: Page, browser: Browser, office: Office, subject: str
) -> None:
    await office.customer_writes("One brake squeals.", subject)
    seen = await office.conversation(subject, lambda row: row["owner_id"] is not None)
    address = f"{office.desk.url}/conversations/{seen['id']}"
    await acts_as(page, "ana")
    await page.goto(address)
    context = await browser.new_context()
    other = await context.new_page()
    await signs_in(other, office)
    await acts_as(other, "ben")
    await other.goto(address)

    await expect(page.locator("#here")).to_have_text("BBen Okafor is here")
    await expect(page.locator(f"#here-{seen['id']} .here-person")).to_have_attribute("title", "Ben Okafor is here")
    await other.locator("#composer .editor").fill("Oil it.")
    await expect(page.locator("#here .here-typing")).to_contain_text("Ben Okafor is replying")
    await expect(other.locator("#here")).to_contain_text("Ana Ruiz is here")
    await context.close()
    await expect(page.locator("#here")).to_be_empty()


async def test_the_bell_rises_at_another_replica_and_falls_when_it_is_looked_at(
    page: Page, browser: Browser, office: Office, subject: str
) -> None:
    other = office.deployment.start("desk", **TOKENS)
    [identifier] = await written(office, subject)
    await other.ready(START_SECONDS)
    await office.ask(identifier, "assign", {"agent_id": "ana"})
    await office.conversation(subject, lambda row: row["owner_id"] == "ana")  # by now it has rung for whoever had it
    context = await browser.new_context()
    his = await context.new_page()
    his.set_default_timeout(PATIENCE_MS)
    await signs_in(his, office, other.url)
    await acts_as(his, "ben")
    await office.client.post("/api/v1/notifications/read", json={"agent": "ben", "until": "2100-01-01T00:00:00Z"})
    await his.goto(f"{other.url}/overview")
    await expect(his.locator("#live")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    bell = his.locator("#bell")
    await expect(bell).to_have_attribute("aria-label", "Notifications, 0 unread")

    await acts_as(page, "ana")
    await page.goto(f"{office.desk.url}/conversations/{identifier}")
    await page.keyboard.press("a")
    await page.keyboard.type("Ben")
    await page.keyboard.press("Enter")
    await expect(bell).to_have_attribute("aria-label", "Notifications, 1 unread", timeout=PATIENCE_MS)
    await expect(bell.locator(".bell-count")).to_have_text("1")
    await expect(his.locator("#bell-said")).to_have_text("Notifications, 1 unread")

    await his.keyboard.press("b")
    line = his.locator(".notice.unread")
    await expect(line.locator(".notice-said")).to_contain_text("Ana Ruiz gave you this conversation")
    await line.locator("a").focus()
    await his.keyboard.press("Enter")
    await expect(his.locator("#subject")).to_have_text(subject)
    await expect(bell).to_have_attribute("aria-label", "Notifications, 0 unread", timeout=PATIENCE_MS)
    await his.set_viewport_size({"width": 390, "height": 800})
    await expect(his.locator("#head .bell")).to_be_visible()
    await office.ask(identifier, "note", {"agent": "ana", "text": "Look", "mentions": ["ben"]})
    await expect(his.locator(".message-note")).to_be_visible()
    await expect(his.locator("#head .bell")).to_have_attribute(
        "aria-label", "Notifications, 0 unread"
    )  # he looks at it
    await his.goto(f"{other.url}/notifications")
    await expect(his.locator(".notice", has_text=subject).first).to_be_visible()
    await expect(his.locator(".notice.unread")).to_have_count(0)
    await context.close()
