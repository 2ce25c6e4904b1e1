"""The words of the pages: `texts/<area>.<language>.toml`, read once, looked up by `area.key` and filled with names and plurals.

A text is a string with `{name}` places, or a table of plural forms (`one`, `few`, `many`, `other`), chosen by the number `n`.
Source of the plural rules: Unicode CLDR, through Babel.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from babel import Locale
from babel.numbers import format_decimal
from markupsafe import Markup

LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "pl": "Polski",
}
DEFAULT = "en"
_FORMS = frozenset({"zero", "one", "two", "few", "many", "other"})
_ACCEPTED = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,30})?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*")
_SCRIPT = ".js."
"""Keys below a table `[js]` of an area are given to the page's scripts too."""

Text = str | Mapping[str, str]


class UnknownTextError(LookupError):
    """A template or a script asks for a text that no file has."""


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts of one language; one that is missing in it is taken from English."""

    language: str
    locale: Locale
    entries: Mapping[str, Text]

    def __call__(self, key: str, /, **values: Any) -> str:
        """Return the text with its places filled; whole numbers are written as the language does.

        Raises UnknownTextError, or KeyError when a value is missing.
        """
        return self._form(key, values.get("n")).format_map({k: self._shown(v) for k, v in values.items()})

    def html(self, key: str, /, **values: Any) -> Markup:
        """Return it as markup: the text may hold tags, the values are escaped (unless they are markup)."""
        return Markup(self._form(key, values.get("n"))).format(**{k: self._shown(v) for k, v in values.items()})  # noqa: S704 - our own file

    def has(self, key: str) -> bool:
        return key in self.entries

    def word(self, group: str, code: str) -> str:
        """Return the word for a code of the contracts, such as `status.open`; a code of a newer release is shown as words."""
        key = f"words.{group}.{code}"
        return self(key) if key in self.entries else code.replace("_", " ").replace("-", " ")

    def script(self) -> dict[str, Text]:
        """Return what the page's scripts may say."""
        return {key: text for key, text in self.entries.items() if _SCRIPT in key}

    def _form(self, key: str, n: Any) -> str:
        text = self.entries.get(key)
        if text is None:
            raise UnknownTextError(key)
        if isinstance(text, str):
            return text
        if not isinstance(n, int):
            raise UnknownTextError(f"{key} has plural forms: it needs a number n")
        return text.get(self.locale.plural_form(n)) or text["other"]

    def _shown(self, value: Any) -> Any:
        counted = isinstance(value, int) and not isinstance(value, bool)
        return format_decimal(value, locale=self.locale) if counted else value


@cache
def texts(language: str) -> Texts:
    """Return the texts of one of LANGUAGES; of English for any other."""
    if language not in LANGUAGES:
        language = DEFAULT
    own = read_entries(language)
    entries = own if language == DEFAULT else {**read_entries(DEFAULT), **own}
    return Texts(language, Locale.parse(language), entries)


@cache
def read_entries(language: str) -> Mapping[str, Text]:
    """Return `area.key` to text of all files of a language."""
    found: dict[str, Text] = {}
    suffix = f".{language}.toml"
    for file in sorted(files(__package__).joinpath("texts").iterdir(), key=lambda f: f.name):
        if file.name.endswith(suffix):
            area = file.name.removesuffix(suffix)
            found |= dict(_flat(area, tomllib.loads(file.read_text(encoding="utf-8"))))
    return found


def _flat(prefix: str, table: Mapping[str, Any]) -> Iterable[tuple[str, Text]]:
    for name, value in table.items():
        key = f"{prefix}.{name}"
        if isinstance(value, str) or ("other" in value and value.keys() <= _FORMS):
            yield key, value
        else:
            yield from _flat(key, value)


def language_of(preferred: str | None, accepted: str | None) -> str:
    """Return the preferred language if we speak it, else the best of an Accept-Language header. Source: RFC 9110, 12.5.4."""
    if preferred in LANGUAGES:
        return str(preferred)
    wishes = [m for part in (accepted or "")[:1000].split(",")[:20] if (m := _ACCEPTED.fullmatch(part))]
    spoken = [(float(m[2] or 1), -n, m[1].lower()) for n, m in enumerate(wishes) if m[1].lower() in LANGUAGES]
    best = max(spoken, default=(0.0, 0, DEFAULT))
    return best[2] if best[0] > 0 else DEFAULT
