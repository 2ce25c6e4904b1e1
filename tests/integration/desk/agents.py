"""Agents at their desks: pages of one Chromium, each signed in as somebody, none of which may fail unseen."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, StorageState, async_playwright, expect

from tests.integration.desk.office import TOKEN, Office

PATIENCE_MS = 30_000


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert executable, "Chromium is needed for this test (Debian: apt-get install chromium)"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        await browser.close()


class Agents:
    """Opens the console for agents of the office. `faults`: what failed in their pages, or was stopped by the policy."""

    def __init__(self, browser: Browser, office: Office) -> None:
        self._browser = browser
        self._office = office
        self._state: StorageState | None = None
        self._contexts: list[BrowserContext] = []
        self.faults: list[str] = []

    async def opens(self, agent_id: str, path: str = "/", url: str | None = None, **options: Any) -> Page:
        """Return a page that shows `path` and is live. `url`: another way to the desk than the straight one."""
        url = url or self._office.desk.url
        context = await self._browser.new_context(
            storage_state=await self._signed_in(), base_url=url, locale="en-GB", **options
        )
        self._contexts.append(context)
        await context.add_cookies([{"name": "postroom_agent", "value": agent_id, "url": url}])
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on(
            "console", lambda said: self.faults.append(said.text) if "Content Security Policy" in said.text else None
        )
        await page.goto(path)
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        return page

    async def _signed_in(self) -> StorageState:
        if self._state is None:
            context = await self._browser.new_context(base_url=self._office.desk.url)
            page = await context.new_page()
            await page.goto("/login")
            await page.locator("details summary").click()
            await page.fill("input[name=token]", TOKEN)
            await page.keyboard.press("Enter")
            await page.wait_for_url("/")
            self._state = await context.storage_state()
            await context.close()
        return self._state

    async def leave(self) -> None:
        """Close all pages. Fails when one of them had a fault."""
        for context in self._contexts:
            await context.close()
        self._contexts.clear()
        faults, self.faults = self.faults, []
        assert not faults, faults
