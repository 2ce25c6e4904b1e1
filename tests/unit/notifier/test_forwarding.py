"""What third parties get: the original with its head and pictures, a thread of their own; blind copies in the envelope alone."""

from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from postroom_contracts.answers import MARKER
from postroom_notifier.domain.mime import File
from postroom_notifier.domain.reply_mail import CannotBeSentError

from tests.unit.notifier.company import customer_content, header, reply_content
from tests.unit.notifier.test_reply_mail import configured, mail, parts

SHOP = [{"address": "shop@supplier.test", "name": "Shop"}]
TEXT = """\
Can you look at this?

--\x20
Your Acme team

---------- Forwarded message ----------
From: Carla Cruz <carla@example.test>
Date: 2026-03-06 13:00 (+0000)
Subject: Order 1234
To: support@acme.test

My order 1234 is late.
Where is it?
"""


def forwarded(answered: Any = None, files: Any = (), **changes: Any) -> Any:
    reply = reply_content(text="Can you look at this?", to=SHOP, **changes)
    return mail(reply, answered, files, details={"forward": True})


def test_a_forwarded_mail_has_the_original_with_its_head_and_begins_a_thread() -> None:
    sent = forwarded()
    assert sent.recipients == ("shop@supplier.test",)
    assert parts(sent)["text/plain"] == TEXT
    assert header(sent.body, "Subject") == "Fwd: Order 1234"
    assert (header(sent.body, "In-Reply-To"), header(sent.body, "References")) == (None, None)
    assert header(sent.body, "Message-ID") == "<sent-1@acme.test>"


def test_pictures_of_the_original_travel_with_it_and_its_html_is_made_safe() -> None:
    logo = File("logo.png", "image/png", b"png", "logo@x", inline=True)
    original = customer_content(html='<p onclick="x()">See <img src="cid:logo@x"></p><script>x()</script>')
    sent = forwarded(original, [logo])
    html = parts(sent)["text/html"]
    assert '<p>See <img src="cid:logo@x"></p>' in html
    assert "x()" not in html
    read = message_from_bytes(sent.body, policy=default)
    [image] = [p for p in read.walk() if p.get_content_type() == "image/png"]
    assert image.get_content_disposition() == "inline"


def test_a_forward_never_falls_back_on_the_customer() -> None:
    with pytest.raises(CannotBeSentError, match="no_recipient"):
        mail(reply_content(to=[{"address": "help@acme.test"}]), details={"forward": True})


def test_a_notification_of_ours_is_not_passed_on() -> None:
    with pytest.raises(CannotBeSentError, match="internal_content"):
        forwarded(customer_content(text=f"Look:\n{MARKER}\nsecret"))


def test_who_gets_a_blind_copy_stands_in_no_header() -> None:
    reply = reply_content(
        to=[{"address": "carla@example.test"}],
        cc=[{"address": "dora@example.test"}],
        bcc=[{"address": "boss@acme.example"}, {"address": "dora@example.test"}],
    )
    sent = mail(reply, settings=configured())
    assert sent.recipients == ("carla@example.test", "dora@example.test", "boss@acme.example")
    assert b"boss@acme.example" not in sent.body
    assert "> My order" not in parts(sent)["text/plain"], "a newcomer must not read what was not sent to them"
