"""Customers' mail reads as written by people and their clients; what they newly wrote is told from what they quote."""

import random
import re
import zlib
from datetime import UTC, datetime

import pytest
from postroom_contracts.answers import MARKER
from postroom_demo import files, mails
from postroom_demo.languages import LANGUAGES, recognise
from postroom_demo.mailbox import Credentials
from postroom_demo.mails import Answer
from postroom_demo.people import CUSTOMERS, INBOXES, Client, Customer
from postroom_demo.player import Playing, answer_to, wants_answer
from postroom_demo.quoting import build
from postroom_ingest.domain.inbound import answer_text
from postroom_ingest.domain.mail import parse_mail
from postroom_ingest.domain.mail.reply_text import visible_reply

AT = datetime(2026, 3, 6, 15, 4, tzinfo=UTC)
CLIENTS: tuple[Client, ...] = ("gmail", "outlook", "apple")
OURS = Answer(
    message_id="conversation.delivery.mac@velo.example",
    in_reply_to="first@mail.example",
    references=("first@mail.example",),
    sender_name="Velo Support",
    sender="support@velo.example",
    to="Olivia Hart <olivia.hart@mail.example>",
    reply_to="support@velo.example",
    subject="Re: Gears slip",
    text="Hello Olivia,\n\nplease bring it by.\n\n-- \nVelo Support\nRua das Flores 12, Lisbon\n",
    written_at=AT,
)


def customer(language: str, client: Client) -> Customer:
    return Customer("Olivia Hart", "olivia.hart@mail.example", language, client)


def test_there_are_more_than_twenty_senders_of_six_languages() -> None:
    assert len({c.address for c in CUSTOMERS}) >= 20
    assert {c.language for c in CUSTOMERS} == set(LANGUAGES) == {"en", "de", "fr", "es", "pl", "it"}
    assert all(c.address.isascii() and re.fullmatch(r"[a-z.]+@[a-z]+\.example", c.address) for c in CUSTOMERS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("inbox", INBOXES, ids=lambda inbox: inbox.id)
def test_every_template_is_filled(language: str, inbox: object) -> None:
    plan = next(i for i in INBOXES if i == inbox)
    for seed in range(40):
        draft = mails.first_mail(customer(language, "gmail"), plan, AT, random.Random(seed))
        assert not set("{}") & set(draft.subject + draft.text)
        assert draft.text.endswith("Olivia Hart")


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_of_a_first_mail_is_recognised(language: str) -> None:
    drafts = [
        mails.first_mail(customer(language, "gmail"), inbox, AT, random.Random(s))
        for s in range(40)
        for inbox in INBOXES
    ]
    assert {recognise(draft.text).code for draft in drafts} == {language}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("client", CLIENTS)
def test_reply_reads_as_new_text_above_a_quotation(language: str, client: Client) -> None:
    for seed in range(6):
        draft = mails.reply(customer(language, client), OURS, AT, random.Random(seed), last=seed % 2 == 0)
        mail = parse_mail(build(draft))
        visible = visible_reply(mail.text).visible
        assert draft.text.splitlines()[0] in visible
        assert "please bring it by" in mail.text
        assert "please bring it by" not in visible
        assert mail.in_reply_to == OURS.message_id
        assert mail.references == ("first@mail.example", OURS.message_id)


def test_cut_references_leave_in_reply_to_alone() -> None:
    draft = mails.reply(customer("en", "outlook"), OURS, AT, random.Random(1), last=True, cut_references=True)
    mail = parse_mail(build(draft))
    assert (mail.in_reply_to, mail.references) == (OURS.message_id, ())


def test_absence_is_recognised_as_automatic() -> None:
    mail = parse_mail(build(mails.absence(customer("de", "outlook"), OURS, AT, random.Random(1))))
    assert mail.auto in ("auto-reply", "auto-generated")


def test_attachments_are_real_files() -> None:
    draft = mails.first_mail(customer("en", "apple"), INBOXES[0], AT, random.Random(3), with_file=True)
    (attached,) = parse_mail(build(draft)).attachments
    assert attached.content.startswith(b"\x89PNG\r\n\x1a\n")
    start = attached.content.index(b"IDAT") + 4
    size = int.from_bytes(attached.content[start - 8 : start - 4], "big")
    assert len(zlib.decompress(attached.content[start : start + size])) == 64 * (96 * 3 + 1)


def test_pdf_says_where_its_table_is() -> None:
    made = files.pdf("Receipt for order V-12345")
    position = int(made.rpartition(b"startxref\n")[2].split()[0])
    assert made[position:].startswith(b"xref\n0 6\n")
    assert b"Receipt for order V-12345" in made


def notification(text: str) -> Answer:
    shown = f"{MARKER}\nWhat you write above that line is sent to the customer.\n\nMira, this conversation is yours now.\n\n"
    return Answer(
        message_id="n1@velo.example",
        in_reply_to="",
        references=("thread@velo.example",),
        sender_name="Velo",
        sender="answers@velo.example",
        to="Mira Sousa <mira@velo.example>",
        reply_to="answers+key@velo.example",
        subject="[Support] Gears slip",
        text=f"{shown}--- The customer ---\nFrom: Jürgen Müller <j@postfach.example>\n{text}\n\nhttp://127.0.0.1:8080/conversations/1\n",
        written_at=AT,
    )


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_answer_above_the_marker_is_taken_and_nothing_else(client: Client, language: str) -> None:
    playing = Playing(Credentials("mira@velo.example", "x", 1, 2), "Mira Sousa", "Workshop", client)
    first = mails.first_mail(customer(language, "gmail"), INBOXES[0], AT, random.Random(5))
    told = notification(first.text)
    assert wants_answer(told.text)
    draft = answer_to(playing, told, AT, random.Random(7))
    own, problem = answer_text(parse_mail(build(draft)).text)
    assert problem is None
    assert "Jürgen Müller" in own.splitlines()[0]
    assert draft.language.code == language
    assert "velo.example" not in own
    assert (draft.to, draft.in_reply_to) == ("answers+key@velo.example", "n1@velo.example")


@pytest.mark.parametrize(
    "text", ["your answer was NOT sent", "You are told because you watch this conversation.\n--- The customer ---"]
)
def test_people_answer_only_what_is_theirs(text: str) -> None:
    assert not wants_answer(text)
