"""What is written leaves clean, and can be read without HTML; files have harmless names; an answer goes where it should."""

from typing import Any

import pytest
from postroom_desk.domain.files import clean_name, clean_type, picture_type
from postroom_desk.domain.recipients import Suggested, own_addresses, suggested
from postroom_desk.domain.written import TooDeepError, clean_html, pictures_in, text_of

from tests.integration.desk.office import company


@pytest.mark.parametrize(
    ("markup", "clean"),
    [
        ("<p>Hi <b>Ana</b><script>x()</script></p>", "<p>Hi <b>Ana</b></p>"),
        ('<p style="position:fixed" onclick="x()" class="a">Hi</p>', "<p>Hi</p>"),
        ('<a href="javascript:x()">a</a>', '<a rel="noopener noreferrer">a</a>'),
        ('<a href="https://a.test/?q=1">a</a>', '<a href="https://a.test/?q=1" rel="noopener noreferrer">a</a>'),
        ('<img src="https://spy.test/x.png">', "<img>"),
        ('<img src="cid:one@x" width="10" height="1e9" onerror="x()">', '<img src="cid:one@x" width="10">'),
        ('<img src="cid:other@x">', "<img>"),
        ("<style>*{}</style><form><input><b>q</b></form>", "<b>q</b>"),
    ],
    ids=["script", "style and events", "script link", "link", "remote picture", "own picture", "foreign cid", "form"],
)
def test_only_what_the_composer_writes_is_left(markup: str, clean: str) -> None:
    assert clean_html(markup, ["one@x"]) == clean


def test_pictures_are_those_that_the_text_shows() -> None:
    assert pictures_in(clean_html('<img alt="x" src="cid:one@x"><img src="cid:two@x">', ["one@x"])) == {"one@x"}


def test_nesting_has_an_end() -> None:
    with pytest.raises(TooDeepError):
        clean_html("<div>" * 20_000)
    assert clean_html("<p>a</p>" * 5_000).count("<p>") == 5_000


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>One</p><p>Two<br>three</p>", "One\n\nTwo\nthree"),
        ("<div>One</div><div><br></div><div>Two</div>", "One\n\nTwo"),
        ("<ul><li>a</li><li>b<ol><li>c</li><li>d</li></ol></li></ul><p>e</p>", "* a\n* b\n  1. c\n  2. d\n\ne"),
        (
            'See <a href="https://a.test/x">this</a> or <a href="https://b.test">https://b.test</a>.',
            "See this <https://a.test/x> or https://b.test.",
        ),
        ('<a href="mailto:a@b.test">a@b.test</a>', "a@b.test"),
        ("<p>He:</p><blockquote><p>yes</p><p>no</p></blockquote><p>so</p>", "He:\n\n> yes\n>\n> no\n\nso"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("  a \n b&nbsp;c &amp; d ", "a b c & d"),
        ('<img src="cid:x" alt="a map">', "[a map]"),
    ],
    ids=["paragraphs", "lines", "lists", "links", "address", "quotation", "preformatted", "blanks", "picture"],
)
def test_the_text_says_the_same(markup: str, text: str) -> None:
    assert text_of(markup) == text


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("a\r\nContent-Type: x.txt", "a Content-Type: x.txt"),
        ("gpj\u202efdp.exe", "gpjfdp.exe"),
        ('say "hi".txt', "say 'hi'.txt"),
        ("...", "file"),
        ("ü" * 300 + ".pdf", "ü" * 98 + ".pdf"),
    ],
)
def test_names_are_harmless(given: str, clean: str) -> None:
    assert clean_name(given) == clean


def test_types_and_pictures() -> None:
    assert clean_type("Text/HTML; charset=x") == "text/html"
    assert {clean_type("nonsense"), clean_type(None)} == {"application/octet-stream"}
    assert picture_type(b"\x89PNG\r\n\x1a\n....") == "image/png"
    assert picture_type(b"RIFF1234WEBP") == "image/webp"
    assert picture_type(b"<svg onload=x>") is None


class TestRecipients:
    own = frozenset({"support@velo.test", "answers@velo.test"})

    def mail(self, **fields: Any) -> dict[str, Any]:
        people = {
            "from": {"address": "Carla@example.test", "name": "Carla"},
            "to": [{"address": "support+x@velo.test"}, {"address": "dora@example.test"}],
            "cc": [{"address": "carla@example.test"}, {"address": "ed@example.test"}],
        }
        return people | fields

    def names(self, found: Suggested) -> tuple[list[str], list[str]]:
        return [p.address for p in found.to], [p.address for p in found.cc]

    def test_reply_goes_to_the_sender_and_reply_all_to_everybody_but_us(self) -> None:
        assert self.names(suggested(self.mail(), "reply", self.own)) == (["Carla@example.test"], [])
        all_of_them = (["Carla@example.test"], ["dora@example.test", "ed@example.test"])
        assert self.names(suggested(self.mail(), "reply_all", self.own)) == all_of_them

    def test_reply_to_counts_before_from_unless_it_is_ours(self) -> None:
        mail = self.mail(reply_to=[{"address": "shop@example.test"}])
        assert self.names(suggested(mail, "reply", self.own))[0] == ["shop@example.test"]
        ours = self.mail(reply_to=[{"address": "support@velo.test"}])
        assert self.names(suggested(ours, "reply", self.own))[0] == ["Carla@example.test"]

    def test_our_own_message_is_followed_up_to_those_who_got_it(self) -> None:
        sent = {"to": [{"address": "carla@example.test"}], "cc": [{"address": "ed@example.test"}]}
        assert self.names(suggested(sent, "reply_all", self.own)) == (["carla@example.test"], ["ed@example.test"])

    def test_a_forward_goes_to_nobody_yet(self) -> None:
        assert self.names(suggested(self.mail(), "forward", self.own)) == ([], [])

    def test_our_own_are_all_inboxes(self) -> None:
        assert own_addresses(company()) == {"support@velo.test", "sales@velo.test"}
