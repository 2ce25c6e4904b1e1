"""The mail to the customer, to the byte; and that nothing internal is in it."""

import time
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from postroom_contracts.answers import MARKER
from postroom_contracts.configuration import Configuration
from postroom_contracts.signed_ids import answer_key, unsubscribe_token
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.mime import File, OutgoingMail
from postroom_notifier.domain.reply_mail import CannotBeSentError, file_list, reply_mail

from tests.unit.notifier.company import (
    CONVERSATION,
    FRIDAY,
    KEY,
    NOTE_CANARY,
    configuration,
    customer_content,
    header,
    reply_content,
)

TEXT = """\
It left today.

--\x20
Your Acme team

On 2026-03-06 at 13:00, Carla Cruz <carla@example.test> wrote:
> My order 1234 is late.
> Where is it?
"""
HTML = """\
<!DOCTYPE html>
<html><head><meta charset="utf-8"></head><body>
<div>It left today.</div><br>
<div>-- <br>
Your Acme team</div><br>
<div class="gmail_quote"><div class="gmail_attr">On 2026-03-06 at 13:00, Carla Cruz &lt;carla@example.test&gt; wrote:<br></div>\
<blockquote class="gmail_quote" type="cite" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">\
My order 1234 is late.<br>
Where is it?</blockquote></div>
</body></html>
"""
HEADERS = {
    "From": "Acme Support <support@acme.test>",
    "To": "Carla Cruz <carla@example.test>",
    "Subject": "Re: Order 1234",
    "Message-ID": "<sent-1@acme.test>",
    "In-Reply-To": "<question-1@example.test>",
    "References": "<start@example.test> <question-1@example.test>",
    "Date": "Fri, 06 Mar 2026 14:02:12 +0000",
    "MIME-Version": "1.0",
}


def delivery(**changes: Any) -> Delivery:
    fields: dict[str, Any] = {
        "id": "delivery-1",
        "kind": "reply",
        "receiver": "customer",
        "conversation_id": CONVERSATION,
        "order_key": CONVERSATION,
        "number": 1,
        "due_at": FRIDAY,
        "cause_id": "cause",
        "cause_at": FRIDAY,
        "inbox_id": "support",
        "configuration_version": 1,
    }
    return Delivery.model_validate(fields | changes)


def configured(**inbox: Any) -> Configuration:
    """Return the company with changes of its inbox, and a title for Ana."""
    known = configuration()
    changes: dict[str, Any] = {
        "inboxes": [known.inboxes[0].model_copy(update=inbox)],
        "agents": [
            a.model_copy(update={"title": "Head", "calendar_link": "https://meet.acme.test/ana"}) for a in known.agents
        ],
    }
    return known.model_copy(update=changes)


def mail(
    reply: Any = None, answered: Any = None, files: Any = (), settings: Configuration | None = None, **changes: Any
) -> OutgoingMail:
    return reply_mail(
        delivery(**changes),
        settings or configuration(),
        reply or reply_content(),
        answered or customer_content(),
        files,
        "sent-1@acme.test",
    )


def parts(sent: OutgoingMail) -> dict[str, str]:
    """Return the texts by content type, as a reader's program decodes them."""
    read = message_from_bytes(sent.body, policy=default)
    return {
        p.get_content_type(): p.get_content().replace("\r\n", "\n")
        for p in read.walk()
        if p.get_content_maintype() == "text"
    }


def test_reply_as_it_goes_out() -> None:
    sent = mail()
    assert {name: header(sent.body, name) for name in HEADERS} == HEADERS
    assert (header(sent.body, "Content-Type") or "").startswith("multipart/alternative")
    assert parts(sent) == {"text/plain": TEXT, "text/html": HTML}
    assert (sent.sender, sent.recipients, sent.utf8) == ("support@acme.test", ("carla@example.test",), False)


def test_the_same_delivery_gives_the_same_bytes() -> None:
    files = [File("a.pdf", "application/pdf", b"x" * 500)]
    reply = reply_content(html="<p>It left today.</p>")
    assert mail(reply, files=files).body == mail(reply, files=files).body


def test_reply_to_of_the_customer_goes_before_from() -> None:
    answered = customer_content(reply_to=[{"address": "desk@example.test"}])
    assert mail(answered=answered).recipients == ("desk@example.test",)


def test_reply_to_that_does_not_count_is_passed_over() -> None:
    answered = customer_content(reply_to=[{"address": "desk@example.test"}])
    assert mail(answered=answered, details={"from_only": True}).recipients == ("carla@example.test",)


def test_reply_to_that_is_ours_is_passed_over() -> None:
    answered = customer_content(reply_to=[{"address": "Help+x@acme.test"}])
    assert mail(answered=answered).recipients == ("carla@example.test",)


def test_recipients_and_subject_of_the_desk_go_first() -> None:
    reply = reply_content(
        to=[{"address": "dora@example.test", "name": "Dora, D."}],
        cc=[{"address": "emil@example.test"}, {"address": "dora@example.test"}, {"address": "support@acme.test"}],
        subject="New subject",
    )
    sent = mail(reply)
    assert sent.recipients == ("dora@example.test", "emil@example.test")
    assert header(sent.body, "To") == '"Dora, D." <dora@example.test>'
    assert header(sent.body, "Cc") == "emil@example.test"
    assert header(sent.body, "Subject") == "New subject"


def test_nobody_left_to_send_to_is_a_failure() -> None:
    answered = customer_content(**{"from": {"address": "support@acme.test"}})
    with pytest.raises(CannotBeSentError, match="no_recipient"):
        mail(answered=answered)


def test_only_those_put_off_are_tried_again() -> None:
    reply = reply_content(to=[{"address": "a@example.test"}, {"address": "b@example.test"}])
    sent = mail(reply, remaining=["b@example.test"])
    assert sent.recipients == ("b@example.test",)
    assert header(sent.body, "To") == "a@example.test, b@example.test"


def test_html_is_sanitised_and_has_the_signature_escaped_and_a_text_beside_it() -> None:
    html = (
        '<p style="color:red;position:fixed">It <b onclick="x()">left</b> today.</p><script>x()</script><form></form>'
    )
    sent = mail(reply_content(html=html), settings=configured(signature="Your <Acme> team"))
    assert (
        '<p style="color:red">It <b>left</b> today.</p><br>\n<div>-- <br>\nYour &lt;Acme&gt; team</div>'
        in parts(sent)["text/html"]
    )
    assert parts(sent)["text/plain"].startswith("It left today.\n\n-- \nYour <Acme> team\n")


def test_html_alone_gets_its_text() -> None:
    sent = mail(reply_content(text="", html="<p>It <b>left</b> today.</p><p>Bye</p>"))
    assert parts(sent)["text/plain"].startswith("It left today.\nBye\n\n-- \n")


def test_text_looks_the_same_as_html() -> None:
    text = 'Hello <you> & "all",\n\n  indented\nsee https://acme.test/a?b=1&c=2.'
    assert (
        "<div>Hello &lt;you&gt; &amp; &quot;all&quot;,<br>\n<br>\n&nbsp;&nbsp;indented<br>\n"
        'see <a href="https://acme.test/a?b=1&amp;c=2">https://acme.test/a?b=1&amp;c=2</a>.</div>'
    ) in parts(mail(reply_content(text=text)))["text/html"]


# --- name and signature ----------------------------------------------------------------------------------------------

SIGNATURE = "[agent.first_name] [agent.last_name], [agent.title]\n[calendar_link]\n[company], open [[9 to 18]"


def test_variables_are_those_of_the_author() -> None:
    settings = configured(sender_name="[agent.first_name] at [company]", signature=SIGNATURE)
    sent = mail(settings=settings, details={"author": "ana"})
    assert header(sent.body, "From") == "Ana at Acme <support@acme.test>"
    assert "\n-- \nAna Ruiz, Head\nhttps://meet.acme.test/ana\nAcme, open [9 to 18]\n" in parts(sent)["text/plain"]


def test_without_an_author_the_company_speaks() -> None:
    settings = configured(sender_name="[agent.first_name] at [company]", signature=SIGNATURE)
    sent = mail(settings=settings, details={"automatic": True})
    assert header(sent.body, "From") == "Acme <support@acme.test>"
    assert "\n-- \nAcme, open [9 to 18]\n" in parts(sent)["text/plain"]


# --- history ---------------------------------------------------------------------------------------------------------


def test_history_can_be_left_out() -> None:
    assert b"Where is it?" not in mail(settings=configured(quote_history=False)).body


def test_newcomer_does_not_read_what_was_not_sent_to_them() -> None:
    for people in ({"to": [{"address": "dora@example.test"}]}, {"cc": [{"address": "dora@example.test"}]}):
        assert b"Where is it?" not in mail(reply_content(**people)).body
    known = customer_content(cc=[{"address": "Dora@Example.test"}])
    assert b"Where is it?" in mail(reply_content(cc=[{"address": "dora@example.test"}]), known).body


def test_html_of_the_customer_is_quoted_sanitised_without_its_images() -> None:
    html = '<p onclick="x()">Late!</p><img src="cid:logo@x"><script>x()</script><blockquote>Earlier</blockquote>'
    found = parts(mail(answered=customer_content(html=html)))["text/html"]
    assert "<p>Late!</p><img><blockquote>Earlier</blockquote></blockquote></div>" in found
    assert "script" not in found
    assert "cid:" not in found


def test_long_history_is_cut() -> None:
    sent = mail(answered=customer_content(text="long line\n" * 100_000, html="<p>x</p>" * 100_000))
    assert len(sent.body) < 80_000
    assert parts(sent)["text/plain"].rstrip().endswith("\n> [...]")


@pytest.mark.parametrize("tag", ["<div>", "<b><p>", "<table>", "<blockquote>"])
def test_html_nested_without_end_is_quoted_in_bounded_time(tag: str) -> None:
    html = (tag * 15_000)[:60_000]
    began = time.process_time()
    sent = mail(answered=customer_content(html=html))
    assert time.process_time() - began < 4
    assert "Where is it?" in parts(sent)["text/html"]


def test_half_a_character_is_no_reason_to_fail() -> None:
    assert "<p>a?b</p>" in parts(mail(reply_content(html="<p>a\ud800b</p>")))["text/html"]


def test_older_quotes_stay_quotes() -> None:
    assert "\n> New\n>\n>> Old\n" in parts(mail(answered=customer_content(text="New\n\n> Old")))["text/plain"]


@pytest.mark.parametrize("tool", [MARKER, "answers+abc@acme.test"], ids=["marker", "keyed-address"])
def test_history_that_holds_our_tools_is_left_out(tool: str) -> None:
    for answered in (
        customer_content(text=f"You wrote:\n{tool}\nWhere is it?"),
        customer_content(text="Where is it?", html=f"<p>Where is it? <b>{tool[:5]}</b>{tool[5:]}</p>"),
    ):
        sent = mail(answered=answered)
        assert b"Where is it?" not in sent.body
        assert b"It left today." in sent.body


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("de-AT", "Am 06.03.2026 um 13:00 schrieb Carla Cruz <carla@example.test>:"),
        ("fr", "Le 06/03/2026 à 13:00, Carla Cruz <carla@example.test> a écrit :"),
        ("xx", "On 2026-03-06 at 13:00, Carla Cruz <carla@example.test> wrote:"),
    ],
)
def test_attribution_is_in_the_companys_language(language: str, line: str) -> None:
    company = configuration().company.model_copy(update={"language": language})
    assert line in parts(mail(settings=configuration().model_copy(update={"company": company})))["text/plain"]


# --- files -----------------------------------------------------------------------------------------------------------

LOGO = File("logo.png", "image/png", b"png", "logo@acme.test", inline=True)


def layout(sent: OutgoingMail) -> list[str]:
    return [p.get_content_type() for p in message_from_bytes(sent.body, policy=default).walk()]


def test_image_that_the_html_shows_travels_with_it_and_other_files_are_attachments() -> None:
    sent = mail(
        reply_content(html='<p>Look <img src="cid:logo@acme.test"></p>'),
        files=[LOGO, File("übersicht 2026.pdf", "application/pdf", b"pdf")],
    )
    assert layout(sent) == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ]
    read = message_from_bytes(sent.body, policy=default)
    image, pdf = [p for p in read.walk() if p.get_filename()]
    assert (image["Content-ID"], image.get_content_disposition()) == ("<logo@acme.test>", "inline")
    assert (pdf.get_filename(), pdf.get_content_disposition()) == ("übersicht 2026.pdf", "attachment")
    assert b"filename*=utf-8''%C3%BCbersicht%202026.pdf" in sent.body, "RFC 2231"


def test_image_that_the_html_does_not_show_is_an_attachment() -> None:
    sent = mail(files=[LOGO])
    assert layout(sent) == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "image/png"]


def test_answer_by_mail_carries_its_text_and_nothing_else_of_the_agents_mail() -> None:
    keyed = f"answers+{answer_key(CONVERSATION, 1, 'ana', FRIDAY, KEY)}@acme.test"
    answer = {
        "kind": "answer",
        "text": "It left today.",
        "html": f"<p>It left today.</p><blockquote>{NOTE_CANARY}</blockquote>",
        "subject": "[Canary internal inbox] Order 1234",
        "from": {"address": "ana@staff.acme.test", "name": "Ana Ruiz"},
        "to": [{"address": keyed}],
        "cc": [{"address": "ben@staff.acme.test"}],
        "attachments": [{"filename": "logo.png"}],
    }
    assert file_list(answer) == []
    sent = mail(answer)
    assert parts(sent) == {"text/plain": TEXT, "text/html": HTML}
    assert {name: header(sent.body, name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize("via", ["reply", "answer", "start"])
def test_no_canary_reaches_the_customer(via: str) -> None:
    """The inbox's internal name, agents' names and addresses, the answer address, notes: none of it is in the mail."""
    html = None if via == "answer" else "<p>It left today.</p>"
    body = mail(reply_content(kind=via, html=html), details={"actor": "ana", "reason": "canary"}).body.lower()
    for canary in (
        b"canary",
        b"staff.acme.test",
        b"answers",
        b"ruiz",
        MARKER.encode().lower(),
        b"workshop",
        b"desk.acme",
        b"conversations/",
        NOTE_CANARY.encode(),
    ):
        assert canary not in body


@pytest.mark.parametrize(
    "text",
    [
        MARKER,
        "write to Answers+abc@acme.test",
        f"see https://desk.acme.test/conversations/{CONVERSATION}",
        f"No more mails of this kind: https://desk.acme.test/u/{unsubscribe_token('ana', 'replied', KEY)}",
    ],
    ids=["marker", "keyed-address", "link", "one-click"],
)
def test_text_with_our_own_tools_in_it_is_not_sent(text: str) -> None:
    with pytest.raises(CannotBeSentError, match="internal_content"):
        mail(reply_content(text=f"Hello\n{text}\nBye"))


def test_reply_of_a_rule_says_that_it_is_automatic() -> None:
    automatic = mail(details={"automatic": True}).body
    assert header(automatic, "Auto-Submitted") == "auto-replied"
    assert header(automatic, "X-Auto-Response-Suppress") == "All"
    assert header(mail().body, "Auto-Submitted") is None


def test_address_beyond_ascii_needs_smtputf8() -> None:
    sent = mail(answered=customer_content(**{"from": {"address": "用户@example.test"}}))
    assert sent.utf8
    assert "To: 用户@example.test".encode() in sent.body


def test_erased_recipients_are_not_sought_anew() -> None:
    with pytest.raises(CannotBeSentError, match="content_erased"):
        mail(remaining=[], details={"erased": True})


@pytest.mark.parametrize(
    ("rights", "sender"),
    [
        (["send_on_behalf"], "Ana Ruiz <ana@staff.acme.test>"),
        (["full_access", "send_on_behalf"], "Ana Ruiz <ana@staff.acme.test>"),
        (["send_as"], None),
        (["send_on_behalf", "send_as"], None),
    ],
    ids=str,
)
def test_who_sends_on_behalf_is_named_visibly(rights: list[str], sender: str | None) -> None:
    plain = configuration().model_dump()
    plain["inboxes"][0]["access"] = [{"agent": "ana", "rights": rights}]
    sent = mail(settings=Configuration.model_validate(plain), details={"author": "ana"})
    assert (header(sent.body, "From"), header(sent.body, "Sender")) == ("Acme Support <support@acme.test>", sender)
    assert header(mail(settings=Configuration.model_validate(plain)).body, "Sender") is None
    assert sent.sender == "support@acme.test"
