"""Some 9000 replies by hand, each as one client writes it in one language, and how many of them are split rightly.

The rules were written while the half `seen` was looked at. The half `held-out` was written before them, from what
clients do, and is never looked at while a rule changes: it says how well what nobody has seen is split.
"""

from collections import Counter
from functools import cache

import pytest
from postroom_ingest.domain.mail.html_text import html_to_text
from postroom_ingest.domain.mail.reply_text import visible_reply

from tests.unit.ingest.reply_cases import Case, load_cases, squeezed

CLIENTS = ("gmail", "apple", "thunderbird", "yahoo", "proton", "outlook", "outlook-web", "outlook-mobile", "footer")
LANGUAGES = "en de fr es it pt nl pl da sv no fi ru uk tr ja zh-hans zh-hant ko".split()  # noqa: SIM905 - reads as a list
NOBODY_WROTE = {"only-quote"}
BARS = {"seen": 0.98, "held-out": 0.85}


@cache
def judged(half: str) -> list[tuple[Case, list[str]]]:
    return [(case, case.faults()) for case in load_cases(half)]


@pytest.mark.parametrize("half", BARS)
def test_replies_are_split_rightly(half: str) -> None:
    wrong = [(case.id, faults) for case, faults in judged(half) if faults]
    assert len(wrong) <= (1 - BARS[half]) * len(judged(half)), wrong[:20]


@pytest.mark.parametrize("half", BARS)
@pytest.mark.parametrize("part", [*CLIENTS, *LANGUAGES])
def test_no_client_and_no_language_is_left_behind(half: str, part: str) -> None:
    results = [(case.id, faults) for case, faults in judged(half) if part in (case.client, case.language)]
    wrong = [result for result in results if result[1]]
    assert len(results) >= 40
    assert len(wrong) <= (1 - BARS[half]) * len(results), wrong[:20]


@pytest.mark.parametrize("half", BARS)
def test_what_a_person_wrote_is_never_empty(half: str) -> None:
    assert [
        case.id for case, _ in judged(half) if case.id not in NOBODY_WROTE and not case.split().visible.strip()
    ] == []


def test_each_client_has_ten_cases_in_each_language_and_half() -> None:
    for half in BARS:
        count = Counter((case.client, case.language) for case, _ in judged(half))
        few = [(client, language) for client in CLIENTS for language in LANGUAGES if count[client, language] < 9]
        assert few == []


@pytest.mark.parametrize("half", BARS)
def test_mails_of_html_alone_show_the_same_words_when_they_are_read_as_text(half: str) -> None:
    """Such a mail has no text part: `> ` before the lines of its blockquotes keeps answers below and between them."""
    cases = [case for case, _ in judged(half) if case.kind == "html" and case.visible]
    wrong = [
        case.id
        for case in cases
        if squeezed(case.visible or "") not in squeezed(visible_reply(html_to_text(case.body)).visible)
    ]
    assert len(wrong) <= 0.02 * len(cases), wrong[:20]
