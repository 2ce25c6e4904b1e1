# ruff: noqa: E501 - tables of mails read better in long lines
"""Whatever a quote holds, the words that a person wrote above, below or beside it are seen; and it takes bounded time."""

import html
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_ingest.domain.mail.html_text import html_to_text
from postroom_ingest.domain.mail.reply_text import visible_reply, visible_reply_html

OWN = ("Yes, twelve chairs.", "Danke, das passt so.", "好的，谢谢", "Спасибо за ответ", "👍", "It is ready, see you")
MARKS = (
    "On Tue, Feb 3, 2026 at 9:05 AM Ann Bell <ann@acme.example> wrote:",
    "Am 03.02.2026 um 09:05 schrieb Ann Bell:",
    "Ann Bell <ann@acme.example> 于2026年2月3日周二 09:05写道：",
)
HOSTILE = (
    "On Tue, Feb 3, 2026 at 9:05 AM Tom <tom@x.example> wrote:", "wrote:", "Ann wrote:", "<ann@acme.example> wrote:", "schrieb:", ":",
    "-----Original Message-----", "---------- Forwarded message ---------", "Begin forwarded message:", "________________________________",
    "From: Ann <ann@acme.example>", "Sent: Tuesday", "To: Tom", "Subject: x", "-- ", "--", "---", "Sent from my iPhone", "Get Outlook for iOS",
    "> deeper", ">>>> deepest", "| bar", "2026-02-03 09:05", "<", ">", "", "ok?", "写道：", "\u200b", "\ufeff", "a" * 80, "##- Please type your reply above this line -##",
)  # fmt: skip
histories = st.lists(st.sampled_from(HOSTILE), max_size=12)


@given(st.sampled_from(OWN), st.sampled_from(MARKS), histories, st.booleans())
@settings(max_examples=150, deadline=None)
def test_words_above_history_are_seen_whatever_it_holds(own: str, mark: str, history: list[str], marked: bool) -> None:
    quote = "\n".join(f"> {line}" if marked else line for line in history)
    assert visible_reply(f"{own}\n\n{mark}\n{quote}\n").visible.startswith(own)


@given(st.sampled_from(OWN), st.sampled_from(MARKS), histories)
@settings(max_examples=150, deadline=None)
def test_words_below_a_marked_quote_are_seen_whatever_it_holds(own: str, mark: str, history: list[str]) -> None:
    quote = "\n".join(f"> {line}" for line in ["first", *history])
    assert own in visible_reply(f"{mark}\n{quote}\n\n{own}\n").visible
    assert own in visible_reply(f"{quote}\n\n{own}\n").visible
    for heading in (mark, f"------- Original Message -------\n{mark}"):
        visible = visible_reply(f"words above\n\n{heading}\n{quote}\n\n{own}\n").visible
        assert "words above" in visible
        assert own in visible


@given(st.sampled_from(OWN), st.sampled_from(OWN), histories, histories)
@settings(max_examples=150, deadline=None)
def test_answers_between_quotes_are_seen_whatever_those_hold(a: str, b: str, one: list[str], two: list[str]) -> None:
    quotes = ["\n".join(f"> {line}" for line in ["first", *history]) for history in (one, two)]
    visible = visible_reply(f"{MARKS[0]}\n{quotes[0]}\n\n{a}\n\n{quotes[1]}\n\n{b}\n").visible
    assert a in visible
    assert b in visible


PARTS = (
    '<div id="divRplyFwdMsg"><b>From:</b> Ann<br><b>Sent:</b> Tuesday</div>', '<div id="appendonsend"></div>', '<hr id="stopSpelling">', "<div class=gmail_quote>x</div>",
    '<div style="border:none;border-top:solid #E1E1E1 1.0pt">x</div>', '<div class="gmail_signature">x</div>', "<blockquote type=cite>x</blockquote>", "<blockquote>x</blockquote>",
    "<pre>&gt; x\n-- \nx</pre>", '<div class="yahoo_quoted">x</div>', '<div name="quote">x</div>', "<div>---------- Forwarded message</div>", '<div id="Signature">x</div>', "<div>" * 300 + "x" + "</div>" * 300,
    '<div data-marker="__DIVIDER__"></div>', "<table><tr><td>From: a@b.example</table>", "<img src=x>", "</p>", "<includetail>x</includetail>", "<style>x", "<!-- x",
)  # fmt: skip


@given(
    st.sampled_from(OWN),
    st.lists(st.one_of(st.sampled_from(PARTS[:-2]), st.sampled_from(HOSTILE).map(html.escape)), max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_words_beside_a_quote_in_html_are_seen_whatever_it_holds(own: str, parts: list[str]) -> None:
    cited = f'<blockquote type="cite"><p>first</p>{"".join(f"<p>{part}</p>" for part in parts)}</blockquote>'
    held = f'<div class="gmail_quote"><div class="gmail_attr">{html.escape(MARKS[0])}</div><blockquote class="gmail_quote">first{"".join(parts)}</blockquote></div>'
    for markup in (f"<p>{own}</p>{cited}", f"{cited}<p>{own}</p>", f"<p>{own}</p>{held}", f"{held}<p>{own}</p>"):
        assert own in html_to_text(visible_reply_html(markup).visible)


@given(st.lists(st.sampled_from(PARTS), max_size=20).map("".join))
@settings(max_examples=100, deadline=None)
def test_no_markup_makes_it_raise(markup: str) -> None:
    visible_reply_html(markup)
    visible_reply(markup)


MANY = 1_000_000
MOST_SECONDS = 8  # the slowest takes one here; what grows with the square of the length takes minutes anywhere
TEXTS = {
    "quote marks": ">" * MANY, "quoted lines": "> \n" * (MANY // 3), "one line": "x" * MANY, "attributions": f"{MARKS[0]}\n" * 100_000, "attributions and quotes": f"{MARKS[0]}\n> x\n" * (MANY // 70),
    "one line of attributions": "On Mon wrote: " * (MANY // 14), "answers": "> a\nbcd\n" * (MANY // 8), "headings and quotes": "-----Original Message-----\n> x\n" * (MANY // 28), "fields": "From: a@b.example\n" * (MANY // 18),
    "delimiters": "-- \n" * (MANY // 4), "footers and quotes": "Sent from my iPhone\n> x\n" * (MANY // 24), "rules": "_" * MANY, "bars": "wrote:\n| a\n" * (MANY // 11), "open addresses": ("<" * 150 + "\n:\n") * (MANY // 153),
    "leads": ("On " + "a " * 90 + ":\n") * (MANY // 185), "names": ("Aaaa " * 35 + "schrieb 1.1.1111 :\n") * (MANY // 190), "invisible": "\u00a0\u200b" * (MANY // 2), "empty lines": "\n" * MANY,
}  # fmt: skip
MARKUPS = {
    "horizontal rules": "a<hr>" * 190_000, "inline": "<i>a</i>" * 125_000,
    "divs": "<div>" * 50_000, "blockquotes": "<blockquote>" * 50_000, "cited": "<blockquote type=cite>x" * 40_000, "holders": "<div class=gmail_quote>x" * 40_000, "tables": "<table><tr><td>" * 30_000,
    "pairs": "<blockquote type=cite>a</blockquote>bcd" * 25_000, "lines": "<pre>" + "> x\n" * 250_000, "breaks": "<br>" * 250_000, "open tag": "<a '" * 250_000, "comments": "<!--" * 250_000, "classes": f"<p class='{'a ' * 400_000}'>x",
    "empty": "<blockquote>" * 1000 + "<i></i>" * 100_000, "less": "<" * MANY, "attributions": "<p>On Tue, Feb 3, 2026 at 10:00 Ann wrote:</p>" * 20_000,
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_million_signs_of_crafted_text_take_seconds_and_not_minutes(name: str) -> None:
    started = time.process_time()
    visible_reply(TEXTS[name])
    assert time.process_time() - started < MOST_SECONDS


@pytest.mark.parametrize("name", MARKUPS)
def test_a_million_signs_of_crafted_html_take_seconds_and_not_minutes(name: str) -> None:
    started = time.process_time()
    visible_reply_html(MARKUPS[name])
    assert time.process_time() - started < MOST_SECONDS


def test_words_below_a_quote_of_three_million_signs_are_seen() -> None:
    quote = "> an old line of the mail that was answered\n" * 70_000
    assert visible_reply(f"{MARKS[0]}\n{quote}\nYes, twelve chairs.\n").visible == "Yes, twelve chairs."


def test_words_behind_large_pictures_in_html_are_seen() -> None:
    picture = f'<img src="data:image/png;base64,{"A" * 2_000_000}">'
    assert "Yes, twelve chairs." in visible_reply_html(f"<p>{picture}</p><p>Yes, twelve chairs.</p>").visible


def test_lines_and_signs_of_the_writer_stay_as_they_are() -> None:
    own = "A list:\n\n\n   - one \n   - two\u00a0chairs\n\n👨\u200d👩\u200d👧 می\u200cخواهم"
    reply = visible_reply(f"{own}\n\n{MARKS[0]}\n> ok?\n")
    assert reply.visible == own
    assert re.fullmatch(rf"{re.escape(MARKS[0])}\n> ok\?", reply.quoted)
