"""Writing over doubles: what came since a draft was begun, notes kept as drafts, writing first, what a first key does."""

import httpx
import pytest
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.ids import content_id
from postroom_contracts.values import Actor

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import ANA, CONVERSATION, assigned, content, customer_content, received, replied
from tests.component.desk.writers import ANAS, BENS, PNG, answers_with, brought
from tests.integration.desk.office import company

SINCE = f"/panes/since/{CONVERSATION}"
NOTE_DRAFT = f"/api/v1/conversations/{CONVERSATION}/draft?kind=note"
NOTE = f"/api/v1/conversations/{CONVERSATION}/note"
BEN = Actor(kind="agent", id="ben")
HOUSES = "token-of-the-tests-000h"


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench(settings=settings(api_tokens=f"a@ana={ANAS},b@ben={BENS},house={HOUSES}"))
    await bench.content.put([customer_content()])
    await bench.happens(received(), CONVERSATION)
    return bench


async def happened(desk: DeskBench) -> None:
    """Ben takes it, notes something, answers; Carla writes again; Ana tags it."""
    note = {"kind": "note", "inbox_id": "support", "text": "I <b>know</b> her", "attachments": []}
    answer = {"kind": "reply", "inbox_id": "support", "text": "Oil it.", "attachments": []}
    await desk.content.put([{"_id": content_id("n1"), **note}, {"_id": content_id("r1"), **answer}])
    await desk.content.put([customer_content("m2", text="Both now!", reply_text="Both now!")])
    by_ben = assigned("ben", reason="claim").model_copy(update={"actor": BEN})
    await desk.happens(by_ben, CONVERSATION, source="/postroom/assigner")
    await desk.happens(f.NoteAdded(message_id="n1", actor=BEN, content=content("n1")), CONVERSATION)
    await desk.happens(replied(actor=BEN), CONVERSATION, cause="reply")
    await desk.happens(received("m2"), CONVERSATION, cause="m2")
    await desk.happens(f.ConversationTagged(actor=ANA, added=["brakes"], removed=[]), CONVERSATION, cause="tag")


async def test_what_came_since_is_told_in_order_without_what_one_did_oneself(
    desk: DeskBench, ana: httpx.AsyncClient
) -> None:
    await happened(desk)
    answer = await ana.get(SINCE, params={"seen": "1.0"})
    assert answer.status_code == 200
    text = answer.text
    places = [text.index(x) for x in ("<strong>Ben Okafor</strong> took it", "I &lt;b&gt;know", "Oil it.", "Both now!")]
    assert places == sorted(places)
    assert "The brakes squeal." not in text
    assert "changed tags" not in text
    assert 'data-etag="5.1"' in text
    assert '<span class="badge badge-open">open</span> <span>Ben Okafor</span>' in text


async def test_who_has_seen_all_is_told_of_nothing(desk: DeskBench, ana: httpx.AsyncClient) -> None:
    await happened(desk)
    text = (await ana.get(SINCE, params={"seen": "5.1"})).text
    assert "Nothing that you would have to read." in text
    assert (await ana.get(SINCE, params={"seen": "yesterday"})).status_code == 400


async def test_a_held_reply_stays_held_while_it_is_changed_until_its_writer_has_seen_what_came(
    desk: DeskBench, ana: httpx.AsyncClient
) -> None:
    draft = f"/api/v1/conversations/{CONVERSATION}/draft"
    answers_with(desk, f.RequestRefused(request_id="x", request_type="x", actor=ANA, reason="stale", changed=["x"]))
    await ana.put(draft, json={"text": "Oil it", "seen": "1.0"})
    assert (await ana.post(f"{draft}/send", json={})).status_code == 409
    changed = (await ana.put(draft, json={"text": "Oil both", "seen": "1.0"})).json()
    assert (changed["refused"]["reason"], changed["seen"]) == ("stale", "1.0")
    seen = (await ana.put(draft, json={"text": "Oil both", "seen": "2.0"})).json()
    assert (seen["refused"], seen["seen"]) == (None, "2.0")


async def test_a_note_is_its_writers_draft_until_it_is_added_with_its_files(
    desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    file = await brought(ana, "a.txt", b"1")
    draft = (await ana.put(NOTE_DRAFT, json={"text": "Ask @ben", "attachments": [file["upload_id"]]})).json()
    assert (await ana.get(NOTE_DRAFT.replace("note", "reply"))).json()["number"] == 0
    assert (await ben.get(NOTE_DRAFT)).json()["number"] == 0
    assert (await ben.put(NOTE_DRAFT, json={"text": "I know this bike"})).status_code == 200
    assert (await ana.get(NOTE_DRAFT)).json()["text"] == "Ask @ben"
    handed = NOTE_DRAFT.replace("?", "/hand-over?")
    assert (await ana.post(handed, json={"to": "ben"})).status_code == 422
    asked = {"text": draft["text"], "attachments": [file["upload_id"]], "draft_id": draft["id"]}
    assert (await ben.post(NOTE, json=asked)).status_code == 422, "files of another's draft"
    answers_with(desk, f.NoteAdded(message_id="n1", actor=ANA, content=content("n1")))
    assert (await ana.post(NOTE, json=asked)).status_code == 200
    [command] = [e.data for e in desk.commands.published]
    assert isinstance(command, c.AddNote)
    assert command.mentions == ["ben"]
    assert (await ana.get(NOTE_DRAFT)).json()["number"] == 0
    assert (await ben.get(NOTE_DRAFT)).json()["text"] == "I know this bike"
    async with desk.client(HOUSES) as house:
        assert (await house.get(NOTE_DRAFT)).status_code == 422, "a token of nobody's says whose"
        assert (await house.get(f"{NOTE_DRAFT}&agent=ben")).json()["text"] == "I know this bike"


async def test_a_note_that_was_refused_stays_a_draft(desk: DeskBench, ana: httpx.AsyncClient) -> None:
    answers_with(desk, f.RequestRefused(request_id="x", request_type="x", actor=ANA, reason="not_found"))
    draft = (await ana.put(NOTE_DRAFT, json={"text": "Ask"})).json()
    assert (await ana.post(NOTE, json={"text": "Ask", "draft_id": draft["id"]})).status_code == 404
    assert (await ana.get(NOTE_DRAFT)).json()["text"] == "Ask"


@pytest.mark.parametrize("how", ["offer", "claim", "never"])
async def test_the_composer_knows_what_beginning_to_answer_does_here(desk: DeskBench, how: str) -> None:
    known = company()
    inbox = known.inboxes[0].model_copy(update={"claim_on_reply": how})
    changed = known.model_copy(update={"inboxes": [inbox, *known.inboxes[1:]]})
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=changed))
    async with desk.client(ANAS) as client:
        text = (await client.get(f"/conversations/{CONVERSATION}")).text
    assert f'data-claim="{how}"' in text
    assert '<li data-colleague="ben">Ben Okafor</li>' in text
    assert 'data-colleague="ana"' not in text  # oneself
    assert 'data-colleague="mira"' not in text  # cannot read here


async def test_writing_first_offers_the_inboxes_from_which_one_may_write(
    desk: DeskBench, ana: httpx.AsyncClient
) -> None:
    known = company()
    foreign = known.inboxes[1].model_copy(update={"teams": ["sales"]})
    changed = known.model_copy(update={"inboxes": [known.inboxes[0], foreign]})
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=changed))
    for path in ("/conversations/new?status=open", "/panes/conversation/new"):
        text = (await ana.get(path)).text
        assert '<option value="support">Support &lt;support@velo.test&gt;</option>' in text, path
        assert 'value="sales">' not in text, path
    assert 'hx-get="/panes/conversation/new?status=open"' in (await ana.get("/conversations?status=open")).text


async def test_who_may_write_first_from_no_inbox_is_told_so() -> None:
    known = company()
    readers = [i.model_copy(update={"access": [], "teams": ["workshop"]}) for i in known.inboxes]
    desk = DeskBench(settings=settings(api_tokens=f"a@ana={ANAS}"))
    changed = known.model_copy(update={"inboxes": readers})
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=changed))
    async with desk.client(ANAS) as client:
        assert "You may write first from no inbox." in (await client.get("/conversations/new")).text
        assert 'id="new"' not in (await client.get("/conversations")).text


async def test_a_file_that_waits_is_given_back_to_whoever_brought_it_as_a_download(
    desk: DeskBench, ana: httpx.AsyncClient, ben: httpx.AsyncClient
) -> None:
    file = await brought(ana, "<b>Angebot</b> ä.html", b"<script>x()</script>")
    picture = await brought(ana, "a.png", PNG, inline=True)
    given = await ana.get(file["href"])
    assert (given.status_code, given.content) == (200, b"<script>x()</script>")
    assert given.headers["content-type"] == "application/octet-stream"
    assert given.headers["content-disposition"].startswith("attachment; ")
    assert given.headers["x-content-type-options"] == "nosniff"
    shown = await ana.get(picture["href"])
    assert (shown.headers["content-type"], shown.content) == ("image/png", PNG)
    assert "content-disposition" not in shown.headers
    for href in (file["href"], picture["href"]):
        assert (await ben.get(href)).status_code == 404
