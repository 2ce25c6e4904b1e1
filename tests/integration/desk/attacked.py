"""A desk full of vectors in everything that others write, behind a port, and a browser that tells what ran."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.facts import NoteAdded
from postroom_contracts.ids import content_id
from postroom_desk.answering.drafts import key_of
from postroom_desk.domain.draft import Draft, Written, saved
from postroom_desk.domain.written import clean_html
from postroom_local.ports import LOOPBACK, free_port

from tests.component.desk.doubles import NOW, DeskBench
from tests.component.desk.facts import ANA, customer_content, received
from tests.integration.desk.office import company
from tests.integration.desk.vectors import VECTORS, vector

THREADS = 6
"""Conversations that have all vectors together, one a message, each shown whole; besides each vector has one of its own."""
DRAFTS = 5
"""Drafts of new conversations that have all vectors together."""
FOUND = r"""() => [...document.querySelectorAll("*")].flatMap((e) => [...e.attributes].filter((a) =>
  /^on/i.test(a.name)
  || (/^(href|src|action|formaction|data|xlink:href|srcdoc|poster|background|srcset|ping)$/i.test(a.name)
      && /^[\s\x00-\x1f]*(javascript|vbscript|data:text|data:image\/svg)/i.test(a.value))
  || (/^srcdoc$/i.test(a.name))
  || (/^((data-)?hx-|sse-)/i.test(a.name) && /canary/.test(a.value))
).map((a) => `${e.localName} ${a.name}=${a.value.slice(0, 80)}`))"""
"""What would run when somebody points at it or clicks."""
CANARY = """
window.alert = window.confirm = window.prompt = (n) => canary(Number(n) || -1);
addEventListener("securitypolicyviolation", (e) => console.debug("violated", e.effectiveDirective, e.blockedURI));
"""


@dataclass
class Seen:
    """What a browser did that it should not."""

    ran: set[int] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    """By the content policy: it was in the page, and did not run."""
    would_run: list[str] = field(default_factory=list)

    def watch(self, page: Page, ours: str) -> None:
        def asked(url: str) -> None:
            if urlsplit(url).scheme in ("http", "https", "ws") and urlsplit(url).netloc != urlsplit(ours).netloc:
                self.asked.append(url)

        page.on("request", lambda request: asked(request.url))
        page.on("console", lambda m: self.stopped.append(m.text) if m.text.startswith("violated") else None)
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.dismiss()))

    async def look(self, page: Page) -> None:
        """Give what is in the page time to run, then look for what waits for somebody."""
        for frame in page.frames:
            if frame is page.main_frame and not frame.url.endswith("/html"):  # where no script runs, not even this one
                await frame.evaluate("new Promise((done) => requestIdleCallback(done, { timeout: 200 }))")
            self.would_run += [f"{urlsplit(frame.url).path}: {found}" for found in await frame.evaluate(FOUND)]


@dataclass
class Attacked:
    desk: DeskBench
    browser: Browser
    url: str

    @asynccontextmanager
    async def page(self, agent: str = "ada") -> AsyncIterator[tuple[Page, Seen]]:
        """Give a page of a session of this agent, watched."""
        seen = Seen()
        context = await self.browser.new_context(viewport={"width": 1400, "height": 900}, timezone_id="UTC")
        await self._signed_in(context, agent)
        await context.expose_binding("canary", lambda _, n: seen.ran.add(int(n)))
        await context.add_init_script(CANARY)
        page = await context.new_page()
        page.set_default_timeout(30_000)
        seen.watch(page, self.url)
        try:
            yield page, seen
        finally:
            await page.unroute_all(behavior="ignoreErrors")  # what is under way is of no test any more
            await context.close()

    async def _signed_in(self, context: BrowserContext, agent: str) -> None:
        client = await self.desk.browser(agent, self.url)
        await context.add_cookies(
            [{"name": c.name, "value": c.value or "", "url": self.url} for c in client.cookies.jar]
        )
        await client.aclose()


@asynccontextmanager
async def attacked(desk: DeskBench) -> AsyncIterator[Attacked]:
    """Serve the desk and start Chromium."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert executable, "Chromium is needed for this test (Debian: apt-get install chromium)"
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(desk.app, LOOPBACK, port, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield Attacked(desk, browser, f"http://{LOOPBACK}:{port}")
        finally:
            await browser.close()
            server.should_exit = server.force_exit = True
            desk.live.close()
            await serving


def attacked_company() -> Configuration:
    """The office's company with a vector in every name that somebody may choose."""
    plain: dict[str, Any] = company().model_dump()
    number = iter(range(10_000))

    def named(item: dict[str, Any], *names: str) -> dict[str, Any]:
        return {**item, **{name: vector(next(number)) for name in names}}

    plain["company"] = {**plain["company"], "name": vector(next(number))}
    plain["agents"] = [named(a, "last_name", "title") for a in plain["agents"]]
    plain["agents"].append(named({"id": "ada", "role": "admin", "email": "ada@velo.test"}, "first_name", "last_name"))
    plain["inboxes"] = [named(i, "name") for i in plain["inboxes"]]
    plain["teams"] = [named(t, "name") for t in plain["teams"]]
    plain["tags"] = [named({"id": f"tag-{n}", "color": "#dc2626"}, "name") for n in range(0, len(VECTORS), 5)]
    plain["saved_replies"] = [
        {"id": f"saved-{n}", "name": vector(n)[:100], "text": f"x {vector(n)}".replace("[", "(").replace("{", "("),
         "html": vector(n).replace("[", "(").replace("{", "(")}
        for n in range(0, len(VECTORS), 5)
    ]  # fmt: skip
    plain["rules"] = []
    return Configuration.model_validate(plain)


async def fill(desk: DeskBench) -> None:
    """Let strangers write: each vector a conversation of its own, and all of them in the messages of a few."""
    applied = ConfigurationApplied(
        configuration_version=2, applied_at=NOW, configuration=attacked_company(), applied_by=vector(0)
    )
    desk.configurations.add(applied)
    desk.versions.versions.append(applied)
    for n in range(len(VECTORS)):
        await write(desk, n, f"alone-{n}", f"a{n}")
    for n in range(len(VECTORS)):
        await write(desk, n, f"thread-{n % THREADS}", f"t{n}")
    for n in range(DRAFTS):
        await begin(desk, n)
    await desk.content.put([{"_id": content_id("n1"), "kind": "note", "text": vector(3), "reply_text": vector(3)}])
    note = NoteAdded(message_id="n1", actor=ANA, content=received("n1").content)
    await desk.happens(note, "thread-0")


async def begin(desk: DeskBench, number: int) -> None:
    """Have ada begin a conversation whose draft says the vectors of this turn in all that is typed, and much at once."""
    said = [vector(n) for n in range(number, len(VECTORS), DRAFTS)]
    people = [{"address": f'"{v}"@example.test', "name": v} for v in said]
    written = Written(
        text="\n".join(said), html=clean_html("".join(said)), subject=" ".join(said), to=people, cc=people, inbox_id="support"
    )  # fmt: skip
    empty = Draft(id=f"d{number}", conversation_id=f"draft-{number}", kind="start", people=["ada"], revision=1)
    await desk.drafts.put(key_of(f"draft-{number}", "start"), saved(empty, written, "ada", NOW), 0)


async def write(desk: DeskBench, number: int, conversation: str, message: str) -> None:
    """Have a mail come in that says vector `number` in everything that its sender chooses."""
    said = vector(number)
    who = {"address": f'"{said}"@example.test', "name": said}
    file = {
        "filename": said,
        "content_type": said,
        "body_bytes": 3,
        "sha256": "0",
        "blob_id": "blob",
        "content_id": said,
    }
    await desk.content.put_blob(f"raw-{message}", f"Subject: {said}\r\n\r\n{said}".encode("utf-8", "replace"))
    await desk.content.put(
        [
            customer_content(
                message, subject=said, text=f"{said}\n> {said}", reply_text=said, html=f"<p>so</p>{said}", to=[who],
                cc=[who], attachments=[file], raw_blob_id=f"raw-{message}", forwarded_by=who, **{"from": who},
            )
        ]
    )  # fmt: skip
    fact = received(
        message, opened=conversation not in desk.conversations.views, tags=[f"tag-{number - number % 5}"], attachments=1,
        contact_id="carla", from_stranger=number % 2 == 0,
    )  # fmt: skip
    await desk.happens(fact, conversation)


def raw_page() -> str:
    """Return a page that lets every vector do what it does: the proof that what runs is seen."""
    frames = [f"<!doctype html><body>{vector(n)}" for n in range(len(VECTORS))]
    return (
        "<!doctype html><body><script>for (const html of "
        + json.dumps(frames).replace("</", "<\\/").replace("<!--", "<\\!--")
        + ") { const f = document.createElement('iframe'); f.srcdoc = html; document.body.append(f); }</script>"
    )
