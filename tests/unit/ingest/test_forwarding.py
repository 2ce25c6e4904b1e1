# ruff: noqa: E501 - tables of mails read better in long lines
"""Who wrote a forwarded mail, and who may say so."""

from typing import Any

import pytest
from postroom_contracts.configuration import MailAccount
from postroom_contracts.inbound import InboundReceived
from postroom_ingest.domain.envelope import Envelope
from postroom_ingest.domain.inbound import Intake, mail_intake
from postroom_ingest.domain.mail import parse_mail

from tests.component.ingest.doorway import NINE, company

PROVEN = "Authentication-Results: mx.acme.test; dmarc=pass header.from=acme.test"
CLEO = ("cleo@example.test", "Cleo Doe")

GMAIL = """FYI

---------- Forwarded message ---------
From: Cleo Doe <cleo@example.test>
Date: Mon, 2 Mar 2026 at 09:00
Subject: Broken
To: Ann <ann@acme.test>

It is broken."""
GMAIL_DE = """---------- Weitergeleitete Nachricht ---------
Von: Cleo Doe <cleo@example.test>
Date: Mo., 2. März 2026 um 09:00 Uhr
Subject: Kaputt
To: <ann@acme.test>

Es ist kaputt."""
OUTLOOK = """Please take this.

From: Cleo Doe <cleo@example.test>
Sent: Monday, March 2, 2026 9:00 AM
To: Ann <ann@acme.test>
Subject: Broken

It is broken."""
OUTLOOK_FR = """De : Cleo Doe <cleo@example.test>
Envoyé : lundi 2 mars 2026 09:00
À : Ann
Objet : Cassé

C'est cassé."""
OUTLOOK_OLD = """-----Original Message-----
From: Cleo Doe [mailto:cleo@example.test]
Sent: Monday, March 02, 2026 9:00 AM
To: Ann
Subject: Broken

It is broken."""
APPLE = """> Begin forwarded message:
>
> From: Cleo Doe <cleo@example.test>
> Subject: Broken
> Date: 2 March 2026 at 09:00:00 CET
> To: ann@acme.test
>
> It is broken."""
THUNDERBIRD = """-------- Forwarded Message --------
Subject: Broken
Date: Mon, 2 Mar 2026 09:00:00 +0100
From: Cleo Doe <cleo@example.test>
To: ann@acme.test

It is broken."""
BOLD = """*From:* Cleo Doe <cleo@example.test>
*Sent:* Monday, March 2, 2026 9:00 AM
*To:* Ann
*Subject:* Broken

It is broken."""


def taken(text: str, subject: str = "Fwd: Broken", sender: str = "Ann <ann@acme.test>", head: str = PROVEN, **fields: Any) -> InboundReceived:  # fmt: skip
    intake = intake_of(text, subject, sender, head, **fields)
    (event,) = intake.events
    assert isinstance(event.data, InboundReceived)
    return event.data


def intake_of(text: str, subject: str, sender: str, head: str, **fields: Any) -> Intake:
    configuration = company()
    account = MailAccount.model_validate({"id": "door", "door": {}, "trusted_authserv_ids": ["mx.acme.test"], **fields})
    raw = f"{head}\nFrom: {sender}\nTo: support@acme.test\nSubject: {subject}\nMessage-ID: <f@acme.test>\n\n{text}\n"
    raw_bytes = raw.encode().replace(b"\n", b"\r\n")
    envelope = Envelope("ann@acme.test", ("support@acme.test",), configuration.inbox("support"))
    return mail_intake(
        parse_mail(raw_bytes),
        raw_bytes,
        account=account,
        configuration=configuration,
        received_at=NINE,
        now=NINE,
        envelope=envelope,
    )


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        pytest.param(GMAIL, "Fwd: Broken", id="Gmail"),
        pytest.param(GMAIL_DE, "Fwd: Kaputt", id="Gmail in German"),
        pytest.param(OUTLOOK, "FW: Broken", id="Outlook"),
        pytest.param(OUTLOOK_FR, "TR: Cassé", id="Outlook in French"),
        pytest.param(OUTLOOK_OLD, "FW: Broken", id="Outlook, old"),
        pytest.param(OUTLOOK.replace("test>", "test<mailto:cleo@example.test>>", 1), "FW: Broken", id="Outlook with a link"),
        pytest.param(APPLE, "Fwd: Broken", id="Apple Mail"),
        pytest.param(THUNDERBIRD, "Fwd: Broken", id="Thunderbird"),
        pytest.param(BOLD, "Fwd: Broken", id="bold marks of a text made from HTML"),
        pytest.param(GMAIL, "Something else", id="the separator alone says it"),
    ],
)  # fmt: skip
def test_proven_agents_forwarding_shows_who_wrote_first(text: str, subject: str) -> None:
    mail = taken(text, subject)
    assert (mail.sender.address, mail.sender.name) == CLEO
    assert mail.forwarded_by is not None
    assert mail.forwarded_by.address == "ann@acme.test"
    assert (mail.authentication.dmarc, mail.authentication.internal_account) == ("none", False)


@pytest.mark.parametrize(
    ("html", "subject"),
    [
        pytest.param('fyi<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">---------- Forwarded message ---------<br>From: <strong dir="auto">Cleo Doe</strong> <span dir="auto">&lt;<a href="mailto:cleo@example.test">cleo@example.test</a>&gt;</span><br>Date: Mon<br>Subject: Broken<br></div>', "Fwd: Broken", id="Gmail"),
        pytest.param('<div style="border-top:solid #E1E1E1 1.0pt"><p class="MsoNormal"><b>Von:</b> Cleo Doe &lt;cleo@example.test&gt; <br><b>Gesendet:</b> Montag, 2. M&auml;rz 2026 09:00<br><b>An:</b> Ann<br><b>Betreff:</b> Kaputt</p></div>', "WG: Kaputt", id="Outlook in German"),
        pytest.param('<hr style="display:inline-block;width:98%"><div id="divRplyFwdMsg"><font><b>From:</b> Cleo Doe &lt;cleo@example.test&gt;<br><b>Sent:</b> Monday<br><b>To:</b> Ann<br><b>Subject:</b> Broken</font></div>', "Fw: Broken", id="Outlook on the web"),
        pytest.param('<blockquote type="cite"><div>Begin forwarded message:</div><br><div><b>From: </b>Cleo Doe &lt;<a href="mailto:cleo@example.test">cleo@example.test</a>&gt;<br></div><div><b>Subject: </b>Broken</div></blockquote>', "Fwd: Broken", id="Apple Mail"),
        pytest.param('----- Forwarded Message -----<br><b>From:</b> "Cleo Doe" &lt;cleo@example.test&gt;<br><b>To:</b> x', "Fwd: Broken", id="Yahoo"),
        pytest.param("------- Forwarded Message -------<br>From: Cleo Doe &lt;cleo@example.test&gt;<br>Date: On Monday", "Fw: Broken", id="Proton"),
    ],
)  # fmt: skip
def test_forwarded_by_hand_as_html(html: str, subject: str) -> None:
    mail = taken(html, subject, head=f"{PROVEN}\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8")
    assert (mail.sender.address, mail.sender.name) == CLEO


def test_answers_to_a_forwarded_mail_go_to_who_wrote_it() -> None:
    intake = intake_of(GMAIL, "Fwd: Broken", "Ann <ann@acme.test>", f"{PROVEN}\nReply-To: ann@acme.test")
    (content,) = intake.documents
    assert (content["from"]["address"], content["reply_to"]) == ("cleo@example.test", [])
    assert content["forwarded_by"]["address"] == "ann@acme.test"


def test_sender_of_a_mail_without_from_is_the_one_before_it_was_forwarded() -> None:
    mail = taken("x", "s", "", "Return-Path: <SRS0=HHHH=TT=example.test=cleo@forwarder.test>")
    assert mail.sender.address == "cleo@example.test"


@pytest.mark.parametrize(
    "sender", ["SRS0=HHHH=TT=acme.test=ann@evil.test", "SRS1=G=f.test==H=T=acme.test=ann@evil.test"]
)
def test_from_in_the_form_of_a_rewritten_address_makes_nobody_our_agent(sender: str) -> None:
    account = MailAccount(id="door", door={}, trusted_authserv_ids=["mx.acme.test"])
    raw = (
        "Authentication-Results: mx.acme.test; dmarc=pass header.from=evil.test\n"
        f"From: Ann <{sender}>\nMessage-ID: <1@evil.test>\nTo: support@acme.test\n\nx\n"
    ).encode()
    intake = mail_intake(parse_mail(raw), raw, account=account, configuration=company(), received_at=NINE, now=NINE)
    (record,) = [event.data for event in intake.events if isinstance(event.data, InboundReceived)]
    assert (record.sender.address, record.authentication.dmarc) == (sender, "pass")


def test_forwarded_as_an_attachment() -> None:
    head = f'{PROVEN}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"'
    text = "--b\n\nsee below\n--b\nContent-Type: message/rfc822\n\nFrom: Cleo Doe <cleo@example.test>\nSubject: Broken\n\nx\n--b--"
    assert taken(text, "WG: Broken", head=head).sender.address == "cleo@example.test"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"text": GMAIL, "head": "X-Nothing: 1"}, id="nothing proves that it is Ann"),
        pytest.param({"text": GMAIL, "head": PROVEN.replace("pass", "fail")}, id="it is not Ann"),
        pytest.param({"text": OUTLOOK, "subject": "Re: Broken"}, id="an answer with its history"),
        pytest.param({"text": GMAIL, "sender": "Mallory <mallory@evil.test>"}, id="a stranger forwards"),
        pytest.param({"text": GMAIL.replace("cleo@example.test", "ben@acme.test").replace("ben@", "ann@")}, id="an agent as the first writer"),
        pytest.param({"text": GMAIL.replace("cleo@example.test", "sales+x@acme.test")}, id="an inbox as the first writer"),
        pytest.param({"text": GMAIL.replace("<cleo@example.test>", "")}, id="no address"),
        pytest.param({"text": "From: my point of view it is broken"}, id="a sentence"),
    ],
)  # fmt: skip
def test_else_the_sender_is_who_sent_it(fields: dict[str, str]) -> None:
    mail = taken(**fields)
    assert mail.forwarded_by is None
    assert mail.sender.address == (fields.get("sender", "<ann@acme.test>").split("<")[1].rstrip(">"))


@pytest.mark.parametrize(
    ("head", "sender"),
    [
        pytest.param("X-Original-From: Cleo Doe <cleo@example.test>", "'Cleo Doe' via Support <support@acme.test>", id="Google group"),
        pytest.param("X-Original-Sender: cleo@example.test", "Support <support@acme.test>", id="X-Original-Sender"),
        pytest.param("Reply-To: Cleo Doe <cleo@example.test>", '"Cleo Doe via Support" <support@acme.test>', id="list that rewrites From"),
    ],
)  # fmt: skip
def test_group_that_put_the_inboxs_address_into_from_shows_the_author(head: str, sender: str) -> None:
    mail = taken("It is broken.", "Broken", sender, head)
    assert mail.sender.address == "cleo@example.test"
    assert mail.forwarded_by is not None
    assert mail.forwarded_by.address == "support@acme.test"


def test_group_fields_of_anybody_else_mean_nothing() -> None:
    mail = taken(
        "x", "Broken", "mallory@evil.test", "X-Original-From: cleo@example.test\nX-Original-Sender: cleo@example.test"
    )
    assert mail.sender.address == "mallory@evil.test"


@pytest.mark.parametrize(
    "head",
    [
        "X-Forwarded-To: support@acme.test\nX-Forwarded-For: help@old.test support@acme.test\nDelivered-To: help@old.test",
        "Return-Path: <SRS0=HHH=TT=example.test=cleo@forwarder.test>\nX-MS-Exchange-Organization-AutoForwarded: true",
    ],
    ids=["Gmail", "SRS"],
)
def test_automatic_forwarding_keeps_its_author(head: str) -> None:
    mail = taken("x", "Broken", "Cleo Doe <cleo@example.test>", head)
    assert (mail.sender.address, mail.sender.name, mail.forwarded_by) == (*CLEO, None)


def test_recipients_stand_in_the_order_of_what_is_known_best() -> None:
    head = (
        "Envelope-To: e@x.test\nX-Forwarded-For: f1@x.test f2@x.test\nX-Forwarded-To: t@x.test\n"
        "X-Original-To: o@x.test\nDelivered-To: d@x.test\nDelivered-To: d2@x.test"
    )
    assert taken("x", "s", head=head).envelope_recipients == [
        "support@acme.test",
        "d@x.test",
        "d2@x.test",
        "o@x.test",
        "t@x.test",
        "f1@x.test",
        "f2@x.test",
        "e@x.test",
    ]


def test_headers_do_not_choose_the_inbox_where_the_envelope_did() -> None:
    mail = taken("x", "s", head="Delivered-To: sales@acme.test\nX-Original-To: boxed@acme.test")
    assert mail.inbox_id == "support"
