"""Mail made of what attackers write, in every field that comes from outside: none of their markup is markup of ours.

A notification is plain text alone. Replies and forwards quote the customer: their names, subject and text are text, and of
their HTML only what shows something is left.
"""

import re
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from lxml import html as parser  # type: ignore[import-untyped]
from postroom_notifier.domain.mime import OutgoingMail

from tests.integration.desk.vectors import VECTORS, vector
from tests.unit.notifier.company import customer_content, note_content, reply_content
from tests.unit.notifier.test_notification_mail import mail as notification
from tests.unit.notifier.test_reply_mail import configured
from tests.unit.notifier.test_reply_mail import mail as answer

THIRD = [{"address": "shop@supplier.test", "name": "Shop"}]
OWN = {"html", "head", "meta", "body", "div", "br", "blockquote", "a"}
"""Elements that we make ourselves around what others wrote."""
_SHOWN = """
abbr acronym area article aside b bdi bdo caption center cite code col colgroup data dd del details dfn dl dt
em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hgroup hr i img ins kbd li map mark nav ol p pre q
rp rt rtc ruby s samp section small span strike strong sub summary sup table tbody td th thead time tr tt u ul
var wbr
"""
HARMLESS = OWN | set(_SHOWN.split())
"""Elements that show something and do nothing."""
SCHEMES = ("http:", "https:", "mailto:", "tel:", "cid:", "//", "#")
HEADERS = re.compile(
    r"(From|To|Subject|Message-ID|References|Auto-Submitted|X-Auto-Response-Suppress|Reply-To|List-Id|List-Unsubscribe"
    r"|List-Unsubscribe-Post|Date|MIME-Version|Content-Type|Content-Transfer-Encoding|In-Reply-To)"
)
every_vector = pytest.mark.parametrize("number", range(0, len(VECTORS), 25), ids=lambda n: f"from {n}")


def hostile(number: int, **changes: Any) -> dict[str, Any]:
    """Return a customer's message with the vector in every field that they write."""
    text = vector(number)
    fields: dict[str, Any] = {
        "subject": text,
        "text": text,
        "from": {"address": "carla@example.test", "name": text},
        "cc": [{"address": "dora@example.test", "name": text}],
        "external_id": text,
    }
    return customer_content(**fields | changes)


def of_block(number: int) -> range:
    return range(number, min(number + 25, len(VECTORS)))


def read(body: bytes) -> Any:
    """Return the mail as a program reads it. Its fields are those that we make, each once."""
    found = message_from_bytes(body, policy=default)
    assert found.defects == []
    names = list(found.keys())
    assert len(names) == len({n.lower() for n in names})
    assert all(HEADERS.fullmatch(name) for name in names), names
    return found


def tree_of(sent: OutgoingMail) -> Any:
    [shown] = [p for p in read(sent.body).walk() if p.get_content_type() == "text/html"]
    return parser.document_fromstring(shown.get_content())


def assert_harmless(tree: Any, allowed: set[str]) -> None:
    for element in tree.iter():
        assert isinstance(element.tag, str), "a comment or an instruction"
        assert element.tag in allowed, parser.tostring(element)
        for name, value in element.attrib.items():
            said = parser.tostring(element)
            assert not name.lower().startswith("on"), said
            if name in ("href", "src", "cite", "background", "action", "poster", "xlink:href"):
                address = re.sub(r"[\x00-\x20]", "", value).lower()
                assert ":" not in address.split("/")[0] or address.startswith(SCHEMES), said
            if name == "style":
                assert not re.search(
                    r"url\(|expression|@import|position|behavior|-moz-binding|\\", value, re.IGNORECASE
                ), said


@every_vector
def test_a_notification_is_plain_text_whatever_was_written(number: int) -> None:
    for n in of_block(number):
        content, text = hostile(n), vector(n)
        roles = {
            "assigned": {"customer": content},
            "mentioned": {"note": note_content(text=text), "customer": content},
            "refused": {"refused": reply_content(text=text, html=text), "colleague": reply_content(text=text)},
            "undelivered": {"undelivered": reply_content(text=text), "bounce": {"bounce": {"recipient": text}}},
        }
        for kind, documents in roles.items():
            details: Any = {"reason": "stale"} if kind in ("refused", "undelivered") else None
            body = notification(documents, kind=kind, **({"details": details} if details else {}))
            found = read(body)
            assert [p.get_content_type() for p in found.walk()] == ["text/plain"]
            assert b"<html" not in body.split(b"\n\n", 1)[0]
            assert str(found["To"]) == "Ana Ruiz <ana@staff.acme.test>"


@every_vector
def test_names_subjects_and_texts_of_others_are_text_in_an_answer_and_in_what_is_passed_on(number: int) -> None:
    signed = configured(signature="Hello [customer.first_name|there], [customer.name|you]")
    for n in of_block(number):
        content = hostile(n)
        quoted = answer(answered=content, settings=signed)
        passed = answer(reply_content(to=THIRD), content, settings=signed, details={"forward": True})
        for sent in (quoted, passed):
            tree = tree_of(sent)
            assert_harmless(tree, OWN)
            links = {a.get("href") for a in tree.iter("a")}
            assert all(link.startswith(("http://", "https://")) for link in links), links
        shown = " ".join(str(tree_of(passed).text_content()).split())
        readable = " ".join(re.sub(r"[^\x21-\x7e]+", " ", vector(n)).split())[:40]
        assert readable in " ".join(re.sub(r"[^\x21-\x7e]+", " ", shown).split()), "shown as it was written"


@every_vector
def test_of_the_html_of_others_only_what_shows_something_is_quoted(number: int) -> None:
    for n in of_block(number):
        content = hostile(n, html=f"<p>My order</p>{vector(n)}<p>is late</p>", text="My order is late")
        written = reply_content(html=f"<p>It left.</p>{vector(n)}")
        for sent in (
            answer(answered=content),
            answer(written, content),
            answer(reply_content(to=THIRD), content, details={"forward": True}),
        ):
            assert_harmless(tree_of(sent), HARMLESS)


def test_the_vectors_would_be_seen() -> None:
    """The same look at what is not made safe finds nearly all of them."""
    seen = 0
    for n in range(len(VECTORS)):
        try:
            assert_harmless(parser.document_fromstring(f"<div>x{vector(n)}</div>"), HARMLESS)
        except AssertionError:
            seen += 1
    assert seen > 200
