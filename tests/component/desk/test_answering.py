"""Writing over doubles: HTML, files, forwards, taking back, splits, and who may be mentioned."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from postroom_contracts import commands as c
from postroom_contracts import facts as f
from postroom_contracts.ids import content_id
from postroom_contracts.values import Channel, Status

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import ANA, CONVERSATION, content, customer_content, received, replied
from tests.component.desk.writers import ANAS, BENS, PNG, answers_with, brought

PATH = f"/api/v1/conversations/{CONVERSATION}"


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench()
    await bench.content.put([customer_content(sha256="1" * 64, cc=[{"address": "dora@example.test"}])])
    await bench.happens(received(), CONVERSATION)
    return bench


@pytest.fixture
async def client(desk: DeskBench) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client() as found:
        yield found


async def test_html_leaves_clean_with_its_text_its_picture_and_its_file(
    desk: DeskBench, client: httpx.AsyncClient
) -> None:
    answers_with(desk, replied())
    picture = await brought(client, "a.png", PNG, inline=True)
    unused = await brought(client, "b.png", PNG, inline=True)
    file = await brought(client, "../offer.pdf", b"%PDF")
    body = {
        "agent": "ana",
        "html": f'<p>Look: <img src="cid:{picture["content_id"]}"></p><script>x()</script>',
        "attachments": [picture["upload_id"], unused["upload_id"], file["upload_id"]],
        "bcc": [{"address": "boss@example.test"}],
    }
    answer = await client.post(f"{PATH}/reply", json=body)
    assert answer.status_code == 200, answer.text
    [command] = desk.commands.published
    assert isinstance(command.data, c.SendReply)
    document = desk.content.documents[command.data.content.content_id]
    assert document["html"] == f'<p>Look: <img src="cid:{picture["content_id"]}"></p>'
    assert (document["text"], document["bcc"]) == ("Look: [...]", [{"address": "boss@example.test", "name": ""}])
    assert [(a["filename"], a["inline"], a["content_type"]) for a in document["attachments"]] == [
        ("a.png", True, "image/png"),
        ("offer.pdf", False, "application/octet-stream"),
    ]
    assert desk.content.blobs[document["attachments"][1]["blob_id"]] == b"%PDF"
    assert [u.used for u in desk.uploads.uploads.values()] == [True, False, True]


@pytest.mark.parametrize("body", [{"html": "<script>x()</script>"}, {"text": "  "}], ids=["script alone", "blanks"])
async def test_what_says_nothing_is_not_sent(desk: DeskBench, client: httpx.AsyncClient, body: dict[str, str]) -> None:
    assert (await client.post(f"{PATH}/reply", json={"agent": "ana", **body})).status_code == 422
    assert desk.commands.published == []


class TestUploads:
    async def test_bounds(self, client: httpx.AsyncClient) -> None:
        too_large = await client.post("/api/v1/uploads?filename=a", content=b"0" * 25_000_001)
        assert (too_large.status_code, too_large.json()["type"]) == (413, "urn:postroom:problem:too-large")

        async def pieces() -> AsyncIterator[bytes]:  # no Content-Length
            for _ in range(26):
                yield b"0" * 1_000_000

        assert (await client.post("/api/v1/uploads?filename=a", content=pieces())).status_code == 413
        no_picture = await client.post("/api/v1/uploads?filename=a.svg&inline=true", content=b"<svg onload=x()>")
        assert no_picture.status_code == 422
        half = [await brought(client, "a", b"0" * 13_000_000) for _ in range(2)]
        body = {"agent": "ana", "text": "x", "attachments": [u["upload_id"] for u in half]}
        assert (await client.post(f"{PATH}/reply", json=body)).status_code == 413

    async def test_a_file_is_its_owners_alone(self) -> None:
        desk = DeskBench(settings=settings(api_tokens=f"a@ana={ANAS},b@ben={BENS}"))
        await desk.happens(received(), CONVERSATION)
        async with desk.client(ANAS) as ana, desk.client(BENS) as ben:
            picture = await brought(ana, "a.png", PNG, inline=True)
            assert (await ana.get(picture["href"])).content == PNG
            assert (await ben.get(picture["href"])).status_code == 404
            answer = await ben.post(f"{PATH}/reply", json={"text": "x", "attachments": [picture["upload_id"]]})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:postroom:problem:unknown-upload")

    async def test_what_nobody_uses_is_swept_after_a_day(self, desk: DeskBench, client: httpx.AsyncClient) -> None:
        used, held, _ = [await brought(client, "x", body) for body in (b"1", b"2", b"3")]
        uploads = desk.app.state.parts.writing.uploads
        await uploads.use([desk.uploads.uploads[used["upload_id"]]])
        await desk.uploads.hold("draft", [held["upload_id"]])
        assert await uploads.sweep() == 0
        desk.clock.advance(86_401)
        assert await uploads.sweep() == 1
        assert sorted(desk.content.blobs.values()) == [b"1", b"2"]


async def test_a_forward_takes_the_original_with_its_files_and_goes_to_those_named_alone(
    desk: DeskBench, client: httpx.AsyncClient
) -> None:
    photo = {"filename": "p.jpg", "content_type": "image/jpeg", "body_bytes": 5, "sha256": "2" * 64, "blob_id": "b1"}
    desk.content.documents[content_id("m1")]["attachments"] = [photo]
    answers_with(desk, replied(reply_kind="forward", recipients=[]))
    body: dict[str, Any] = {"agent": "ana", "message_id": "m1", "to": [{"address": "shop@supplier.test"}]}
    answer = await client.post(f"{PATH}/forward", json=body)
    assert answer.status_code == 200, answer.text
    command = desk.commands.published[0].data
    assert isinstance(command, c.SendReply)
    assert (command.reply_kind, command.answers_message_id) == ("forward", "m1")
    assert command.answers == content("m1").model_copy(update={"sha256": "1" * 64})
    document = desk.content.documents[command.content.content_id]
    assert [a["blob_id"] for a in document["attachments"]] == ["b1"]
    assert document["to"] == [{"address": "shop@supplier.test", "name": ""}]
    assert (await client.post(f"{PATH}/forward", json={**body, "to": []})).status_code == 422


async def test_recipients_as_a_mail_program_chooses_them(desk: DeskBench, client: httpx.AsyncClient) -> None:
    found = (await client.get(f"{PATH}/recipients?mode=reply_all&agent=ana")).json()
    assert [p["address"] for p in found["to"]] == ["carla@example.test"]
    assert [p["address"] for p in found["cc"]] == ["dora@example.test"]
    assert (found["from_name"], found["from_address"]) == ("Velo", "support@velo.test")
    assert (found["message_id"], found["needs_approval"]) == ("m1", False)
    await desk.content.put([customer_content("m2", **{"from": {"address": "mallory@example.test"}})])
    await desk.happens(received("m2", from_stranger=True, opened=False), CONVERSATION)
    assert (await client.get(f"{PATH}/recipients")).json()["message_id"] == "m1"
    named = (await client.get(f"{PATH}/recipients?message=m2&mode=reply")).json()
    assert [p["address"] for p in named["to"]] == ["mallory@example.test"]


async def test_an_answer_to_one_message_names_its_sender(desk: DeskBench, client: httpx.AsyncClient) -> None:
    answers_with(desk, replied())
    await client.post(f"{PATH}/reply", json={"agent": "ana", "text": "x", "message_id": "m1"})
    command = desk.commands.published[0].data
    assert isinstance(command, c.SendReply)
    assert [a.address for a in command.to] == ["carla@example.test"]
    unknown = await client.post(f"{PATH}/reply", json={"agent": "ana", "text": "x", "message_id": "no"})
    assert unknown.status_code == 404


async def test_what_cannot_be_answered_says_why(desk: DeskBench, client: httpx.AsyncClient) -> None:
    refused = f.RequestRefused(request_id="x", request_type="x", actor=ANA, reason="no_reply_channel")
    answers_with(desk, refused)
    answer = await client.post(f"{PATH}/reply", json={"agent": "ana", "text": "x"})
    assert (answer.status_code, answer.json()["reason"]) == (409, "no_reply_channel")
    assert "did not come by mail" in answer.json()["detail"]


class TestCancel:
    async def undone(self, desk: DeskBench, client: httpx.AsyncClient, *then: Any) -> dict[str, Any]:
        await desk.happens(replied(send_at=NOW + timedelta(seconds=10)), CONVERSATION)
        cancelled = f.ReplyCancelled(
            message_id="r1",
            actor=ANA,
            reason="asked",
            cancelled_at=NOW,
            previous=Status.OPEN,
            status=Status.OPEN,
            open_turn_started_at=NOW,
        )
        answers_with(desk, cancelled, *then)
        answer = await client.post(f"{PATH}/messages/r1/cancel", json={"agent": "ana"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def test_the_undo_window_is_a_later_time(self, desk: DeskBench, client: httpx.AsyncClient) -> None:
        answers_with(desk, replied())
        await client.post(f"{PATH}/reply", json={"agent": "ana", "text": "x", "undo_seconds": 10})
        command = desk.commands.published[0].data
        assert isinstance(command, c.SendReply)
        assert command.send_at == NOW + timedelta(seconds=10)

    async def test_it_says_what_happened_to_the_mail(self, desk: DeskBench, client: httpx.AsyncClient) -> None:
        back = f.MessageCancelled(message_id="r1", delivery_id="d", cancelled_at=NOW)
        assert (await self.undone(desk, client, back))["result"] == "cancelled"
        message = (await client.get(PATH)).json()["messages"][-1]
        assert (message["delivery"], message["delivery_reason"]) == ("cancelled", "asked")

    async def test_also_that_it_was_sent(self, desk: DeskBench, client: httpx.AsyncClient) -> None:
        sent = f.MessageSent(message_id="r1", delivery_id="d", sent_at=NOW)
        assert (await self.undone(desk, client, sent))["result"] == "too_late"

    async def test_or_that_it_is_not_known_yet(self, desk: DeskBench, client: httpx.AsyncClient) -> None:
        assert (await self.undone(desk, client))["result"] == "pending"


async def test_a_mention_tells_who_can_read_it_and_nobody_else(desk: DeskBench, client: httpx.AsyncClient) -> None:
    answers_with(desk, f.NoteAdded(message_id="n", actor=ANA, content=content("n")))
    answer = await client.post(f"{PATH}/note", json={"agent": "ana", "text": "@ben look, not x@ben.test or @nobody"})
    assert answer.status_code == 200, answer.text
    note = desk.commands.published[0].data
    assert isinstance(note, c.AddNote)
    assert note.mentions == ["ben"]
    refused = await client.post(f"{PATH}/note", json={"agent": "ana", "text": "@mira look"})
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:postroom:problem:cannot-read")


async def test_after_a_split_both_show_the_messages_and_the_new_one_goes_on(
    desk: DeskBench, client: httpx.AsyncClient
) -> None:
    await desk.content.put([customer_content("m2", subject="Another question", text="And the bell?")])
    await desk.happens(received("m2", opened=False, time="15:10"), CONVERSATION)
    new = "8c0f5f7e-0000-5000-8000-000000000001"
    answers_with(desk, f.ConversationSplit(new_conversation_id=new, split_at=NOW, actor=ANA, message_ids=["m2"]))
    answer = await client.post(f"{PATH}/split", json={"agent": "ana", "message_id": "m2"})
    assert answer.json()["event"]["data"]["new_conversation_id"] == new
    command = desk.commands.published[0].data
    assert isinstance(command, c.SplitConversation)
    assert command.answers_message_id == "m1"
    split_off = f.ConversationSplitOff(
        source_id=CONVERSATION,
        split_at=NOW,
        actor=ANA,
        message_ids=["m2"],
        inbox_id="support",
        channel=Channel.EMAIL,
        status=Status.OPEN,
        open_turn_started_at=NOW,
        configuration_version=1,
    )
    await desk.happens(split_off, new)
    there = (await client.get(f"/api/v1/conversations/{new}")).json()
    assert [(x["message_id"], x["text"], x["conversation_id"]) for x in there["messages"]] == [
        ("m2", "And the bell?", CONVERSATION)
    ]
    assert (there["split_from"], there["subject"]) == (CONVERSATION, "Another question")
    here = (await client.get(PATH)).json()
    assert [(x["message_id"], x["went_to"]) for x in here["messages"]] == [("m1", None), ("m2", new)]


async def test_a_move_needs_an_inbox_that_exists_for_them_and_takes_the_view_along(
    desk: DeskBench, client: httpx.AsyncClient
) -> None:
    unknown = await client.post(f"{PATH}/route", json={"agent": "ana", "inbox_id": "nowhere"})
    assert (unknown.status_code, unknown.json()["type"]) == (422, "urn:postroom:problem:unknown-inbox")
    moved = f.ConversationRouted(actor=ANA, inbox_id="sales", previous_inbox_id="support", configuration_version=1)
    answers_with(desk, moved)
    assert (await client.post(f"{PATH}/route", json={"agent": "ana", "inbox_id": "sales"})).status_code == 200
    assert (await client.get(PATH)).json()["inbox_id"] == "sales"


async def test_who_watches_watches_for_themselves() -> None:
    desk = DeskBench(settings=settings(api_tokens=f"b@ben={BENS}"))
    await desk.happens(received(), CONVERSATION)
    answers_with(desk, f.ConversationRouted(actor=ANA, watchers=["ben"], configuration_version=1))
    async with desk.client(BENS) as ben:
        assert (await ben.post(f"{PATH}/watch", json={})).status_code == 200
        assert (await ben.post(f"{PATH}/watch", json={"agent": "ana"})).status_code == 403
    command = desk.commands.published[0].data
    assert isinstance(command, c.WatchConversation)
    assert command.agent_id == "ben"
