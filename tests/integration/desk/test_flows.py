"""A day at the desk in a real browser: each flow that agents know, two of them at once, with cut connections and keys alone.

Real router, assigner, notifier and desk, on real Kafka and MongoDB; one house and one browser for all.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect
from postroom_contracts.configuration import Configuration
from postroom_local.smtp_sink import SmtpSink

from tests.deployment import Deployment
from tests.integration.desk.agents import Agents, chromium
from tests.integration.desk.cable import cable_to
from tests.integration.desk.office import START_SECONDS, TOKENS, Office, company, eventually
from tests.servers import _delete_topics, _drop_databases

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="module")]
BRING = """([kind, name, type, target]) => {
  const picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const carried = new DataTransfer();
  carried.items.add(new File([Uint8Array.from(atob(picture), (c) => c.charCodeAt(0))], name, { type }));
  const [make, holds] = kind === "drop" ? [DragEvent, "dataTransfer"] : [ClipboardEvent, "clipboardData"];
  const event = new make(kind, { bubbles: true, cancelable: true, [holds]: carried });
  document.querySelector(target).dispatchEvent(event);
  return event.defaultPrevented;
}"""
"""Has a file dropped or pasted, as the system would; returns whether the page took care of it."""
LIVE = ("data-state", "live")


def house(smtp_port: int) -> Configuration:
    """Return the office with inboxes that nobody gets by themselves: `sales` takes, `orders` offers; `press` wants approval."""
    plain = company().model_dump(mode="json")
    plain["accounts"][0]["smtp"]["port"] = smtp_port
    plain["inboxes"][0]["signature"] = "[agent.first_name] of [company]"
    plain["inboxes"][1] |= {"claim_on_reply": "claim", "teams": ["sales"]}
    base = {"account": "mail", "teams": ["sales"]}
    plain["inboxes"] += [
        {**base, "id": "orders", "name": "Orders", "address": "orders@velo.test"},
        {**base, "id": "press", "name": "Press", "address": "press@velo.test", "approval": {"agents": ["ben"]}},
    ]
    plain["teams"][1]["members"] = ["ana", "ben", "mira"]
    plain["notifications"]["preferences"] = {
        a: {"undo_seconds": 30} for a in ("ana", "ben", "mira")
    }  # on slow machines
    return Configuration.model_validate(plain)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(kafka_bootstrap: str, mongo_uri: str) -> AsyncIterator[Office]:
    name, sink = f"t{uuid.uuid4().hex[:10]}", SmtpSink()
    sink.start()
    async with Deployment(kafka_bootstrap, mongo_uri, f"{name}-", f"{name}_") as deployment:
        await deployment.configure(house(sink.port))
        office = Office(deployment)
        notifier = deployment.start("notifier")
        try:
            await office.open()
            await notifier.ready(START_SECONDS)
            yield office
        finally:
            await office.close()
            sink.stop()
    await _delete_topics(kafka_bootstrap, f"{name}-")
    await asyncio.to_thread(_drop_databases, mongo_uri, f"{name}_")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(browser: Browser, office: Office) -> Agents:
    return Agents(browser, office)


@pytest_asyncio.fixture(loop_scope="module")
async def agents(door: Agents) -> AsyncIterator[Agents]:
    yield door
    await door.leave()


async def arrived(office: Office, *subjects: str, inbox: str = "orders", **mail: Any) -> list[str]:
    """Have a customer write with each subject; return the ids of the conversations, each with its owner or its queue."""
    for subject in subjects:
        await office.customer_writes(**{"text": "Hello", "subject": subject, "inbox": inbox} | mail)
    decided = [await office.conversation(s, lambda row: row["owner_id"] or row["queued_at"]) for s in subjects]
    return [row["id"] for row in decided]


def text(page: Page) -> Locator:
    return page.locator("#text")


async def types(page: Page, key: str, words: str) -> None:
    """Begin to write by a key, and wait until it is on the desk."""
    await page.keyboard.press(key)
    await page.keyboard.type(words)
    await expect(page.locator("#draft-state")).to_have_text("Saved")


async def undoes(page: Page, said: str) -> None:
    await page.locator(".toast", has_text=said).get_by_role("button", name="Undo").click()


# --- two at once --------------------------------------------------------------------------------------------------


async def test_a_reply_to_a_conversation_that_moved_on_is_held_with_what_came_since(
    agents: Agents, office: Office, subject: str
) -> None:
    first = await office.customer_writes("One brake squeals.", subject, inbox="orders")
    identifier = (await office.conversation(subject))["id"]
    path = f"/conversations/{identifier}"
    ana, ben = await agents.opens("ana", path), await agents.opens("ben", path)
    await types(ana, "r", "Oil it.")
    await expect(ben.locator("#locked-by")).to_have_text("Ana Ruiz is writing")
    await ben.keyboard.press("c")
    await types(ben, "n", "I know this bike.")
    await ben.keyboard.press("Control+Enter")
    await expect(ana.locator(".message-note .text")).to_have_text("I know this bike.")
    assert (await office.ask(identifier, "reply", {"agent": "ben", "text": "Bring it in."})).status_code == 200
    await office.customer_writes("Both squeal now!", subject, inbox="orders", answers=first)
    await expect(ana.locator("#written")).to_be_visible()

    await text(ana).press("Control+Enter")
    since = ana.locator("#since .since > li")
    await expect(since).to_have_text(
        [re.compile(x) for x in ("Ben Okafor took it", "I know this bike.", "Bring it in.", "Both squeal now!")]
    )
    await expect(ana.locator(".since-now")).to_have_text(re.compile(r"open\s+Ben Okafor"))
    await expect(text(ana)).to_have_text("Oil it.")
    assert len((await office.read(identifier))["messages"]) == 4

    await ana.get_by_role("button", name="Edit", exact=True).click()
    await expect(ana.locator("#held")).to_be_hidden()
    await ana.keyboard.press("Control+End")
    await ana.keyboard.type(" Both.")
    await office.customer_writes("Hello?", subject, inbox="orders", answers=first)
    await expect(ana.locator(".message")).to_have_count(5)
    await text(ana).press("Control+Enter")
    await expect(since).to_have_text([re.compile("Hello?")])

    await ana.reload()
    await expect(since).to_have_text([re.compile("Hello?")])
    await ana.get_by_role("button", name="Discard").first.click()
    await expect(text(ana)).to_have_text("")
    await undoes(ana, "Discarded.")
    await expect(text(ana)).to_have_text("Oil it. Both.")
    await text(ana).press("Control+Enter")
    await expect(ana.locator("#held")).to_be_visible()
    await expect(since).to_have_text([re.compile("Hello?")])
    await text(ana).press("Control+Enter")  # leads to the decision
    await ana.keyboard.press("Enter")
    await expect(ana.locator(".message-outgoing .text").last).to_have_text("Oil it. Both.")
    await expect(ana.locator("#held")).to_be_hidden()
    await expect(text(ana)).to_have_text("")


async def test_who_begins_to_answer_takes_it_or_is_asked_and_is_told_who_was_faster(
    agents: Agents, office: Office, subject: str
) -> None:
    [taken] = await arrived(office, f"{subject} taken", inbox="sales")
    offered, lost = await arrived(office, f"{subject} offered", f"{subject} lost")
    ana, ben = await agents.opens("ana", f"/conversations/{taken}"), await agents.opens("ben", "/")
    await ana.keyboard.press("r")
    await ana.keyboard.type("Dear")
    await expect(ana.locator("#owner strong")).to_have_text("Ana Ruiz")
    await undoes(ana, "it is yours now")
    await expect(ana.locator("#owner .nobody")).to_be_visible()

    await ana.goto(f"/conversations/{offered}")
    await ana.keyboard.press("r")
    await ana.keyboard.type("Dear")
    await expect(ana.locator("#offer")).to_be_visible()
    await ben.goto(f"/conversations/{offered}")
    await ben.keyboard.press("c")
    await expect(ana.locator("#offer")).to_be_hidden()

    await ana.goto(f"/conversations/{lost}")
    await ana.route("**/panes/conversation/**", lambda route: route.abort())  # what Ben does is not seen here
    await ana.keyboard.press("r")
    await ana.keyboard.type("Dear")
    await expect(ana.locator("#offer")).to_be_visible()
    assert (await office.ask(lost, "claim", {"agent": "ben"})).status_code == 200
    await ana.locator("#offer").get_by_role("button", name="Take it").click()
    await expect(ana.locator(".toast-bad")).to_have_text("Ben Okafor took it meanwhile")
    await expect(text(ana)).to_have_text("Dear")


async def test_a_draft_is_handed_over_and_one_that_needs_approval_waits_for_it(
    agents: Agents, office: Office, subject: str
) -> None:
    [identifier] = await arrived(office, subject, inbox="press")
    path = f"/conversations/{identifier}"
    ana = await agents.opens("ana", path)
    await types(ana, "r", "No comment.")
    await ana.locator("#menu-draft summary").click()
    await ana.locator("#hand-over").select_option(label="Mira Lindqvist")
    await expect(ana.locator(".toast", has_text="Mira Lindqvist goes on with it.")).to_be_visible()
    mira = await agents.opens("mira", path)
    await expect(mira.locator("#awaits")).to_have_text("Ana Ruiz gave this draft to you")
    await text(mira).press("Control+End")
    await mira.keyboard.type(" Yet.")
    await mira.keyboard.press("Control+Enter")
    await expect(mira.locator("#awaits")).to_have_text("Waits for approval")
    assert len((await office.read(identifier))["messages"]) == 1
    ben = await agents.opens("ben", path)
    await expect(ben.locator("#awaits")).to_have_text("Waits for approval")
    await text(ben).press("Control+Enter")
    await expect(ben.locator(".message-outgoing .text")).to_have_text("No comment. Yet.")
    [_, sent] = (await office.read(identifier))["messages"]
    assert (sent["actor"]["id"], sent["approved_by"]) == ("mira", "ben")


# --- answering ----------------------------------------------------------------------------------------------------


async def test_reply_and_note_have_a_text_each_that_survives_a_reload(
    agents: Agents, office: Office, subject: str
) -> None:
    [identifier] = await arrived(office, subject)
    ana = await agents.opens("ana", f"/conversations/{identifier}")
    await types(ana, "r", "Dear Carla")
    await ana.keyboard.press("Escape")
    await ana.keyboard.press("n")
    await expect(text(ana)).to_have_text("")
    await ana.keyboard.type("Ask @oka")
    await expect(ana.locator("#offers [data-offered]")).to_have_text("Ben Okafor @ben")
    await ana.keyboard.press("Enter")
    await ana.keyboard.type("first")
    await expect(text(ana)).to_have_text(re.compile(r"^Ask @ben\sfirst$"))
    await expect(ana.locator("#draft-state")).to_have_text("Saved")
    await ana.reload()
    await expect(text(ana)).to_have_text("Dear Carla")
    await ana.locator("[data-side=note]").click()
    await expect(text(ana)).to_have_text(re.compile("Ask @ben"))

    ben = await agents.opens("ben", "/conversations?status=open&inbox=orders&sort=newest")
    await expect(ben.locator("[data-folder=mentions] .count")).to_have_text("")
    await ana.get_by_role("button", name="Add note").click()
    await expect(ana.locator(".message-note .text")).to_have_text(re.compile("Ask @ben"))
    await expect(text(ana)).to_have_text("")
    await expect(ben.locator("[data-folder=mentions] .count")).to_have_text("1")
    await ben.locator("[data-folder=mentions]").click()
    await expect(ben.locator("#rows .row")).to_have_count(1)
    await ben.locator("#rows .row > a", has_text=subject).click()
    await expect(ben.locator("[data-folder=mentions] .count")).to_have_text("")
    await ana.locator("[data-side=reply]").click()
    await expect(text(ana)).to_have_text("Dear Carla")


async def test_reply_all_and_forward_go_to_those_whom_one_sees(agents: Agents, office: Office, subject: str) -> None:
    [identifier] = await arrived(office, subject, inbox="support", cc="partner@example.test")
    ana = await agents.opens("ana", f"/conversations/{identifier}")
    await ana.locator("label", has_text="Reply all").click()
    await expect(ana.locator("#recipients-shown")).to_contain_text("Cc partner@example.test")
    await expect(ana.locator("#signature")).to_contain_text("Ana of Velo")
    await text(ana).click()
    await ana.keyboard.type("To both")
    await ana.keyboard.press("Control+Enter")
    both = ana.locator(".message-outgoing", has_text="To both")
    await expect(both.locator(".to")).to_have_text(re.compile(r"^to carla-\S+ · copy to partner@example.test$"))
    await expect(text(ana)).to_have_text("")

    await ana.locator(".message-incoming").get_by_role("button", name="Forward").click()
    await ana.keyboard.type("maker@example.test")
    await text(ana).click()
    await ana.keyboard.type("Yours?")
    await ana.keyboard.press("Control+Enter")
    passed_on = ana.locator(".message-outgoing", has_text="Yours?")
    await expect(passed_on.locator(".to")).to_have_text("to maker@example.test")


async def test_files_come_by_drop_and_by_paste(agents: Agents, office: Office, subject: str) -> None:
    [identifier] = await arrived(office, subject)
    ana = await agents.opens("ana", f"/conversations/{identifier}")
    await ana.keyboard.press("r")
    await ana.keyboard.type("Look: ")
    assert await ana.evaluate(BRING, ["drop", "beside.pdf", "application/pdf", "#thread"]), "it must not leave the page"
    assert await ana.evaluate(BRING, ["drop", "offer.pdf", "application/pdf", ".composer-tools"])
    await expect(ana.locator("#files li")).to_contain_text(["offer.pdf"])
    await ana.evaluate(BRING, ["paste", "picture.png", "image/png", "#text"])
    await expect(ana.locator("#text img")).to_have_js_property("complete", value=True)
    await ana.evaluate(BRING, ["paste", "list.csv", "text/csv", "#text"])
    await expect(ana.locator("#files li")).to_contain_text(["offer.pdf", "list.csv"])
    await ana.get_by_role("button", name="Remove list.csv").click()
    await expect(ana.locator("#draft-state")).to_have_text("Saved")
    await ana.reload()
    await expect(ana.locator("#text img")).to_have_js_property("naturalWidth", 1)
    await text(ana).press("Control+Enter")
    await expect(ana.locator(".message-outgoing .attachments")).to_contain_text("offer.pdf")
    await expect(ana.locator(".message-outgoing .attachments")).not_to_contain_text("list.csv")


async def test_a_sent_reply_is_taken_back_and_a_scheduled_one_cancelled(
    agents: Agents, office: Office, subject: str
) -> None:
    [identifier] = await arrived(office, subject)
    ana = await agents.opens("ana", f"/conversations/{identifier}")
    await types(ana, "r", "Too early")
    await ana.keyboard.press("Control+Enter")
    delivery = ana.locator(".message-outgoing .delivery")
    await expect(delivery).to_contain_text("scheduled")
    await undoes(ana, "Sent")
    await expect(delivery).to_contain_text("taken back")
    await expect(text(ana)).to_have_text("Too early")

    await ana.locator("#menu-later > summary").click()
    await ana.locator("#send-at").fill("2040-01-01T09:00")
    await ana.get_by_role("button", name="Schedule").click()
    later = ana.locator(".message-outgoing", has_text="Too early").last
    await expect(later.locator(".delivery")).to_contain_text("scheduled")
    await expect(text(ana)).to_have_text("")
    await later.get_by_role("button", name="Take back").click()
    await expect(later.locator(".delivery")).to_contain_text("taken back")
    await expect(text(ana)).to_have_text("Too early")


async def test_scheduled_replies_are_cancelled_and_changed_where_they_are_listed(
    agents: Agents, office: Office, subject: str
) -> None:
    names = [f"{subject} one", f"{subject} two"]
    ids = await arrived(office, *names)
    for identifier, said in zip(ids, ("Come on Monday.", "Come on Tuesday."), strict=True):
        waits = await office.ask(identifier, "reply", {"text": said, "send_at": "2040-01-01T09:00:00Z"})
        assert waits.status_code == 200, waits.text
    ana = await agents.opens("ana", "/scheduled")
    first, second = (ana.locator("#scheduled li", has_text=name) for name in names)
    await expect(second).to_contain_text("Come on Tuesday.")
    await first.get_by_role("button", name="Take back", exact=True).click()
    await expect(ana.locator(".toast", has_text="It will not be sent.")).to_be_visible()
    await expect(first).to_have_count(0)
    await second.get_by_role("button", name="Take back and edit").click()
    await ana.wait_for_url(f"**/conversations/{ids[1]}")
    await expect(text(ana)).to_have_text("Come on Tuesday.")
    await text(ana).press("Control+End")
    await ana.keyboard.type(" At nine.")
    await ana.keyboard.press("Control+Enter")
    await expect(ana.locator(".message-outgoing .text").last).to_have_text("Come on Tuesday. At nine.")
    for identifier, deliveries in zip(ids, (["cancelled"], ["cancelled", "scheduled"]), strict=True):
        sent = [m for m in (await office.read(identifier))["messages"] if m["kind"] == "outgoing"]
        assert [m["delivery"] for m in sent] == deliveries
    await ana.goto("/scheduled")
    await expect(second).to_have_count(1)


async def test_a_first_message_is_begun_in_one_browser_and_sent_from_another(
    agents: Agents, office: Office, subject: str
) -> None:
    ana = await agents.opens("ana", "/conversations?status=open&inbox=support")
    there = await agents.opens("ana", "/drafts")
    count = there.locator("[data-folder=drafts] .count")
    before = len((await office.client.get("/api/v1/drafts", params={"agent": "ana"})).json()["items"])
    await ana.keyboard.press("w")
    await expect(ana.get_by_label("To", exact=True)).to_be_focused()
    await ana.keyboard.type("dora@example.test")
    await ana.get_by_label("Subject").fill(subject)
    await ana.locator("#new-text").click()
    await ana.keyboard.type("Your bike is ready.")
    await ana.reload()
    await expect(ana.locator("#new-text")).to_have_text("Your bike is ready.")
    await expect(ana.get_by_label("To", exact=True)).to_have_value("dora@example.test")

    await expect(count).to_have_text(str(before + 1))
    await there.reload()
    row = there.locator("#drafts li", has_text=subject)
    await expect(row).to_contain_text("to dora@example.test")
    await row.get_by_role("link", name="Go on").click()
    await expect(there.locator("#new-text")).to_have_text("Your bike is ready.")
    await there.locator("#new-text").press("Control+End")
    await there.keyboard.type(" Come on Monday.")
    await there.locator("#new-text").press("Control+Enter")
    await expect(there.locator("#subject")).to_have_text(subject)
    await expect(there.locator(".message-outgoing .text")).to_have_text("Your bike is ready. Come on Monday.")
    await expect(there.locator(".message-outgoing .to")).to_have_text("to dora@example.test")
    await undoes(there, "Sent")
    await expect(there.locator(".message-outgoing .delivery")).to_contain_text("taken back")
    await expect(text(there)).to_have_text("Your bike is ready. Come on Monday.")
    await there.go_back()
    await expect(there.locator("#new-text")).to_have_text("")
    await ana.reload()
    await expect(ana.get_by_label("To", exact=True)).to_be_visible()
    await expect(ana.locator("#new-text")).to_have_text("")
    await ana.goto("/drafts")
    await expect(ana.locator("#drafts li", has_text=subject).locator(".badge")).to_have_text(["Reply", "Support"])


# --- folders, conversations, actions, search, settings ------------------------------------------------------------


async def test_folders_count_what_comes_and_a_list_gets_a_name(agents: Agents, office: Office, subject: str) -> None:
    ana = await agents.opens("ana", "/")
    for section in ("tags", "people"):
        await ana.locator(f"#folders-{section} > summary").click()
    folders = {key: ana.locator(f'[data-folder="{key}"]') for key in ("inbox:orders", "unassigned", "unattended")}

    async def counts() -> list[int]:
        return [int(await f.locator(".count").inner_text() or 0) for f in folders.values()]

    await expect(folders["unassigned"].locator(".count")).not_to_have_text("")
    before = await counts()
    await arrived(office, f"{subject} brake")

    async def one_more() -> bool:
        return await counts() == [n + 1 for n in before]

    await eventually(one_more, "the count", 15)
    for key, title in (("inbox:orders", "Orders"), ("team:sales", "Sales"), ("tag:brakes", "Brakes")):
        await ana.locator(f'[data-folder="{key}"]').click()
        await expect(ana.locator("#list-title")).to_have_text(title)
        await expect(ana.locator("#rows .row", has_text=subject)).to_have_count(1)
    await ana.locator('[data-folder="person:mira"]').click()
    await expect(ana.locator("#rows .row", has_text=subject)).to_have_count(0)

    await ana.goto("/conversations?status=open&inbox=orders&tag=brakes")
    await ana.locator("#menu-filter summary").click()
    await ana.get_by_label("Save this list as").fill(subject)
    await ana.keyboard.press("Enter")
    saved = ana.locator("#folders-filters a", has_text=subject)
    await expect(saved).to_have_attribute("aria-current", "page")
    await expect(ana.locator("#live")).to_have_attribute(*LIVE)
    await ana.locator("#sort").select_option("oldest")
    await ana.wait_for_url("**sort=oldest**")
    await expect(ana.locator("#live")).to_have_attribute(*LIVE)
    await expect(ana.locator("#rows .row").last).to_contain_text(subject)
    await ana.locator("#menu-filter summary").click()
    await ana.get_by_role("button", name=f"Delete the filter {subject}").click()
    await expect(saved).to_have_count(0)


async def test_a_conversation_shows_all_that_belongs_to_it(agents: Agents, office: Office, subject: str) -> None:
    sender = (f"carla-{uuid.uuid4().hex[:8]}@example.test", "Carla Cruz")
    [before] = await arrived(office, f"{subject} before", inbox="orders", sender=sender)
    quoted = "\n> On Monday you wrote\n> many things"
    [identifier] = await arrived(
        office, subject, inbox="support", sender=sender, text="It squeals.", html="<b>It</b>", picture=True, quoted=quoted
    )  # fmt: skip
    ana = await agents.opens("ana", f"/conversations/{identifier}")
    message = ana.locator(".message-incoming")
    await expect(message.locator(".text").first).to_have_text("It squeals.")
    await expect(message.locator(".quoted .text")).to_be_hidden()
    await message.get_by_text("Quoted text and signature").click()
    await expect(message.locator(".quoted .text")).to_contain_text("On Monday you wrote")
    async with ana.expect_download() as download:
        await message.locator(".attachments a").click()
    assert "/" not in (await download.value).suggested_filename
    await expect(ana.locator("#owner .record tbody tr")).to_have_count(2)
    await expect(ana.locator(".event", has_text="owns it now")).to_be_visible()
    await ana.locator("#contact .history a", has_text="before").click()
    await expect(ana.locator("#subject")).to_have_text(f"{subject} before")
    assert before in ana.url
    await ana.go_back()
    await expect(ana.locator("#subject")).to_have_text(subject)
    await message.get_by_role("link", name="Original mail").click()
    await expect(ana.locator("pre.original")).to_contain_text(f"Subject: {subject}")


async def test_what_is_done_to_a_conversation_is_seen_and_taken_back(
    agents: Agents, office: Office, subject: str
) -> None:
    first = await office.customer_writes("One", subject, inbox="orders")
    await office.customer_writes("Two", subject, inbox="orders", answers=first)
    [target] = await arrived(office, f"{subject} target")
    identifier = (await office.conversation(subject, lambda row: row["received"] == 2))["id"]
    ana = await agents.opens("ana", f"/conversations/{identifier}")
    badge = ana.locator("#head .badge").first

    async def chooses(name: str) -> None:
        await ana.locator("#menu-more > summary").click()
        await ana.locator("#menu-more").get_by_role("button", name=name, exact=True).click()

    await ana.keyboard.press("t")
    await ana.keyboard.type("brakes")
    await ana.keyboard.press("Enter")
    await expect(ana.locator("#tags .tag")).to_contain_text(["Brakes"])
    await undoes(ana, "Tags changed.")
    await expect(ana.locator("#tags .tag", has_text="Brakes")).to_have_count(0)
    await chooses("Watch")
    await expect(ana.locator("#about")).to_contain_text("Ana Ruiz")
    for name, shown, said in (
        ("Wait for the customer", "waiting", "Waits for the customer."),
        ("Archive", "resolved · archived", "Archived."),
        ("Mark as spam", "spam", "Marked as spam."),
        ("Put into the bin", "in the bin", "In the bin."),
    ):
        await chooses(name)
        await expect(badge).to_have_text(shown)
        await undoes(ana, said)
        await expect(badge).to_have_text("open")

    await ana.locator("#menu-more > summary").click()
    await ana.locator("#menu-more select[name=inbox_id]").select_option("press")
    await ana.locator("#menu-more").get_by_role("button", name="Move").click()
    await expect(ana.locator("#about")).to_contain_text("Press")
    await ana.get_by_role("button", name="Split off from here").click()
    await expect(ana.get_by_role("link", name="goes on in another conversation")).to_be_visible()

    await ana.goto(f"/conversations/{target}")
    await chooses("Merge into another …")
    await ana.locator("#merge-search").fill(f'"{subject}"')
    await ana.locator("#targets button", has_text=subject).first.click()
    await expect(badge).to_have_text("merged")
    await ana.get_by_role("link", name="merged into another").click()
    await expect(ana.locator(".event", has_text="took in another conversation")).to_be_visible()


async def test_search_finds_by_words_and_filters_and_back_leads_to_what_was_found(
    agents: Agents, office: Office, subject: str
) -> None:
    word = f"zebra{uuid.uuid4().hex[:6]}"
    await arrived(office, f"{subject} brake", text=f"Since Tuesday the {word} squeals")
    await arrived(office, f"Saddle {word}", text="It is too high")
    ana = await agents.opens("ana", "/")

    async def found() -> bool:
        await ana.goto(f"/search?q={word}")
        return await ana.locator("#rows .row").count() == 2

    await eventually(found, "both in the index", 20)
    await ana.goto("/")
    await ana.keyboard.press("/")
    await ana.keyboard.type(f"{word} tag:brakes")
    await ana.keyboard.press("Enter")
    await expect(ana.locator("#rows .row")).to_have_count(1)
    await expect(ana.locator("#rows .row mark")).to_have_text(word)
    await expect(ana.locator("#live")).to_have_attribute(*LIVE)
    await ana.locator("#rows .row > a").click()
    await expect(ana.locator("#subject")).to_have_text(f"{subject} brake")
    await ana.go_back()
    await expect(ana.locator("#conversation[data-id]")).to_have_count(0)
    await expect(ana.locator("#rows .row mark")).to_have_text(word)


# --- what breaks --------------------------------------------------------------------------------------------------


async def test_back_forward_and_live_updates_keep_place_selection_and_focus(
    agents: Agents, office: Office, subject: str
) -> None:
    names = [f"{subject} {n:02d}" for n in range(14)]
    await arrived(office, *names)
    ana = await agents.opens(
        "ana", "/conversations?status=open&inbox=orders&sort=newest", viewport={"width": 1280, "height": 520}
    )
    rows = ana.locator("#rows .row > a")
    await rows.filter(has_text=names[2]).click()
    await expect(ana.locator("#subject")).to_have_text(names[2])
    place = await ana.evaluate("document.getElementById('list').scrollTop")
    assert place > 100
    await ana.locator("[data-folder=snoozed]").click()
    await expect(ana.locator("#list-title")).to_have_text("Snoozed")
    await expect(ana.locator("#conversation[data-id]")).to_have_count(0)
    await ana.go_back()
    await expect(ana.locator("#subject")).to_have_text(names[2])
    await expect(ana.locator("#list-title")).to_have_text("Orders")
    await expect(rows.filter(has_text=names[2])).to_have_attribute("aria-current", "true")

    async def there() -> bool:
        return bool(abs(float(await ana.evaluate("document.getElementById('list').scrollTop")) - place) < 5)

    await eventually(there, "the place in the list", 10)
    await ana.locator(".row", has_text=names[4]).locator("input[name=pick]").check()
    await text(ana).click()
    await ana.keyboard.type("I was wri")
    await arrived(office, f"{subject} new")
    await expect(ana.locator(".row", has_text=f"{subject} new")).to_be_attached()
    await ana.keyboard.type("ting")
    await expect(text(ana)).to_have_text("I was writing")
    await expect(ana.locator(".bulk-count")).to_have_text("1 selected")
    await ana.go_forward()
    await expect(ana.locator("#list-title")).to_have_text("Snoozed")


async def test_what_could_not_be_saved_survives_a_reload(agents: Agents, office: Office, subject: str) -> None:
    [identifier] = await arrived(office, subject)
    ana = await agents.opens("ana", f"/conversations/{identifier}")
    await types(ana, "r", "Dear ")
    await ana.evaluate(
        """() => {
          const fetched = fetch;
          fetch = (to, how) => how?.method === 'PUT' ? Promise.reject(new TypeError()) : fetched(to, how);
        }"""
    )
    await ana.keyboard.type("Carla")
    await expect(ana.locator("#draft-state")).to_have_text("Not saved yet")
    assert (await office.client.get(f"/api/v1/conversations/{identifier}/draft")).json()["text"] == "Dear"
    await ana.reload()
    await expect(text(ana)).to_have_text("Dear Carla")
    await text(ana).press("Control+End")
    await ana.keyboard.type(",")

    async def on_the_desk() -> bool:
        draft = await office.client.get(f"/api/v1/conversations/{identifier}/draft")
        return bool(draft.json()["text"] == "Dear Carla,")

    await eventually(on_the_desk, "the comma is on the desk")


AS_DRAWN_ANEW = """() => {
  document.activeElement.blur();
  for (const link of document.querySelectorAll("#rows [aria-current]")) link.removeAttribute("aria-current");
}"""
"""A live update draws the list anew when its conversation is left: nothing in it has the focus."""


async def test_by_keys_alone(agents: Agents, office: Office, subject: str) -> None:
    first, second = f"{subject} one", f"{subject} two"
    await arrived(office, first)
    await arrived(office, second)
    ana = await agents.opens("ana", "/conversations?status=open&inbox=orders&sort=newest")
    key = ana.keyboard.press
    await key("j")
    await expect(ana.locator(".row:focus-within")).to_contain_text(second)
    await key("Enter")
    await expect(ana.locator("#subject")).to_have_text(second)
    await key("c")
    await expect(ana.locator("#owner strong")).to_have_text("Ana Ruiz")
    await types(ana, "r", "Come in.")
    await key("Control+Enter")
    await expect(ana.locator(".message-outgoing .text")).to_have_text("Come in.")
    await expect(text(ana)).to_have_text("")
    await key("Escape")
    await types(ana, "n", "Was here before.")
    await key("Control+Enter")
    await expect(ana.locator(".message-note .text")).to_have_text("Was here before.")
    await expect(text(ana)).to_have_text("")
    await key("Escape")
    await key("t")
    await ana.keyboard.type("order")
    await key("Enter")
    await expect(ana.locator("#tags")).to_contain_text("Order")
    await key("a")
    await ana.keyboard.type("Ben")
    await key("Enter")
    await expect(ana.locator("#owner strong")).to_have_text("Ben Okafor")
    await key("s")
    await key("Enter")
    await expect(ana.locator("#head .badge").first).to_have_text("snoozed")
    await key("j")
    await expect(ana.locator("#subject")).to_have_text(first)
    await key("u")
    await expect(ana.locator("#conversation[data-id]")).to_have_count(0)
    await ana.evaluate(AS_DRAWN_ANEW)
    await key("x")
    await expect(ana.locator(".bulk-count")).to_have_text("1 selected")
    await key("e")
    await expect(ana.locator("#rows .row", has_text=first)).to_have_count(0)
    await key("?")
    await expect(ana.locator("#help")).to_be_visible()
    await key("Escape")
    await expect(ana.locator("#help")).to_be_hidden()
    await key("/")
    await expect(ana.locator("#search")).to_be_focused()


async def test_on_a_phone_in_the_dark(agents: Agents, office: Office, subject: str) -> None:
    [identifier] = await arrived(office, subject)
    ana = await agents.opens(
        "ana", "/folders", viewport={"width": 390, "height": 800}, color_scheme="dark", has_touch=True, is_mobile=True
    )
    await ana.locator('[data-folder="inbox:orders"]').tap()
    await expect(ana.locator("#list-title")).to_have_text("Orders")
    await expect(ana.locator("#live")).to_have_attribute(*LIVE)
    await ana.locator("#sort").select_option("newest")
    await ana.wait_for_url("**sort=newest**")
    await ana.locator("#rows .row > a", has_text=subject).tap()
    await expect(ana.locator("#subject")).to_have_text(subject)
    assert identifier in ana.url
    await text(ana).tap()
    await ana.keyboard.type("On my way.")
    assert await ana.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await ana.locator("#send").tap()
    await expect(ana.locator(".message-outgoing .text")).to_have_text("On my way.")
    assert await ana.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 17, 20)"
    await ana.locator("[data-back]").tap()
    await expect(ana.locator("#rows .row > a", has_text=subject)).to_be_visible()
    await ana.go_back()
    await expect(ana.locator("#subject")).to_have_text(subject)


async def test_a_killed_replica_takes_neither_text_nor_facts_with_it(
    agents: Agents, office: Office, subject: str
) -> None:
    first = await office.customer_writes("One", subject, inbox="orders")
    identifier = (await office.conversation(subject))["id"]
    other = office.deployment.start("desk", **TOKENS)
    await other.ready(START_SECONDS)
    async with cable_to(office.desk.url) as cable:
        ana = await agents.opens(
            "ana", f"/conversations/{identifier}?status=open&inbox=orders&sort=newest", url=cable.url
        )
        await types(ana, "r", "Before.")
        office.desk.kill()
        live = ana.locator("#live")
        await expect(live).to_have_attribute("data-state", "away")
        await ana.keyboard.type(" Meanwhile.")
        await expect(ana.locator("#draft-state")).to_have_text("Not saved yet")
        await office.customer_writes("Two", subject, inbox="orders", answers=first)
        await office.customer_writes("New", f"{subject} new", inbox="orders")
        cable.lead_to(other.url)
        await expect(live).to_have_attribute(*LIVE)
        await expect(ana.locator(".message")).to_have_count(2)
        await expect(ana.locator(".row", has_text=f"{subject} new")).to_be_visible()
        await expect(ana.locator("#draft-state")).to_have_text("Saved")
        await ana.reload()
        await expect(text(ana)).to_have_text("Before. Meanwhile.")
        await ana.goto("about:blank")
