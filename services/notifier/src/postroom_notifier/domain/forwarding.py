"""A message that is passed on to third parties, below what the agent wrote: in the form that mail clients give it."""

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from postroom_notifier.domain.headers import one_line
from postroom_notifier.domain.history import MAX_HTML_CHARACTERS, MAX_HTML_TAGS, Quotation
from postroom_notifier.domain.markup import html_of, plain_text, safe_html

MAX_TEXT_CHARACTERS = 200_000
"""More of a text is cut. Unlike a quotation it is what the mail is for, so it may be long."""
_LABELS: Mapping[str, tuple[str, str, str, str, str, str]] = {
    "de": ("Weitergeleitete Nachricht", "Von", "Datum", "Betreff", "An", "Kopie"),
    "en": ("Forwarded message", "From", "Date", "Subject", "To", "Cc"),
    "es": ("Mensaje reenviado", "De", "Fecha", "Asunto", "Para", "Cc"),
    "fr": ("Message transféré", "De", "Date", "Objet", "À", "Cc"),
    "it": ("Messaggio inoltrato", "Da", "Data", "Oggetto", "A", "Cc"),
    "nl": ("Doorgestuurd bericht", "Van", "Datum", "Onderwerp", "Aan", "Cc"),
    "pl": ("Przekazana wiadomość", "Od", "Data", "Temat", "Do", "Dw"),
    "pt": ("Mensagem encaminhada", "De", "Data", "Assunto", "Para", "Cc"),
}
"""Heading, then the names of the fields. Ten hyphens on each side of it are Gmail's, which most clients recognise."""


def forwarded(original: Mapping[str, Any], *, language: str, time_zone: str, sender: str) -> Quotation:
    """Return the whole message with its head. `sender`: who wrote it where it says nobody: our own address."""
    markup = str(original.get("html") or "")
    text = (str(original.get("text") or "") or plain_text(markup)).replace("\r\n", "\n").strip("\n")
    if len(text) > MAX_TEXT_CHARACTERS:
        text = f"{text[:MAX_TEXT_CHARACTERS].rstrip()}\n[...]"
    heading, *lines = _head(original, language, time_zone, sender)
    as_html = 0 < len(markup) <= MAX_HTML_CHARACTERS * 10 and markup.count("<") <= MAX_HTML_TAGS
    inner = safe_html(markup) if as_html else html_of(text)
    head = "<br>\n".join(html.escape(line) for line in (heading, *lines))
    shown = f'<div class="gmail_quote"><div class="gmail_attr">{head}<br><br></div>\n<div>{inner}</div></div>'
    return Quotation("\n".join([heading, *lines, "", text]), shown)


def _head(original: Mapping[str, Any], language: str, time_zone: str, sender: str) -> list[str]:
    heading, *names = _LABELS.get(language.lower().partition("-")[0], _LABELS["en"])
    values = (
        _people([original["from"]] if original.get("from") else []) or sender,
        _date(original.get("received_at"), time_zone),
        one_line(str(original.get("subject") or ""), 500),
        _people(original.get("to") or []),
        _people(original.get("cc") or []),
    )
    fields = (f"{name}: {value}" for name, value in zip(names, values, strict=True) if value)
    return [f"---------- {heading} ----------", *fields]


def _people(people: list[Mapping[str, Any]]) -> str:
    shown = []
    for person in people[:20]:
        name, address = one_line(str(person.get("name") or ""), 100), one_line(str(person.get("address") or ""), 254)
        shown.append(f"{name} <{address}>" if name and address else name or address)
    return ", ".join(one for one in shown if one)


def _date(at: object, time_zone: str) -> str:
    if not isinstance(at, datetime):
        return ""
    known = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(ZoneInfo(time_zone))
    return f"{known:%Y-%m-%d %H:%M} ({known:%z})"
