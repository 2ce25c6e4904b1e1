"""Search queries, words and snippets."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from postroom_contracts.values import Status
from postroom_desk.domain.search.cursor import SearchCursor, decode_search_cursor, encode_search_cursor
from postroom_desk.domain.search.query import MOST_TERMS, SearchQuery, Term, parse_query
from postroom_desk.domain.search.snippets import phrase_finder, snippet
from postroom_desk.domain.search.words import fold, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Grüße aus Köln", ["grusse", "gruesse", "aus", "koln", "koeln"]),
        ("CRÈME brûlée", ["creme", "brulee"]),
        ("Łódź, Ørsted; İstanbul", ["lodz", "orsted", "istanbul"]),
        ("naïve façade", ["naive", "facade"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("Order A-1234 (7)", ["order", "1234", "7"]),
        ("ann.lee@acme.example", ["ann", "lee", "acme", "example"]),
        ("東京都 ok", ["東京", "京都", "ok"]),
        ("Ελλάδα Москва", ["ελλαδα", "москва"]),
        ("ﬁle №5", ["file", "no5"]),
        ("snake_case", ["snake", "case"]),
    ],
    ids=[
        "umlauts",
        "accents",
        "by hand",
        "diaeresis",
        "sharp s",
        "numbers",
        "address",
        "signs",
        "scripts",
        "forms",
        "joined",
    ],
)
def test_words_are_compared_as_people_read_them(text: str, found: list[str]) -> None:
    assert list(words(text)) == found


def term(word: str, field: str = "", *, prefix: bool = False) -> Term:
    return Term((word,), field, prefix)  # type: ignore[arg-type]


DAY = datetime(2025, 3, 1, tzinfo=UTC)
CASES = {
    "late order ": SearchQuery(terms=(term("late"), term("order"))),
    "late ord": SearchQuery(terms=(term("late"), term("ord", prefix=True))),
    '"Late order"': SearchQuery(terms=(term("late"), term("order")), phrases=((term("late"), term("order")),)),
    "from:Ann@acme.example ": SearchQuery(terms=tuple(term(w, "from") for w in ("ann", "acme", "example"))),
    'subject:"new bike"': SearchQuery(
        terms=(term("new", "subject"), term("bike", "subject")),
        phrases=((term("new", "subject"), term("bike", "subject")),),
    ),
    "to:bob -refund ": SearchQuery(terms=(term("bob", "to"),), excluded=(term("refund"),)),
    '-"out of office" bike ': SearchQuery(
        terms=(term("bike"),), excluded_phrases=((term("out"), term("of"), term("office")),)
    ),
    "tag:VIP -tag:spam-like inbox:sales team:t1": SearchQuery(
        tags=("vip",), excluded_tags=("spam-like",), inboxes=("sales",), teams=("t1",)
    ),
    "assignee:me is:open is:snoozed": SearchQuery(assignee="ana", statuses=(Status.OPEN, Status.SNOOZED)),
    "assignee:none is:archived has:attachment has:note": SearchQuery(
        unassigned=True, archived=True, has_attachment=True, has_note=True
    ),
    "before:2025-03 after:2025-03-01": SearchQuery(before=DAY, after=DAY),
    "is:loud before:soon -is:open tag:a/b": SearchQuery(ignored=("is:loud", "before:soon", "-is:open", "tag:a/b")),
    "http://acme.example ": SearchQuery(terms=(term("http"), term("acme"), term("example"))),
    "müller ": SearchQuery(terms=(Term(("muller", "mueller")),)),
    "- : from: '' ": SearchQuery(ignored=("-", ":", "from:", "''")),
    "is:merged": SearchQuery(ignored=("is:merged",)),
}


@pytest.mark.parametrize("text", CASES)
def test_a_query_is_read_as_mail_programs_read_it(text: str) -> None:
    found = parse_query(text, "ana")
    wanted = CASES[text]
    assert found == SearchQuery(**{**{s: getattr(wanted, s) for s in SearchQuery.__slots__}, "ignored": found.ignored})
    if wanted.ignored:
        assert found.ignored == wanted.ignored


def test_more_words_than_are_looked_for_are_named() -> None:
    found = parse_query(" ".join(f"w{n}x" for n in range(MOST_TERMS + 2)) + " ")
    assert (len(found.terms), found.ignored) == (MOST_TERMS, ("w12x", "w13x"))


TEXTS = st.text(st.sampled_from('abßéüŁ東 -":.@0\n\t$(){}[]\\^*\x00😀İ') | st.characters(), max_size=80)
ITEMS = st.sampled_from(
    ["from:", "is:open", "-", '"', "tag:", "before:2025-13", "after:0000", "東京", "{$gt:1}", "a" * 60]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS | ITEMS, max_size=8).map(" ".join))
def test_any_text_is_a_query_and_only_holds_words_that_texts_have(text: str) -> None:
    query = parse_query(text, "ana")
    assert len(query.terms) <= MOST_TERMS
    for wanted in (*query.terms, *query.excluded):
        assert wanted.spellings
        for spelling in wanted.spellings:
            assert list(words(spelling)) == [spelling]
    assert query.empty or parse_query(text + " ", "ana") != SearchQuery()


@settings(max_examples=200, deadline=None)
@given(TEXTS)
@example("\u32c0")  # a sign that is a word in compatibility form alone
@example("cafe\u0301s")
@example("a\u00bc")
def test_words_of_a_text_find_it_and_its_snippet_is_of_its_characters(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    terms = [term(word) for word in list(words(text))[:3]]
    pieces = snippet(text, terms)
    assert "".join(p.text for p in pieces).strip("…") in " ".join(text.split())
    assert not terms or any(p.marked for p in pieces)


def test_a_snippet_shows_the_hit_with_what_stands_around_it() -> None:
    text = "word " * 40 + "the <b>Brakes</b> squeal " + "end " * 60
    pieces = snippet(text, [term("brake", prefix=True)])
    marked = [p.text for p in pieces if p.marked]
    assert marked == ["Brakes"]
    assert pieces[0].text == "…"
    assert pieces[-1].text == "…"
    assert 150 < sum(len(p.text) for p in pieces) < 200
    assert [p.text for p in snippet("Nothing of it", [term("brakes")])] == ["Nothing of it"]


def test_a_phrase_stands_together_in_whatever_spelling() -> None:
    holds = phrase_finder(parse_query('"müller straße"').phrases[0])
    assert holds("Bei der MUELLER-STRASSE links")
    assert holds("Müller a. Straße")
    assert not holds("Straße Müller")
    assert not holds("Müller Straßenbahn")
    signs = phrase_finder(parse_query('"東京都"').phrases[0])
    assert signs("私は東京都に住む")
    assert not signs("京都 東京")


def test_a_cursor_comes_back_as_it_was_and_a_strange_one_is_refused() -> None:
    cursor = SearchCursor(DAY, 50)
    assert decode_search_cursor(encode_search_cursor(cursor)) == cursor
    for bad in ("", "x", encode_search_cursor(SearchCursor(DAY, -1)), "WyJuZXdlc3QiLCJ4IiwieSJd"):
        with pytest.raises(ValueError, match="cursor"):
            decode_search_cursor(bad)
