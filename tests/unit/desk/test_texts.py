"""The pages' texts: every language says everything, with the same places and all of its plural forms."""

import re
from importlib.resources import files

import pytest
from babel import Locale
from postroom_desk.console.texts import LANGUAGES, Text, UnknownTextError, language_of, read_entries, texts

FOLDER = files("postroom_desk.console")
ASKED = re.compile(r"""\b(?:t|th|texts)\(\s*["'`]([a-z_]+(?:\.[a-z_]+)*\.[a-z_]*[a-z])["'`]""")
RARE = {"fr": {"many"}, "es": {"many"}}
"""Forms for whole millions, in which `other` serves as well."""


def forms(text: Text) -> dict[str, str]:
    return {"other": text} if isinstance(text, str) else dict(text)


def places(text: Text) -> set[str]:
    return {place for form in forms(text).values() for place in re.findall(r"\{(\w+)\}", form)}


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_every_language_says_everything_with_the_same_places(language: str) -> None:
    english, other = read_entries("en"), read_entries(language)
    assert english.keys() == other.keys()
    assert {k: places(english[k]) for k in english} == {k: places(other[k]) for k in english}
    assert {k for k in english if isinstance(english[k], str)} == {k for k in other if isinstance(other[k], str)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_plurals_have_all_forms_of_their_language(language: str) -> None:
    needed = {*Locale.parse(language).plural_form.tags, "other"} - RARE.get(language, set())
    entries = read_entries(language)
    assert {k: v.keys() for k, v in entries.items() if not isinstance(v, str) and not needed <= v.keys()} == {}
    assert all(form.strip() for text in entries.values() for form in forms(text).values())


def test_what_templates_and_scripts_ask_for_is_there() -> None:
    sources = [f for folder in ("templates", "static") for f in FOLDER.joinpath(folder).iterdir() if f.is_file()]
    asked = {
        key
        for file in sources
        if file.name.endswith((".html", ".js"))
        for key in ASKED.findall(file.read_text(encoding="utf-8"))
    }
    assert len(asked) > 30
    assert asked - read_entries("en").keys() == set()


def test_a_text_is_filled_and_escaped_where_it_is_markup() -> None:
    say = texts("en")
    assert say("frame.signed_in_as", name="Ana <b>") == "Signed in as Ana <b>"
    assert say.html("frame.signed_in_as", name="Ana <b>") == "Signed in as Ana &lt;b&gt;"
    assert texts("de")("frame.js.second", n=12345) == "12.345 Sek."
    assert say.word("status", "of_a_newer-release") == "of a newer release"
    with pytest.raises(UnknownTextError):
        say("frame.nothing_of_this_name")


@pytest.mark.parametrize(
    ("preferred", "header", "language"),
    [
        (None, None, "en"),
        (None, "de-AT,de;q=0.9,en;q=0.5", "de"),
        (None, "ja, fr;q=0.2, pl;q=0.7", "pl"),
        (None, "es;q=0, nl", "en"),
        ("fr", "de", "fr"),
        ("xx", "es", "es"),
        (None, ";;;q=,,=" * 500, "en"),
    ],
    ids=["nothing", "region", "weights", "refused", "preference", "unknown preference", "rubbish"],
)
def test_the_language_is_the_preferred_one_else_the_browsers(
    preferred: str | None, header: str | None, language: str
) -> None:
    assert language_of(preferred, header) == language
