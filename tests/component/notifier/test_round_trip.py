"""What we send is read by our own ingest as it was meant: texts, files, names, threads, and what of it is newly written."""

from typing import Any

import pytest
from postroom_ingest.domain.mail import parse_mail
from postroom_ingest.domain.mail.reply_text import visible_reply
from postroom_notifier.domain.history import quotation
from postroom_notifier.domain.mime import File
from postroom_notifier.domain.reply_mail import reply_mail

from tests.unit.notifier.company import configuration, customer_content, reply_content
from tests.unit.notifier.test_reply_mail import delivery

TEXT = "Grüße aus Łódź,\n日本語 🚲\n-- not a signature\n> not a quote of ours\nFrom here\n.\n.."
FILES = [
    File("logo.png", "image/png", bytes(range(256)), "logo@acme.test", inline=True),
    File("Übersicht für Größe 日本語 " + "x" * 120 + ".pdf", "application/pdf", b"%PDF\r\n\n\r"),
    File('quoted "name"; a=b.txt', "text/plain", b"plain"),
    File("mail.eml", "message/rfc822", b"Subject: inner\r\n\r\nbody"),
]


def sent(reply: dict[str, Any], answered: dict[str, Any] | None = None, files: list[File] | None = None) -> bytes:
    found = answered or customer_content()
    return reply_mail(delivery(), configuration(), reply, found, files or [], "sent-1@acme.test").body


def test_texts_files_and_names_come_back_as_they_went() -> None:
    html = '<p>Grüße <img src="cid:logo@acme.test"> 日本語</p>'
    to = [
        {"address": "用户@example.test", "name": 'Ünï, "C." <x@y>'},
        {"address": "b@straße.test", "name": "日本" * 30},
    ]
    read = parse_mail(sent(reply_content(text=TEXT, html=html, to=to), files=FILES))
    assert read.warnings == ()
    assert read.text.startswith(f"{TEXT}\n\n-- \nYour Acme team")
    assert read.html is not None
    assert html in read.html
    assert [(a.email, a.name) for a in read.to] == [
        ("用户@example.test", 'Ünï, "C." <x@y>'),
        ("b@xn--strae-oqa.test", "日本" * 30),
    ]
    assert [(a.filename, a.content) for a in read.attachments] == [(f.filename, f.body) for f in FILES]
    assert next((a.content_id, a.disposition) for a in read.attachments) == ("logo@acme.test", "inline")
    assert (read.message_id, read.in_reply_to) == ("sent-1@acme.test", "question-1@example.test")
    assert read.references == ("start@example.test", "question-1@example.test")
    assert read.auto is None


@pytest.mark.parametrize("language", ["de", "en", "es", "fr", "it", "nl", "pl", "pt"])
@pytest.mark.parametrize("timed", [True, False], ids=["with-time", "without"])
def test_our_own_quotation_is_known_as_one(language: str, timed: bool) -> None:
    answered = customer_content(**({} if timed else {"received_at": None}))
    quoted = quotation(answered, language=language, time_zone="Europe/Berlin")
    assert quoted is not None
    assert visible_reply(f"It left today.\n\n{quoted.text}").visible.strip() == "It left today."


def test_conversation_of_many_rounds_stays_small() -> None:
    """Each side quotes all that it got: without a bound the tenth mail would be megabytes."""
    answered = customer_content(text="x" * 3000)
    for _ in range(30):
        read = parse_mail(sent(reply_content(text="y" * 3000), answered))
        answered = customer_content(text=f"{'x' * 3000}\n\n{read.text}", html=read.html)
    assert len(sent(reply_content(text="y" * 3000), answered)) < 150_000
