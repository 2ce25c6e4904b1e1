"""Take the pictures of the docs from a running demo: `make screenshots` beside `make demo`. Needs Chromium.

Twelve views, each in light, in dark and on a phone, as WebP. The demo should run for a minute first; the views act as Mira.
"""

import argparse
import base64
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

AGENT = "mira"
MINE = f"/conversations?status=open&owner={AGENT}"
PATIENCE_MS = 20_000
QUALITY = 82
LOOKS = {
    "light": {"viewport": {"width": 1360, "height": 850}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1360, "height": 850}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 800}, "color_scheme": "light", "has_touch": True},
}
NOTE = "@Jonas: he was here last week, too. The brake pads are from the batch that we exchange."
NOTE_TO_MIRA = "@Mira: can you look at the brakes of this one?"
REPLY = "Thank you for writing. Bring it in today until 18:00, and we look at it while you wait."


WITH_DRAFT = """async ([steps, agent, text]) => {
  const path = `/api/v1/conversations/${document.getElementById("conversation").dataset.id}/draft`;
  const token = document.querySelector("meta[name=csrf-token]")?.content;
  const headers = { "Content-Type": "application/json", ...(token ? { "X-CSRF-Token": token } : {}) };
  const ask = (method, to, body) => fetch(to, { method, headers, body: body && JSON.stringify({ agent, ...body }) });
  if (steps === "drop") {
    const gone = await Promise.all(["reply", "note"].map((kind) => ask("DELETE", `${path}?kind=${kind}&agent=${agent}`)));
    return gone.every((answer) => answer.ok);
  }
  await ask("PUT", path, { text, seen: "1.0" }); // begun at the first message
  return (await ask("POST", `${path}/send`, {})).status === 409;
}"""
"""Has a reply held because it was begun before all that followed; `drop` throws away what was begun."""


def inbox(page: Page) -> None:
    page.goto("/conversations?sort=newest")
    page.locator("#rows .row").nth(5).wait_for()


def conversation(page: Page) -> None:
    """Open one of Mira's conversations that has both sides: an owner with reasons, messages, events between them."""
    page.goto(MINE)
    links = page.locator("#rows .row > a")
    addresses = [links.nth(n).get_attribute("href") or "" for n in range(min(links.count(), 25))]
    for address in addresses:
        page.goto(address)
        if page.locator(".message-outgoing").count() and page.locator(".message").count() > 2:  # noqa: PLR2004
            break
    page.locator("#subject").wait_for()
    if not page.evaluate(WITH_DRAFT, ["drop", AGENT, ""]):  # what the view before began
        raise RuntimeError("a draft could not be thrown away")
    page.reload()
    page.locator("#live[data-state=live]").wait_for(state="attached")


def note(page: Page) -> None:
    """Show a note, and another one that is being written to a colleague."""
    conversation(page)
    if not page.locator(".message-note").count():
        page.keyboard.press("n")
        page.keyboard.type(NOTE)
        page.keyboard.press("Control+Enter")
    page.locator(".message-note").first.wait_for()
    page.locator("#text.empty").wait_for()
    if (
        page.evaluate("document.activeElement.id") != "text"
    ):  # after a note was sent it stands there: `n` would be typed
        page.keyboard.press("n")
    page.keyboard.type("@Jo")
    page.locator("#offers [data-offered]").first.wait_for()
    page.evaluate("document.getElementById('thread').scrollTo(0, 1e6)")


def reply(page: Page) -> None:
    conversation(page)
    page.keyboard.press("r")
    page.keyboard.press("Control+a")
    page.keyboard.type(REPLY)


def held(page: Page) -> None:
    conversation(page)
    if not page.evaluate(WITH_DRAFT, ["hold", AGENT, REPLY]):
        raise RuntimeError("the reply was not held")
    page.reload()
    page.locator("#held .since > li").first.wait_for()
    page.evaluate("document.getElementById('thread').scrollTo(0, 1e6)")


def assign(page: Page) -> None:
    conversation(page)
    page.keyboard.press("a")


def bulk(page: Page) -> None:
    page.goto(MINE)
    for _ in range(3):
        page.keyboard.press("j")
        page.keyboard.press("x")


def merge(page: Page) -> None:
    conversation(page)
    page.locator("#menu-more > summary").click()
    page.locator("[data-merge]").click()
    page.locator("#targets li").first.wait_for()


def bell(page: Page) -> None:
    """The notifications: a colleague mentions Mira first, so that one of them is of a person."""
    page.request.post(f"{_somebodys(page)}/note", data={"agent": "jonas", "text": NOTE_TO_MIRA, "mentions": [AGENT]})
    page.goto("/notifications")
    page.locator(".notice").first.wait_for()


def _somebodys(page: Page) -> str:
    """Return the API's address of a conversation of hers."""
    page.goto(MINE)
    link = page.locator("#rows .row > a").first.get_attribute("href") or ""
    return "/api/v1" + link.partition("?")[0]


def overview(page: Page) -> None:
    page.goto("/overview")
    page.locator("#feed a").first.wait_for()


def figure(page: Page) -> None:
    page.goto("/figures/first_response")


def keys(page: Page) -> None:
    """The sheet of keys; on a phone, which has none, the folders."""
    if page.viewport_size and page.viewport_size["width"] < 860:  # noqa: PLR2004 - where desk.css makes panes pages
        page.goto("/folders")
        page.locator("#folders .count").first.wait_for()
    else:
        conversation(page)
        page.keyboard.press("?")


VIEWS: dict[str, Callable[[Page], None]] = {
    view.__name__: view
    for view in (inbox, conversation, note, reply, held, assign, bulk, merge, bell, overview, figure, keys)
}


def take(browser: Browser, root: str, look: str, names: list[str], folder: Path) -> None:
    context = browser.new_context(base_url=root, **LOOKS[look])  # type: ignore[arg-type]
    context.add_cookies([{"name": "postroom_agent", "value": AGENT, "url": root}])
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    taken: dict[str, str] = {}
    for name in names:
        VIEWS[name](page)
        page.locator("#live[data-state=live]").wait_for(state="attached")
        page.wait_for_timeout(600)  # counts, and what moves
        shot = page.context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        path = folder / f"{name}-{look}.webp"
        path.write_bytes(base64.b64decode(shot["data"]))
        if (double := taken.setdefault(shot["data"], name)) != name:
            raise RuntimeError(f"{path} shows the same as the view {double}")
        print(f"{path} {path.stat().st_size // 1000} kB")
    context.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".demo"), help="the running demo's directory")
    parser.add_argument("--to", type=Path, default=Path("docs/images"))
    parser.add_argument("--look", choices=LOOKS, action="append", help="only this one")
    parser.add_argument("views", nargs="*", choices=[*VIEWS, []], help="only these")
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
        for look in given.look or LOOKS:
            take(browser, root, look, given.views or list(VIEWS), given.to)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
