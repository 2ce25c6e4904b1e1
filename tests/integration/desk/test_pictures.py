"""Pictures on strangers' servers: nobody is asked before somebody wants them; then the desk asks, and not who looks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Page, expect
from postroom_desk.adapters.pictures import HttpPictures
from postroom_desk.domain.pictures import MAX_BYTES, MOST, NoPicture, Picture
from postroom_local.ports import LOOPBACK, free_port
from postroom_runtime.outbound import parse_networks
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.component.desk.doubles import DeskBench
from tests.component.desk.facts import CONVERSATION, customer_content, received
from tests.integration.desk.attacked import Attacked, attacked

pytestmark = pytest.mark.asyncio(loop_scope="module")
GIF = b"GIF89a\x08\x00\x08\x00\x80\x00\x00\xff\x00\x00\x00\x00\xff,\x00\x00\x00\x00\x08\x00\x08\x00\x00\x02\x07\x84\x8f\xa9\xcb\xed]\x00;"  # noqa: E501
SPY = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"  # noqa: E501


@dataclass
class Stranger:
    """A server of pictures that remembers who asked."""

    url: str = ""
    asked: list[Request] = field(default_factory=list)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        name = request.path_params["name"]
        if name == "slow":
            await self.hanging.wait()
        if name.startswith("moved"):
            to = {
                "moved": f"{self.url}/logo.gif",
                "moved-inside": "http://169.254.169.254/latest",
                "moved-round": "/moved-round",
            }
            return RedirectResponse(to.get(name, "file:///etc/passwd"))
        bodies = {
            "logo.gif": GIF, "spy.gif": SPY, "drawn.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
            "page": b"<script>x()</script>", "large": GIF + bytes(MAX_BYTES),
        }  # fmt: skip
        if name not in bodies:
            return Response(status_code=404)
        return Response(bodies[name], media_type="image/gif", headers={"Set-Cookie": "spy=1"})


@asynccontextmanager
async def serving() -> AsyncIterator[Stranger]:
    stranger, port = Stranger(), free_port()
    stranger.url = f"http://{LOOPBACK}:{port}"
    app = Starlette(routes=[Route("/{name}", stranger.answer)])
    server = uvicorn.Server(uvicorn.Config(app, LOOPBACK, port, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield stranger
    stranger.hanging.set()
    server.should_exit = server.force_exit = True
    await running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger() -> AsyncIterator[Stranger]:
    async with serving() as found:
        yield found


async def test_what_is_no_picture_or_lies_inside_is_not_shown(stranger: Stranger) -> None:
    pictures = HttpPictures(parse_networks("127.0.0.1/32"), seconds=30)
    names = (
        "logo.gif",
        "moved",
        "drawn.svg",
        "page",
        "large",
        "nothing",
        "moved-round",
        "moved-inside",
        "moved-file",
    )
    found = await pictures.fetch(f"{stranger.url}/{name}" for name in names)
    assert {address.rpartition("/")[2]: what for address, what in found.items()} == {
        "logo.gif": Picture("image/gif", GIF),
        "moved": Picture("image/gif", GIF),
        "drawn.svg": NoPicture("kind"),
        "page": NoPicture("kind"),
        "large": NoPicture("size"),
        "nothing": NoPicture("status"),
        "moved-round": NoPicture("status"),
        "moved-inside": NoPicture("address"),
        "moved-file": NoPicture("address"),
    }
    asked = len(stranger.asked)
    assert await pictures.fetch([f"{stranger.url}/logo.gif"]) == {f"{stranger.url}/logo.gif": Picture("image/gif", GIF)}
    assert len(stranger.asked) == asked, "it was kept"
    many = await pictures.fetch(f"{stranger.url}/nothing?{n}" for n in range(MOST + 5))
    assert list(many.values()).count(NoPicture("count")) == 5
    await pictures.close()
    hurried = HttpPictures(parse_networks("127.0.0.1/32"), seconds=0.5)
    assert await hurried.fetch([f"{stranger.url}/slow"]) == {f"{stranger.url}/slow": NoPicture("timeout")}
    await hurried.close()


@pytest.mark.parametrize(
    "host", [LOOPBACK, "localhost", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0", "2130706433"]
)
async def test_without_leave_no_address_inside_is_asked(stranger: Stranger, host: str) -> None:
    pictures, asked = HttpPictures(), len(stranger.asked)
    address = f"{stranger.url.replace(LOOPBACK, host)}/logo.gif"
    assert await pictures.fetch([address]) == {address: NoPicture("address")}
    assert len(stranger.asked) == asked
    await pictures.close()


@asynccontextmanager
async def opened(stranger: Stranger, pictures: HttpPictures) -> AsyncIterator[tuple[Attacked, Page]]:
    desk = DeskBench(pictures=pictures)
    html = f'<p>Look</p><img src="{stranger.url}/logo.gif" alt="logo"><img src="{stranger.url}/spy.gif">'
    await desk.content.put([customer_content(html=html)])
    await desk.happens(received(), CONVERSATION)
    async with attacked(desk) as house, house.page("ana") as (page, seen):
        await page.goto(f"{house.url}/conversations/{CONVERSATION}")
        await page.locator("details.html summary").click()
        await expect(page.frame_locator("details.html iframe").locator("p")).to_have_text("Look")
        yield house, page
        assert (seen.ran, seen.asked, seen.stopped) == (set(), [], []), "the browser asked somebody else"
    await pictures.close()


async def test_nobody_is_asked_before_consent_and_then_nothing_is_said_of_who_looks(stranger: Stranger) -> None:
    stranger.asked.clear()
    async with opened(stranger, HttpPictures(parse_networks("127.0.0.1/32"))) as (house, page):
        logo = page.frame_locator("details.html iframe").locator("img").first
        assert await logo.evaluate("i => i.naturalWidth") == 0
        assert stranger.asked == []
        await page.get_by_role("button", name="Show pictures").click()
        await expect(page.frame_locator("details.html iframe").locator("img[src^='data:image/gif']")).to_have_count(1)
        await expect(logo).to_have_js_property("naturalWidth", 8)
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
        await house.desk.content.put([customer_content("m2")])
        await house.desk.happens(received("m2", "10:00"), CONVERSATION)
        await expect(page.locator("#m-m2")).to_be_visible()
        await expect(page.locator("[data-pictures]")).to_have_count(0)
        await expect(logo).to_have_js_property("naturalWidth", 8)
        assert sorted(r.url.path for r in stranger.asked) == ["/logo.gif", "/spy.gif"]
        for request in stranger.asked:
            assert not {"cookie", "referer", "origin", "authorization", "x-forwarded-for"} & set(request.headers)
            assert request.headers["user-agent"] == "Mozilla/5.0 (compatible; mail pictures)"

        await page.reload()
        await page.locator("details.html summary").click()
        await page.get_by_role("button", name="Always from carla@example.test").click()
        await expect(page.frame_locator("details.html iframe").locator("img[src^='data:image/gif']")).to_have_count(1)
        assert house.desk.picture_senders.kept == {"ana": ["carla@example.test"]}
        await page.reload()
        await page.locator("details.html summary").click()
        await expect(page.frame_locator("details.html iframe").locator("img[src^='data:image/gif']")).to_have_count(1)
        await page.get_by_role("button", name="Ask again").click()
        await expect(page.frame_locator("details.html iframe").locator("img[src^='data:']")).to_have_count(0)
        assert house.desk.picture_senders.kept == {"ana": []}


async def test_a_picture_inside_the_house_is_refused_and_says_so(stranger: Stranger) -> None:
    stranger.asked.clear()
    async with opened(stranger, HttpPictures()) as (_, page):
        await page.get_by_role("button", name="Show pictures").click()
        first = page.frame_locator("details.html iframe").locator("img[src^='data:image/svg']").first
        await expect(first).to_be_visible()
        await expect(first).to_have_js_property("naturalWidth", 300)
        assert "not%20a%20public%20address" in (await first.get_attribute("src") or "")
        assert stranger.asked == []
