"""A thread of 700 messages: the newest are shown, all others reached, and no answer holds them all."""

import re
from datetime import timedelta
from html import unescape

import pytest
from postroom_contracts import facts as f
from postroom_contracts.ids import content_id
from postroom_desk.domain.search.entries import entry

from tests.component.desk.doubles import NOW, DeskBench
from tests.component.desk.facts import ANA, CONVERSATION, customer_content, received

COUNT = 700
BEGUN = NOW - timedelta(days=30)
API = f"/api/v1/conversations/{CONVERSATION}"


@pytest.fixture
async def desk() -> DeskBench:
    desk = DeskBench()
    await long_thread(desk)
    return desk


async def long_thread(desk: DeskBench, conversation: str = CONVERSATION, prefix: str = "m") -> None:
    """A customer writes `message 0` to `message 699`, a minute apart; behind every seventh somebody sets a tag."""
    for n in range(COUNT):
        desk.clock.set(BEGUN + timedelta(minutes=n))
        text = f"message {n}"
        await desk.content.put([customer_content(f"{prefix}{n}", text=text, reply_text=text)])
        await desk.happens(received(f"{prefix}{n}", received_at=desk.clock.now(), opened=n == 0), conversation)
        if n % 7 == 0:
            tagged = f.ConversationTagged(actor=ANA, tags=[f"t{n}"], added=[f"t{n}"], removed=[])
            await desk.happens(tagged, conversation, cause=f"{conversation}-{n}")
    desk.clock.set(NOW)


def shown(page: str) -> list[int]:
    return [int(n) for n in re.findall(r'<div class="text" dir="auto">message (\d+)</div>', page)]


def tags_set(page: str) -> list[str]:
    """Return the tags of the lines between the messages."""
    lines = re.findall(r'<li class="event[^>]*>(.*?)</li>', page, re.DOTALL)
    return [tag for line in lines for tag in re.findall(r"\+(t\d+)", unescape(line))]


def link(page: str, name: str) -> str:
    """Return where the button for more leads, as a browser without scripts would follow it."""
    found = re.search(rf'id="{name}"><a class="button" href="([^"]*)"', page)
    return unescape(found[1]) if found else ""


async def test_the_api_answers_with_the_newest_and_a_cursor_leads_to_every_other(desk: DeskBench) -> None:
    async with desk.client() as client:
        first = (await client.get(API)).json()
        assert [m["text"] for m in first["messages"]] == [f"message {n}" for n in range(600, 700)]
        assert (first["message_count"], first["subject"]) == (700, "Brakes <b>squeal</b>")
        read, cursor = [m["text"] for m in first["messages"]], first["earlier_cursor"]
        while cursor:
            page = (await client.get(f"{API}/messages", params={"cursor": cursor, "limit": 250})).json()
            read, cursor = [m["text"] for m in page["items"]] + read, page["next_cursor"]
        assert read == [f"message {n}" for n in range(COUNT)]
        assert (await client.get(f"{API}?messages=2")).json()["earlier_cursor"] == "m698"
        bad = await client.get(f"{API}/messages?cursor=of-another")
        assert (bad.status_code, bad.json()["detail"]) == (
            400,
            "the cursor is not one that an answer for this conversation held",
        )
        assert (await client.get(f"{API}/messages/m3")).json()["text"] == "message 3"


async def test_the_page_shows_the_newest_and_leads_to_the_first_without_scripts(desk: DeskBench) -> None:
    async with desk.client() as client:
        page = (await client.get(f"/conversations/{CONVERSATION}")).text
        assert shown(page) == list(range(650, 700))
        assert "Show earlier messages (650)" in page
        assert tags_set(page) == ["t651", "t658", "t665", "t672", "t679", "t686", "t693"]
        seen = set(shown(page))
        while following := link(page, "earlier"):
            page = (await client.get(following)).text
            assert len(shown(page)) <= 500
            seen |= set(shown(page))
        assert seen == set(range(COUNT))
        assert shown(page) == list(range(500))
        assert shown((await client.get(link(page, "later"))).text) == list(range(100, 600))


async def test_a_message_that_was_found_is_shown_however_old_it_is(desk: DeskBench) -> None:
    view = desk.conversations.views[CONVERSATION]
    text = await desk.content.get([view.messages[10].content_id])
    found = entry(CONVERSATION, view, view.messages[10], text[content_id("m10")], {})
    assert found is not None
    await desk.search.put([found], [])
    async with desk.client() as client:
        hit = re.search(r'href="(/conversations/[^"]*#m-m10)"', (await client.get("/search?q=message")).text)
        assert hit is not None
        page = (await client.get(unescape(hit[1]).partition("#")[0])).text
    assert 'id="m-m10"' in page
    assert shown(page) == list(range(5, 55))
    assert "Show later messages (645)" in page
    assert tags_set(page) == ["t7", "t14", "t21", "t28", "t35", "t42", "t49"]


async def test_a_page_keeps_its_first_message_while_others_come(desk: DeskBench) -> None:
    async with desk.client() as client:
        page = (await client.get(f"/conversations/{CONVERSATION}")).text
        own = re.search(r'id="conversation"[^>]*data-src="([^"]*)"', page)
        assert own is not None
        await desk.content.put([customer_content("new", text="message 700", reply_text="message 700")])
        await desk.happens(received("new", received_at=NOW, opened=False), CONVERSATION)
        assert shown((await client.get(unescape(own[1]))).text) == list(range(650, 701))
        assert shown((await client.get(f"/conversations/{CONVERSATION}")).text) == list(range(651, 701))
