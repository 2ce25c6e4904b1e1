"""Take the pictures of the docs from a running demo: `make screenshots` beside `make demo`. Needs Chromium."""

import argparse
import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

WIDTH, HEIGHT = 1280, 860
PATIENCE_MS = 20_000


def overview(page: Page, root: str) -> None:
    page.goto(f"{root}/")
    page.locator("#live[data-state=live]").wait_for(timeout=PATIENCE_MS)
    page.locator("#feed a").first.wait_for(timeout=PATIENCE_MS)


def conversations(page: Page, root: str) -> None:
    page.goto(f"{root}/conversations?sort=newest")


def conversation(page: Page, root: str) -> None:
    """Open the newest resolved or answered conversation: it has both sides, an owner with reasons, and events."""
    page.goto(f"{root}/conversations?sort=newest")
    links = page.locator("main a[href^='/conversations/']")
    found = [links.nth(n).get_attribute("href") for n in range(min(links.count(), 40))]
    for href in dict.fromkeys(found):
        page.goto(f"{root}{href}")
        if page.locator(".message").count() > 1:
            return


VIEWS = {"overview": overview, "conversations": conversations, "conversation": conversation}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".demo"), help="the running demo's directory")
    parser.add_argument("--to", type=Path, default=Path("docs/images"))
    given = parser.parse_args()
    state = given.data / "state.json"
    if not state.exists():
        sys.exit(f"no demo runs on {given.data}: start `make demo` first")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not installed (Debian: apt-get install chromium)")
    root = json.loads(state.read_text())["page"]
    given.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        for name, show in VIEWS.items():
            show(page, root)
            page.screenshot(path=given.to / f"{name}.png")
            print(given.to / f"{name}.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
