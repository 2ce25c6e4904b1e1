"""Quick hands and slow answers, in Chromium: keys right behind keys, texts typed before the desk answers, fields that vanish.

Answers are held back until a test lets them go, so that nothing here depends on how quick a machine is.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect
from postroom_contracts.commands import (
    AssignConversation,
    ReopenConversation,
    Request,
    ResolveConversation,
    SendReply,
    SetWaiting,
    SnoozeConversation,
)
from postroom_contracts.events import Data, Event
from postroom_contracts.facts import (
    ConversationAbsorbed,
    ConversationMerged,
    ConversationReopened,
    ConversationResolved,
    ConversationTagged,
    ConversationWaiting,
    RequestRefused,
)
from postroom_contracts.values import Actor, Status

from tests.component.desk.doubles import DeskBench
from tests.component.desk.facts import customer_content, received
from tests.integration.desk.attacked import Attacked, attacked
from tests.integration.desk.test_saving import Held, draft_of, only, replies, stored

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]
BEN = Actor(kind="agent", id="ben")
PALETTE = "#palette-list [role=option]"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[Attacked]:
    async with attacked(DeskBench()) as found:
        for n in range(4):
            await found.desk.content.put([customer_content(f"m-c{n}", subject=f"Bike {n}")])
            await found.desk.happens(received(f"m-c{n}", f"15:0{n}", opened=True), f"c{n}")
        yield found


def done(house: Attacked) -> list[tuple[str, str | None]]:
    """Return what was asked for, and of which conversation."""
    return [(type(event.data).__name__, event.subject) for event in house.desk.commands.published]


async def asked_for(house: Attacked, number: int) -> None:
    async with asyncio.timeout(20):
        while len(house.desk.commands.published) < number:
            await asyncio.sleep(0.01)


async def opens(page: Page, house: Attacked, path: str) -> None:
    await page.goto(house.url + path)
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")


async def test_keys_behind_a_choice_are_meant_for_what_was_chosen(house: Attacked) -> None:
    """Who goes on to the next one and resolves it at once resolved the one before, which still stood there."""
    panes, began = Held(), len(house.desk.commands.published)
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations/c0?status=open&sort=oldest")
        await page.route("**/panes/conversation/*", only("GET", panes))
        await page.keyboard.press("j")
        await page.keyboard.press("e")
        await panes.until(1)
        assert len(house.desk.commands.published) == began
        panes.let_go()
        await asked_for(house, began + 1)
        assert done(house)[began:] == [(ResolveConversation.__name__, "c1")]
        await expect(page.locator("#conversation")).to_have_attribute("data-id", "c1")

        await page.keyboard.type("jrDear Carla, bje")
        await panes.until(2)
        panes.let_go()
        await expect(page.locator("#conversation")).to_have_attribute("data-id", "c2")
        await expect(page.locator("#text")).to_have_text("Dear Carla, bje")
        await expect(page.locator("#text")).to_be_focused()

        await page.keyboard.press("Escape")
        await page.keyboard.type("wjane@example.test")
        await panes.until(3)
        panes.let_go()
        await expect(page.get_by_label("To", exact=True)).to_have_value("jane@example.test")

        await page.route("**/panes/conversation/c3?*", lambda route: route.abort())
        await page.keyboard.press("Escape")
        await page.locator("#rows .row > a", has_text="Bike 3").click()
        await page.keyboard.press("e")  # of what never came: of nothing
        await expect(page.locator("#rows .row > a", has_text="Bike 3")).to_be_focused()
        await house.desk.content.put([customer_content("m-more", text="There is more", reply_text="There is more")])
        await house.desk.happens(received("m-more", "15:30", opened=False), "c0")
        await expect(page.locator("#rows .row", has_text="There is more")).to_be_visible()  # the page was drawn anew
        assert len(house.desk.commands.published) == began + 1


async def test_who_types_on_when_their_field_is_taken_gives_no_commands(house: Attacked) -> None:
    """The `e` of a word resolved the conversation whose draft a colleague took over meanwhile."""
    began = len(house.desk.commands.published)
    async with house.page("ana") as (page, _), await house.desk.browser("ben", house.url) as ben:
        await opens(page, house, "/conversations/c0")
        await page.keyboard.press("r")
        await page.keyboard.type("Dear")
        await expect(page.locator("#draft-state")).to_have_text("Saved")
        await ben.post(f"{draft_of('c0')}/lease", json={"take_over": True})
        await page.clock.install()
        await page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))  # no time passes between the words
        await page.keyboard.type(" C")
        await page.clock.run_for(800)
        await expect(page.locator("#text")).to_have_attribute("contenteditable", "false")
        await page.keyboard.type("arla, see our new prices and come in")
        await page.clock.resume()
        await expect(page.locator("#text")).to_have_text("Dear C")
        await expect(page.locator("details.menu[open]")).to_have_count(0)
        await page.keyboard.press("Escape")  # who stops to type gives commands again
        await page.keyboard.press("s")
        await expect(page.locator("#menu-snooze")).to_have_attribute("open", "")
        await ben.post(f"{draft_of('c0')}/lease", json={"release": True})
    assert len(house.desk.commands.published) == began


async def test_the_next_one_takes_the_place_of_one_that_left_the_list(house: Attacked) -> None:
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations?status=open&sort=oldest")
        rows = page.locator("#rows .row > a")
        await page.keyboard.type("jj")
        gone = await rows.nth(1).get_attribute("href")
        await expect(rows.nth(1)).to_be_focused()
        third = await rows.nth(2).get_attribute("href")
        await page.evaluate(
            "document.querySelectorAll('#rows .row')[1].remove()"
        )  # resolved, by this person or another
        await page.keyboard.press("j")
        assert gone != third
        assert await page.evaluate("document.activeElement.getAttribute('href')") == third


async def test_enter_in_the_palette_means_what_was_typed(house: Attacked) -> None:
    """It did the first of all actions, whatever had been typed in the moment before."""
    held, began = Held(), len(house.desk.commands.published)
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations/c3")
        await page.route("**/api/v1/saved-replies?*", only("GET", held))
        await page.keyboard.press("Control+k")
        await expect(page.locator(PALETTE).first).to_be_visible()
        await page.keyboard.type("snooze tomorrow")
        await page.keyboard.press("Enter")
        await held.until(1)
        assert len(house.desk.commands.published) == began
        held.let_go(10)
        await asked_for(house, began + 1)
    assert done(house)[began:] == [(SnoozeConversation.__name__, "c3")]


async def test_a_saved_reply_that_comes_late_stands_where_it_was_asked_for(house: Attacked) -> None:
    held = Held()
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations/c3")
        await page.route("**/api/v1/saved-replies?*", only("GET", held))
        await page.route("**/saved-replies/saturday/render", only("POST", held))
        await page.keyboard.press("r")
        await page.keyboard.type("/sat")
        await page.keyboard.press("Enter")  # before anything is offered
        await page.keyboard.type(" Bye")
        held.let_go(20)
        await expect(page.locator("#text")).to_have_text(re.compile(r"^Come on Saturday, Ana is here\.\s*Bye$"))
        await page.keyboard.type(" bye")
        await expect(page.locator("#text")).to_have_text(re.compile(r"Bye bye$"))
        await page.keyboard.press("Control+a")
        await page.keyboard.press("Delete")
        await page.keyboard.type("/nothing")
        await page.keyboard.press("Enter")
        await page.keyboard.type("else")
        await expect(page.locator("#text")).to_have_text(re.compile(r"^/nothing\s*else$"))


async def test_a_draft_that_comes_late_is_gone_on_with_and_never_sent_unread(house: Attacked) -> None:
    """What a colleague had begun went out to the customer with what was typed and sent before it had come."""
    gets, began = Held(), len(house.desk.commands.published)
    async with await house.desk.browser("ben", house.url) as ben:
        for conversation, text in (("c2", "Our secret:"), ("c3", "Dear Carla,")):
            draft = draft_of(conversation)  # what was typed into it before may have been saved, or not
            await ben.post(f"{draft}/lease", json={"take_over": True})
            assert (await ben.put(draft, json={"text": text})).status_code == 200
            await ben.post(f"{draft}/lease", json={"release": True})
    async with house.page("ana") as (page, _):
        await page.route(replies("c2"), only("GET", gets))
        await page.goto(f"{house.url}/conversations/c2")
        await gets.until(1)
        await page.keyboard.press("r")
        await page.keyboard.type("Done.")
        await page.keyboard.press("Control+Enter")
        gets.let_go(10)
        await expect(page.locator(".toast-bad")).to_contain_text("Nothing was sent")
        await expect(page.locator("#text")).to_have_text(re.compile(r"^Our secret:\s*Done\.$"))
        assert len(house.desk.commands.published) == began

        late = Held()
        await page.route(replies("c3"), only("GET", late))
        await page.goto(f"{house.url}/conversations/c3")
        await late.until(1)
        await page.keyboard.press("r")
        late.let_go(10)
        await expect(page.locator("#text")).to_have_text("Dear Carla,")
        await page.keyboard.type(" come in")
        await expect(page.locator("#text")).to_have_text("Dear Carla, come in")


async def test_what_is_sent_right_behind_taking_it_over_goes_out(house: Attacked) -> None:
    """While the desk had not answered yet it was not theirs to send: nothing went out, and nothing was said."""
    leases: Any = Held()
    await house.desk.content.put([customer_content("m-taken", subject="Bike")])
    await house.desk.happens(received("m-taken", "15:05", opened=True), "taken")
    async with await house.desk.browser("ben", house.url) as ben, house.page("ana") as (page, _):
        draft = draft_of("taken")
        assert (await ben.put(draft, json={"text": "Come on Saturday."})).status_code == 200
        await opens(page, house, "/conversations/taken")
        await expect(page.locator("#locked-by")).to_have_text("Ben Okafor is writing")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator(".toast-bad")).to_contain_text("Ben Okafor is writing")

        began = len(house.desk.commands.published)
        await page.route("**/draft/lease*", only("POST", leases))
        await page.get_by_role("button", name="Take over").click()
        await leases.until(1)
        await page.get_by_role("button", name="Send", exact=True).click()
        leases.let_go()
        await asked_for(house, began + 1)
        assert done(house)[began:] == [("SendReply", "taken")]
        await expect(page.locator("#text")).to_have_text("")


async def test_nothing_is_typed_into_what_is_being_sent(house: Attacked) -> None:
    """It was gone with the text before it as soon as that had been taken."""
    sends: Any = Held()
    await house.desk.content.put([customer_content("m-b", subject="Bell")])
    await house.desk.happens(received("m-b", "15:08", opened=True), "b")
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations/b")
        await page.keyboard.press("r")
        await page.keyboard.type("Come in.")
        await page.route("**/draft/send", only("POST", sends))
        await page.keyboard.press("Control+Enter")
        await sends.until(1)
        await page.keyboard.type(" And then")
        await expect(page.locator("#text")).to_have_text("Come in.")
        await page.keyboard.press("Escape")
        await page.keyboard.press("n")
        await page.keyboard.type("Was here before")  # a note lost the letters that were typed meanwhile
        await expect(page.locator("#text")).to_have_text("Was here before")
        await page.keyboard.press("Escape")
        await page.keyboard.press("r")
        await page.keyboard.type(" And then")
        await expect(page.locator("#text")).to_have_text("Come in.")
        sends.let_go()
        await expect(page.locator("#text")).to_have_text("")
        await page.keyboard.type("More")
        await expect(page.locator("#text")).to_have_text("More")
        await expect(page.locator("#draft-state")).to_have_text("Not saved yet")  # that one is on its way still


async def test_what_is_typed_into_a_first_message_before_it_has_come_is_kept(house: Attacked) -> None:
    """The draft of the desk took its place, and the next save stored that."""
    offer = {"inbox_id": "support", "subject": "Offer", "to": [{"address": "dora@example.test"}], "text": "Dear Dora,"}
    gets = Held()
    async with await house.desk.browser("ana", house.url) as client:
        assert (await client.put("/api/v1/drafts/offer-to-dora", json=offer)).status_code == 200
        async with house.page("ana") as (page, _):
            await page.route("**/api/v1/drafts/offer-to-dora?*", only("GET", gets))
            await page.goto(f"{house.url}/conversations/new-offer-to-dora")
            await gets.until(1)
            await page.keyboard.type("eva@example.test")
            await page.locator("#new-text").click()
            await page.keyboard.type("it is ready")
            gets.let_go(10)
            await expect(page.locator("#new-text")).to_have_text(re.compile(r"^Dear Dora,\s*it is ready$"))
            await expect(page.get_by_label("To", exact=True)).to_have_value("dora@example.test, eva@example.test")
            await page.keyboard.type(".")
            await page.get_by_label("Bcc", exact=True).fill("boss@velo.test")
            await page.locator("#new-text").press("Control+End")
            await page.keyboard.press("Enter")
            await page.keyboard.type("/sat")
            await expect(page.locator("#new-offers [data-offered]")).to_have_text("Saturday")
            await page.keyboard.press("Enter")
            await expect(page.locator("#new-text")).to_contain_text("Come on Saturday, Ana is here.")
            await expect(page.locator("#new-state")).to_have_text("Saved")
        said = (await client.get("/api/v1/drafts/offer-to-dora")).json()
    assert said["text"].split()[:6] == ["Dear", "Dora,", "it", "is", "ready.", "Come"]
    assert [p["address"] for p in said["bcc"]] == ["boss@velo.test"]
    assert [p["address"] for p in said["to"]] == ["dora@example.test", "eva@example.test"]
    assert await stored(house, "c1") == ""


async def test_what_is_written_goes_along_when_its_conversation_is_merged(house: Attacked) -> None:
    """The composer went with the merged conversation, and its text could be reached from nowhere."""
    await house.desk.content.put([customer_content("m-c9", subject="Bike 9")])
    await house.desk.happens(received("m-c9", "15:09", opened=True), "c9")
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations/c9")
        await page.keyboard.press("r")
        await page.keyboard.type("Dear Carla")
        await expect(page.locator("#draft-state")).to_have_text("Saved")
        await page.keyboard.type(", come")
        await merge(house, "c9", "c1")
        await expect(page.locator("#conversation")).to_have_attribute("data-id", "c1")
        await expect(page.locator("#text")).to_have_text("Dear Carla, come")
        await expect(page.locator("#text")).to_be_focused()
        await page.keyboard.type(" in")
        await expect(page.locator("#draft-state")).to_have_text("Saved")
    assert await stored(house, "c1") == "Dear Carla, come in"


async def merge(house: Attacked, source: str, target: str) -> None:
    now = house.desk.clock.now()
    absorbed = ConversationAbsorbed(source_id=source, absorbed_at=now, actor=BEN, status=Status.OPEN)
    await house.desk.happens(absorbed, target)
    await house.desk.happens(ConversationMerged(target_id=target, merged_at=now, actor=BEN), source)


async def test_several_are_picked_at_once_and_one_undo_spares_what_somebody_went_on_with(house: Attacked) -> None:
    """The console took them back one by one, those of colleagues, too, and left what had waited as it was."""
    desk = house.desk
    for n in range(5):
        await desk.content.put([customer_content(f"m-s{n}", subject=f"Saddle {n}")])
        await desk.happens(received(f"m-s{n}", f"16:0{n}", opened=True, tags=["saddle"]), f"s{n}")
    await desk.happens(ConversationWaiting(actor=BEN, previous=Status.OPEN, waiting_at=desk.clock.now()), "s1")
    desk.commands.router = decides(house)
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations?tag=saddle&status=open&status=waiting&sort=oldest")
        boxes = page.locator("#rows input[name=pick]")
        await boxes.nth(1).check()
        await boxes.nth(3).click(modifiers=["Shift"])
        await expect(page.locator(".bulk-count")).to_have_text("3 selected")
        await page.locator("#bulk").get_by_role("button", name="All").click()
        await expect(page.locator(".bulk-count")).to_have_text("5 selected")
        await boxes.nth(4).click()
        await expect(page.locator(".bulk-count")).to_have_text("4 selected")
        await page.keyboard.press("e")
        await expect(page.locator("#rows .row")).to_have_count(1)
        tagged = ConversationTagged(actor=BEN, tags=["saddle", "late"], added=["late"], removed=[])
        await desk.happens(tagged, "s2")
        await page.locator(".toast", has_text="4 conversations").get_by_role("button", name="Undo").click()
        await expect(page.locator(".toast-bad")).to_contain_text("1 could not be changed.")
    desk.commands.router = None
    statuses = {i: desk.conversations.views[i].status.value for i in ("s0", "s1", "s2", "s3")}
    assert statuses == {"s0": "open", "s1": "waiting", "s2": "resolved", "s3": "open"}


def decides(house: Attacked) -> Callable[[Event], Awaitable[None]]:
    """Return what resolves, reopens and waits as the router does, unless there is more than its actor saw."""

    async def router(command: Event) -> None:
        asked, where = command.data, command.subject
        assert isinstance(asked, Request)
        assert where is not None
        view = house.desk.conversations.views[where]
        fact: Data = RequestRefused(request_id=command.id, request_type=command.type, actor=asked.actor, reason="stale")
        if asked.expected_sequence is None or asked.expected_sequence >= view.router_sequence:
            done: Any = {
                ResolveConversation: partial(ConversationResolved, resolved_at=house.desk.clock.now()),
                ReopenConversation: partial(ConversationReopened, reopened_at=house.desk.clock.now()),
                SetWaiting: partial(ConversationWaiting, waiting_at=house.desk.clock.now()),
            }[type(asked)]
            fact = done(actor=asked.actor, previous=view.status)
        await house.desk.happens(fact, where, cause=command.id)

    return router


async def test_what_is_marked_as_unread_is_left_and_stays_so_until_it_is_opened_again(house: Attacked) -> None:
    row = ".row.unread a[href*='/c3?']"
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations/c3?status=open&sort=oldest")
        await expect(page.locator("#rows .row > a[aria-current]")).to_contain_text("Bike 3")
        await expect(page.locator(row)).to_have_count(0)
        await page.locator("#menu-more > summary").click()
        await page.get_by_role("button", name="Mark as unread").click()
        await expect(page.locator("#conversation[data-id]")).to_have_count(0)
        await expect(page.locator(row)).to_be_visible()
        await page.reload()
        await page.locator(row).click()
        await expect(page.locator("#subject")).to_have_text("Bike 3")
        await expect(page.locator(row)).to_have_count(0)
        await page.reload()
        await expect(page.locator("#rows .row > a[aria-current]")).to_contain_text("Bike 3")
        await expect(page.locator(row)).to_have_count(0)


async def test_what_is_opened_or_typed_holds_when_the_conversation_moves(house: Attacked) -> None:
    """A live update showed everybody again: Enter took it away from its owner instead of giving it to whom was typed."""
    began = len(house.desk.commands.published)
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations/c3")
        await page.keyboard.press("a")
        await page.keyboard.type("Ben")
        offered = page.locator("#menu-assign [data-assign]:visible")
        await expect(offered).to_have_count(1)
        await house.desk.happens(received("m-new", "15:40", opened=False), "c3")
        await expect(page.locator("#messages > .message")).to_have_count(2)
        await expect(offered).to_have_text(re.compile("Ben Okafor"))
        await page.keyboard.press("Enter")
        await asked_for(house, began + 1)
        await page.set_viewport_size({"width": 800, "height": 900})
        await page.locator("#facts-toggle").click()
        await expect(page.locator("#contact")).to_be_visible()
        await house.desk.happens(received("m-newer", "15:41", opened=False), "c3")
        await expect(page.locator("#messages > .message")).to_have_count(3)
        await expect(page.locator("#contact")).to_be_visible()
        await page.locator("#facts-toggle").click()
        await expect(page.locator("#contact")).to_be_hidden()
    command = house.desk.commands.published[-1].data
    assert isinstance(command, AssignConversation)
    assert command.agent_id == "ben"


async def test_what_was_read_while_one_wrote_holds_no_reply(house: Attacked) -> None:
    """The button that says so was heard by the page alone: the reply was held all the same."""
    began = len(house.desk.commands.published)
    await house.desk.content.put([customer_content("m-w", subject="Pump"), customer_content("m-w2")])
    await house.desk.happens(received("m-w", "17:00", opened=True), "w")
    async with house.page("ana") as (page, _):
        await opens(page, house, "/conversations/w")
        await page.keyboard.press("r")
        await page.keyboard.type("Come in.")
        await expect(page.locator("#draft-state")).to_have_text("Saved")
        await house.desk.happens(received("m-w2", "17:01", opened=False), "w")
        await page.get_by_role("button", name="I have read it").click()
        await expect(page.locator("#written")).to_be_hidden()
        await page.keyboard.press("Control+Enter")
        await asked_for(house, began + 1)
    command = house.desk.commands.published[-1].data
    assert isinstance(command, SendReply)
    assert command.expected_sequence == 2


async def test_what_was_read_stays_so_when_an_older_list_comes(house: Attacked) -> None:
    """A list that was on its way said that it was unread, and it stood there as such until something else happened."""
    lists, unread = Held(), ".row.unread a[href*='/c2?']"
    async with await house.desk.browser("ana", house.url) as ana, house.page("ana") as (page, _):
        assert (await ana.delete("/api/v1/conversations/c2/read")).status_code == 204
        await opens(page, house, "/conversations?status=open&sort=oldest")
        await expect(page.locator(unread)).to_be_visible()
        await page.route("**/panes/list*", only("GET", lists))
        await house.desk.content.put([customer_content("m-late", reply_text="Are you open on Saturday?")])
        await house.desk.happens(received("m-late", "15:30"), "c1")
        await lists.until(1)
        read = page.expect_request(
            lambda asked: asked.method == "PUT" and asked.url.partition("?")[0].endswith("/c2/read")
        )
        async with read:
            await page.locator(unread).click()
        lists.let_go(10)
        await expect(page.locator("#row-c1")).to_contain_text("Are you open on Saturday?")
        await expect(page.locator(unread)).to_have_count(0)
