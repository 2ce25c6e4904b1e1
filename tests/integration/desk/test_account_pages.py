"""Pages of log-in, account, people, audit, settings and scheduled replies, long threads and erasures in a real browser."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, Page, expect
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.facts import ContentErased
from postroom_contracts.ids import content_id
from postroom_contracts.values import Actor
from postroom_desk.domain.search.entries import entry
from postroom_local.ports import free_port

from tests.component.desk.doubles import NOW, settings
from tests.component.desk.facts import CONVERSATION, customer_content, received, replied
from tests.component.desk.test_account import KEY
from tests.component.desk.test_audit import AuditedDesk
from tests.component.desk.test_erasing import router_says
from tests.component.desk.test_login import PASSWORD
from tests.component.desk.test_people import staffed
from tests.component.desk.test_threads import long_thread
from tests.integration.desk.agents import PATIENCE_MS
from tests.integration.desk.test_page import browser, violations

__all__ = ["browser"]
pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]
STRANGERS = ("/login", "/login/forgot", "/invitation/{invitation}", "/reset/used")
OWN = ("/account", "/account/second-factor", "/account/sessions", "/account/tokens", "/account/notifications")
HOUSE = ("/settings/people", "/settings/people/ana", "/audit", "/scheduled", "/settings", "/settings/tags")
OFFERS = ("/account/saved-replies", "/account/notifications/support", "/notifications", "/settings/history")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncIterator[AuditedDesk]:
    """A desk over doubles behind a real door, with an admin, an agent who uses everything, and a reply that waits."""
    port = free_port()
    mailing = {"public_url": f"http://127.0.0.1:{port}", "notifier_url": "http://127.0.0.1:1"}
    bench = AuditedDesk(settings(secrets_key=KEY, **mailing))
    applied = ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=staffed())
    bench.configurations.add(applied)
    await bench.versions.add(applied)
    hashed = await bench.identity.hasher.hash(PASSWORD)
    for agent_id in ("ada", "ana", "ben"):
        await bench.stores.people.set_password(agent_id, hashed, bench.clock.now())
    await bench.stores.people.set_second_factor("ben", b"sealed", ["digest"], 1)
    await bench.identity.tokens.make("ana", "export", ["read", "write"], 30)
    await bench.identity.tokens.make("ada", "own", ["read"], 30)
    await bench.browser("ana")
    await bench.content.put([customer_content()])
    await bench.happens(received(), CONVERSATION)
    waits = replied("r1", actor=Actor(kind="agent", id="ada"), send_at=NOW + timedelta(hours=2))
    await bench.happens(waits, CONVERSATION)
    server = uvicorn.Server(uvicorn.Config(bench.app, port=port, log_level="error", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    tasks = [asyncio.create_task(server.serve()), asyncio.create_task(bench.audit.run())]
    while not server.started:
        await asyncio.sleep(0.01)
    yield bench
    bench.live.close()
    server.should_exit = server.force_exit = True
    await asyncio.wait(tasks[:1], timeout=10)
    tasks[1].cancel()


async def opened(page: Page, path: str, language: str) -> None:
    """Go there, and look for barriers, the language, and that nothing stands beside the screen."""
    await page.goto(path)
    assert await violations(page) == [], path
    assert await page.get_attribute("html", "lang") == language
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def signs_in(page: Page, email: str) -> None:
    await page.goto("/login")
    await page.fill("input[name=email]", email)
    await page.fill("input[name=password]", PASSWORD)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("scheme", "width", "locale", "words"),
    [
        ("light", 1440, "de-DE", ("Passwort vergessen?", "Wer sich anmelden darf", "Prüfprotokoll", "Geplant")),
        ("dark", 390, "pl-PL", ("Nie pamiętasz hasła?", "Kto może się logować", "Dziennik audytu", "Zaplanowane")),
    ],
)
async def test_no_page_is_a_barrier(
    browser: Browser,
    desk: AuditedDesk,
    scheme: Any,
    width: int,
    locale: str,
    words: tuple[str, ...],
) -> None:
    context = await browser.new_context(
        base_url=desk.settings.public_url,
        viewport={"width": width, "height": 860},
        color_scheme=scheme,
        bypass_csp=True,
        locale=locale,
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    language = locale[:2]
    invitation = await desk.identity.credentials.link("mira", "invitation", "tests")
    await desk.stores.people.add("mira")
    for path in STRANGERS:
        await opened(page, path.format(invitation=invitation), language)
    await page.goto("/login")
    await page.get_by_text(words[0]).click()
    await page.fill("input[name=email]", "nobody@velo.test")
    await page.keyboard.press("Enter")
    await expect(page.locator("[role=status]")).to_be_visible()
    assert await violations(page) == []

    await signs_in(page, "ben@velo.test")
    await expect(page.locator("input[name=code]")).to_be_visible()
    assert await violations(page) == []

    await signs_in(page, "ada@velo.test")
    await expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    for path in (*OWN, *HOUSE, *OFFERS) if scheme == "light" else (*OWN[2:], *HOUSE, *OFFERS[:2]):
        await opened(page, path, language)
    for path, heading in zip(("/settings/people", "/audit", "/scheduled"), words[1:], strict=True):
        await page.goto(path)
        await expect(page.locator("h1")).to_have_text(heading)
    await expect(page.locator("#reply-r1")).to_be_visible()
    assert faults == []
    await context.close()


async def test_the_palette_leads_everywhere_by_keys_alone(browser: Browser, desk: AuditedDesk) -> None:
    context = await browser.new_context(base_url=desk.settings.public_url, bypass_csp=True, locale="de-DE")
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    await signs_in(page, "ana@velo.test")
    await page.goto(f"/conversations/{CONVERSATION}")
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    await page.keyboard.press("Control+k")
    await expect(page.locator("#palette-list [role=option]").first).to_be_visible()
    assert await violations(page) == []
    await page.keyboard.type("notiz schr")
    await expect(page.locator("#palette-list [aria-selected=true]")).to_contain_text("Notiz schreiben")
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_be_focused()
    await expect(page.locator("#composer input[value=note]")).to_be_checked()
    await page.keyboard.press("Control+k")
    await page.keyboard.type("saturday")
    await expect(page.locator("#palette-list [aria-selected=true]")).to_contain_text("Saturday")
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_contain_text("Come on Saturday, Ana is here.")
    await page.keyboard.press("ArrowLeft")  # the caret is where it was, for the palette and after it
    await page.keyboard.press("Control+k")
    await page.keyboard.press("Escape")
    await expect(page.locator("#palette")).to_be_hidden()
    await page.keyboard.type(" again")
    await page.keyboard.press("Control+k")
    await page.keyboard.type("notiz schr")
    await expect(page.locator("#palette-list [aria-selected=true]")).to_contain_text("Notiz schreiben")
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.type(", too")
    await expect(page.locator("#text")).to_have_text("Come on Saturday, Ana is here again, too.")
    await page.keyboard.press("Control+k")
    await page.keyboard.type("nichts dergleichen")
    await expect(page.locator("#palette-nothing")).to_have_text("Nichts passt.")
    await page.locator("#palette-q").fill("geplant")
    await expect(page.locator("#palette-list [aria-selected=true]")).to_contain_text("Geplant")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/scheduled")
    assert faults == []
    await context.close()


async def test_settings_are_checked_changed_and_brought_back(browser: Browser, desk: AuditedDesk) -> None:
    context = await browser.new_context(base_url=desk.settings.public_url)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await signs_in(page, "ada@velo.test")
    await page.goto("/settings/tags")
    text = page.locator("#text")
    before = await text.input_value()
    look, apply = (page.get_by_role("button", name=name) for name in ("Check and show the difference", "Make it so"))
    await text.fill(before + "  - {id: recall, nam: Recall}\n")
    await look.click()
    await expect(page.get_by_role("alert")).to_contain_text("nam")
    await expect(apply).to_have_count(0)
    await text.fill(before + "  - {id: recall, name: Recall}\n")
    await look.click()
    await expect(page.locator(".difference .added", has_text="Recall").first).to_be_visible()
    assert not any(tag.id == "recall" for tag in desk.configurations.latest.tags)
    await apply.click()
    await expect(page.get_by_text("Done. Every service works by it")).to_be_visible()
    assert any(tag.id == "recall" for tag in desk.configurations.latest.tags)
    await page.goto("/settings/history")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Make it the newest again").first.click()
    await page.goto("/settings/tags")
    await expect(text).to_have_value(before)
    await context.close()


async def test_what_one_is_told_of_is_chosen_and_stays_chosen(browser: Browser, desk: AuditedDesk) -> None:
    context = await browser.new_context(base_url=desk.settings.public_url)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await signs_in(page, "ada@velo.test")
    await page.goto("/account/notifications")
    box = page.locator("input[name=way][value='assigned.mail']")
    await expect(box).to_be_checked()
    await box.uncheck()
    async with page.expect_navigation():
        await page.get_by_role("button", name="Save").first.click()
    await page.goto("/account/notifications")
    await expect(box).not_to_be_checked()
    await expect(page.locator("input[name=way][value='mentioned.mail']")).to_be_checked()
    await context.close()


async def test_an_admin_changes_rights_and_puts_somebody_out(browser: Browser, desk: AuditedDesk) -> None:
    context = await browser.new_context(base_url=desk.settings.public_url)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await signs_in(page, "ada@velo.test")
    await page.goto("/settings/people/ana")
    await page.locator("#rights select[name=role]").select_option("lead")
    await page.locator("#rights button").click()
    await expect(page.get_by_text("Saved. Every service works by it")).to_be_visible()
    agent = desk.configurations.latest.agent("ana")
    assert agent is not None
    assert agent.role == "lead"
    await page.get_by_role("button", name="Put out").click()
    await expect(page.locator("#state")).to_contain_text("put out")
    assert desk.stores.people.people["ana"].disabled
    await page.goto("/audit")
    await page.locator("#filters select[name=action]").select_option("person-disabled")
    await page.locator("#filters button").click()
    await expect(page.locator("#entries tbody tr")).to_have_count(1)
    await context.close()


async def test_earlier_messages_come_without_moving_what_is_read(browser: Browser, desk: AuditedDesk) -> None:
    await long_thread(desk, "long", "l")
    context = await browser.new_context(base_url=desk.settings.public_url, bypass_csp=True)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await signs_in(page, "ada@velo.test")
    await page.goto("/conversations/long")
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    messages = page.locator("#messages > .message")
    await expect(messages).to_have_count(50)
    await expect(page.locator("#m-l699")).to_be_in_viewport()
    await page.locator("#earlier a").scroll_into_view_if_needed()
    top = "id => document.getElementById(id).getBoundingClientRect().top"
    await page.locator("#m-l650").wait_for()
    before = await page.evaluate(top, "m-l650")
    await page.locator("#earlier a").click()
    await expect(messages).to_have_count(150)
    assert abs(await page.evaluate(top, "m-l650") - before) < 2
    assert await violations(page) == []
    await desk.happens(received("l700", received_at=NOW, opened=False), "long")
    await expect(messages).to_have_count(151)  # what came later takes nothing away
    view = desk.conversations.views["long"]
    found = entry("long", view, view.messages[10], customer_content("l10", text="message", reply_text="message"), {})
    assert found is not None
    await desk.search.put([found], [])
    await page.goto("/search?q=message")
    await page.locator("#rows .row > a").first.click()
    await expect(page.locator("#m-l10")).to_be_in_viewport()
    await expect(page.locator("#m-l10")).to_be_focused()
    await page.reload()
    await expect(page.locator("#m-l10")).to_be_in_viewport()
    await page.goto("/conversations/long#m-l20")  # an address without the page
    await expect(page.locator("#m-l20")).to_be_in_viewport()
    await context.close()


async def test_an_erasure_shows_how_far_it_is_until_nothing_is_left(browser: Browser, desk: AuditedDesk) -> None:
    await desk.content.put([customer_content("e1")])
    await desk.happens(received("e1", opened=True, contact_id="contact-carla"), "to-erase")
    context = await browser.new_context(base_url=desk.settings.public_url, bypass_csp=True)
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await signs_in(page, "ada@velo.test")
    await page.goto("/conversations/to-erase")
    await page.locator("#erase summary").click()
    erase = page.get_by_role("button", name="Erase for good")
    await expect(erase).to_be_disabled()
    await page.fill("#erase input[name=confirm]", "somebody@else.test")
    await expect(erase).to_be_disabled()
    await page.fill("#erase input[name=confirm]", "Carla@example.test")
    await erase.click()
    progress = page.locator("#erasure")
    await expect(progress).to_have_attribute("data-state", "asked")
    request_id = desk.commands.published[-1].id
    assert desk.commands.published[-1].subject == "contact-carla"

    desk.router.said["contact-carla"] = router_says(request_id)
    await expect(progress).to_have_attribute("data-state", "running")
    await desk.content.delete([content_id("e1")])
    gone = ContentErased(contact_id="contact-carla", message_ids=["e1"], ledger_ids=["ledger-e1"], blob_ids=[])
    await desk.happens(gone, "to-erase", cause=request_id)
    await expect(page.locator("#messages")).to_contain_text("erased")
    await expect(progress).to_contain_text("Search, drafts, files")
    assert await violations(page) == []
    desk.router.said["contact-carla"] = router_says(request_id, done_at=NOW.isoformat(), conversations=1)
    await expect(progress).to_have_attribute("data-state", "verified")
    await expect(progress).to_contain_text("nothing is left")
    await page.reload()  # afterwards it stands in the panel of what was erased
    await page.locator("#erase summary").click()
    await expect(progress).to_have_attribute("data-state", "verified")
    await context.close()
