"""The message that is answered, quoted below the reply as mail clients do: for those alone who have it already."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from postroom_notifier.domain.headers import mail_address, one_line
from postroom_notifier.domain.markup import html_of, plain_text, safe_html

MAX_TEXT_CHARACTERS = 20_000
"""More of the text is cut: the text of an answer holds the earlier ones, so it would grow with each round."""
MAX_HTML_CHARACTERS = 60_000
"""Longer HTML is quoted as text: Gmail hides what stands beyond 102 kB of a mail."""
MAX_HTML_TAGS = 4_000
"""So is HTML with more tags: parsers take quadratic time for what is nested deep (1 s for 12,000)."""
_CUT = "[...]"
_ATTRIBUTIONS: Mapping[str, tuple[str, str]] = {
    "de": ("Am {at:%d.%m.%Y} um {at:%H:%M} schrieb {who}:", "{who} schrieb:"),
    "en": ("On {at:%Y-%m-%d} at {at:%H:%M}, {who} wrote:", "{who} wrote:"),
    "es": ("El {at:%d/%m/%Y} a las {at:%H:%M}, {who} escribió:", "{who} escribió:"),
    "fr": ("Le {at:%d/%m/%Y} à {at:%H:%M}, {who} a écrit :", "{who} a écrit :"),
    "it": ("Il {at:%d/%m/%Y} alle {at:%H:%M}, {who} ha scritto:", "{who} ha scritto:"),
    "nl": ("Op {at:%d-%m-%Y} om {at:%H:%M} schreef {who}:", "{who} schreef:"),
    "pl": ("W dniu {at:%d.%m.%Y} o {at:%H:%M} {who} pisze:", "{who} pisze:"),
    "pt": ("Em {at:%d/%m/%Y} às {at:%H:%M}, {who} escreveu:", "{who} escreveu:"),
}
"""With and without a time, in the forms of well-known clients, so that theirs fold it away again."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """The same quotation as text and as HTML, each with its line of attribution."""

    text: str
    html: str


def quotation(answered: Mapping[str, Any], *, language: str, time_zone: str) -> Quotation | None:
    """Return what is quoted of the message; None when there is nothing to read in it."""
    markup = str(answered.get("html") or "")
    text = (str(answered.get("text") or "") or plain_text(markup)).replace("\r\n", "\n").strip("\n")
    if not text.strip():
        return None
    head = _attribution(answered, language, time_zone)
    if len(text) > MAX_TEXT_CHARACTERS:
        text = f"{text[:MAX_TEXT_CHARACTERS].rstrip()}\n{_CUT}"
    as_html = 0 < len(markup) <= MAX_HTML_CHARACTERS and markup.count("<") <= MAX_HTML_TAGS
    inner = safe_html(markup, images=False) if as_html else html_of(text)
    # Class and structure are Gmail's: it is what most clients know to fold.
    quoted = (
        f'<div class="gmail_quote"><div class="gmail_attr">{html.escape(head)}<br></div>'
        '<blockquote class="gmail_quote" type="cite" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">'
        f"{inner}</blockquote></div>"
    )
    lines = (f">{line}" if line.startswith(">") or not line else f"> {line}" for line in text.split("\n"))
    return Quotation("\n".join([head, *lines]), quoted)


def _attribution(answered: Mapping[str, Any], language: str, time_zone: str) -> str:
    sender = answered.get("from") or {}
    name, address = one_line(str(sender.get("name") or ""), 100), one_line(str(sender.get("address") or ""), 254)
    who = f"{name} <{address}>" if name and address else name or address or "?"
    timed, untimed = _ATTRIBUTIONS.get(language.lower().partition("-")[0], _ATTRIBUTIONS["en"])
    at = answered.get("received_at")
    if not isinstance(at, datetime):
        return untimed.format(who=who)
    known = at if at.tzinfo else at.replace(tzinfo=UTC)
    return timed.format(at=known.astimezone(ZoneInfo(time_zone)), who=who)


def participants(answered: Mapping[str, Any]) -> frozenset[str]:
    """Return who has the message: its sender, those who are to get answers, and its recipients; lower case."""
    people = [answered.get("from") or {}]
    for field in ("reply_to", "to", "cc"):
        people += answered.get(field) or []
    found = (mail_address(str(person.get("address") or "")) for person in people)
    return frozenset(address.lower() for address in found if address)
