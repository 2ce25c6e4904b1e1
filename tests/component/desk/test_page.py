"""The page over doubles: what is shown, what is escaped, who is let in."""

import httpx
import pytest

from tests.component.desk.doubles import DeskBench, FixedPeer, settings
from tests.component.desk.facts import CONVERSATION, assigned, customer_content, received, replied


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench()
    await bench.content.put([customer_content()])
    await bench.content.put_blob("raw-1", b"From: carla@example.test\r\n\r\n<script>alert(1)</script>")
    await bench.happens(received(), CONVERSATION)
    await bench.happens(assigned(), CONVERSATION, source="/postroom/assigner")
    return bench


PAGES = [
    "/",
    "/folders",
    "/overview",
    "/conversations",
    "/conversations?status=open&unassigned=true&sort=newest",
    f"/conversations/{CONVERSATION}",
]


@pytest.mark.parametrize("path", [*PAGES, f"/conversations/{CONVERSATION}/messages/m1/original"])
async def test_every_page_renders_and_escapes_what_strangers_wrote(desk: DeskBench, path: str) -> None:
    async with desk.client() as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<b>squeal</b>" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert " style=" not in answer.text
    assert "<script>" not in answer.text


async def test_a_conversation_shows_owner_reasons_and_events(desk: DeskBench) -> None:
    async with desk.client() as client:
        text = (await client.get(f"/conversations/{CONVERSATION}")).text
    assert "Ana Ruiz" in text
    assert "full" in text
    assert "conversation-assigned.v1" in text
    assert 'data-etag="1.1"' in text


async def test_an_open_desk_answers_under_loopback_names_only() -> None:
    desk = DeskBench(settings(desk_open=True))
    async with desk.client(None) as client:
        assert (await client.get("/overview")).status_code == 200
        rebound = await client.get("/overview", headers={"Host": "evil.test"})
        assert rebound.status_code == 403


def test_an_open_desk_is_refused_off_loopback() -> None:
    with pytest.raises(ValueError, match="must be a loopback address"):
        settings(desk_open=True, http_host="0.0.0.0")


async def test_the_demo_controls_are_there_only_in_a_demo(desk: DeskBench) -> None:
    async with desk.client() as client:
        assert "Kill the router" not in (await client.get("/overview")).text
        assert (await client.post("/demo/kill/router")).status_code == 404
    peer = FixedPeer((200, {"sent": 3, "in_conversations": 3}))
    demo = DeskBench(settings(desk_open=True), demo=peer)
    async with demo.client(None) as client:
        assert "Kill the router" in (await client.get("/overview")).text
        assert (await client.get("/demo/status")).json() == {"sent": 3, "in_conversations": 3}
        await client.post("/demo/kill/router")
        await client.post("/demo/send", json={"text": "Hello", "sender": "me@example.test"})
    assert [(m, p) for m, p, _ in peer.asked] == [("GET", "/status"), ("POST", "/kill/router"), ("POST", "/send")]


async def test_a_list_has_a_next_page_that_goes_on_where_it_ended(desk: DeskBench) -> None:
    for n in range(60):
        await desk.happens(received(f"x{n}", opened=True), f"conversation-{n:02}")
    async with desk.client() as client:
        first = (await client.get("/conversations")).text
        assert first.count("data-row") == 50
        href = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        assert (await client.get(httpx.URL(href))).text.count("data-row") == 11


async def test_figures_are_shown_when_analytics_answers(desk: DeskBench) -> None:
    desk.figures.answer = (200, {"first_response": {"wall": {"count": 7, "p50": 4380, "mean": 5000}}})
    await desk.happens(replied(), CONVERSATION)
    async with desk.client() as client:
        text = (await client.get("/overview")).text
    assert "1 h 13 min" in text
    assert "median of 7" in text
    desk.figures.answer = None
    async with desk.client() as client:
        assert "Analytics does not answer" in (await client.get("/overview")).text
