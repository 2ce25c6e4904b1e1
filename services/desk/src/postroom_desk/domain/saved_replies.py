"""Saved replies: Liquid with bounds, its variables checked before it is stored, filled for one conversation.

Brackets (`[customer.first_name|there]`) are Liquid in short. Source: https://shopify.github.io/liquid/
"""

import html as html_escape
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liquid import Environment
from liquid.exceptions import LiquidError
from postroom_contracts.configuration import Agent, Configuration
from postroom_contracts.templates import REPLY_VARIABLES, liquid_of

from postroom_desk.domain.preview import values as sender_values
from postroom_desk.domain.written import clean_html, text_of

MAX_SHOWN = 20
_FORBIDDEN_TAGS = ("include", "render", "tablerow", "increment", "decrement")
"""They read other templates, or mean nothing here."""


class _Bounded(Environment):
    """What a template may cost, whoever wrote it."""

    loop_iteration_limit = 1_000
    output_stream_limit = 200_000
    local_namespace_limit = 20_000
    context_depth_limit = 10
    block_nesting_limit = 10


def _environment(*, autoescape: bool) -> Environment:
    found = _Bounded(autoescape=autoescape)
    for tag in _FORBIDDEN_TAGS:
        found.tags.pop(tag, None)
    return found


_TEXT, _HTML = _environment(autoescape=False), _environment(autoescape=True)


class TemplateFaultError(ValueError):
    """What is wrong with a saved reply, in words."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One saved reply. `owner` None: of the configuration."""

    id: str
    name: str
    text: str
    html: str | None = None
    teams: tuple[str, ...] = ()
    owner: str | None = None


def faults(saved: Saved) -> list[str]:
    """Return what is wrong with it, by field; empty: it can be used."""
    found: list[str] = []
    for name, text, environment in (("text", saved.text, _TEXT), ("html", saved.html or "", _HTML)):
        try:
            _check(text, environment)
        except TemplateFaultError as error:
            found.append(f"{name}: {error}")
    return found


def _check(text: str, environment: Environment) -> None:
    try:
        used = environment.from_string(liquid_of(text)).analyze()
    except LiquidError as error:
        raise TemplateFaultError(str(error).partition("\n")[0][:300]) from error
    names = {str(variable).partition("[")[0] for variables in used.globals.values() for variable in variables}
    if unknown := sorted(names - set(REPLY_VARIABLES)):
        raise TemplateFaultError(f"[{unknown[0]}] is not a variable; there is {', '.join(REPLY_VARIABLES)}")


def rendered(saved: Saved, values: Mapping[str, Mapping[str, str] | str]) -> tuple[str, str]:
    """Return text and HTML. Raises TemplateFaultError when a bound is met."""
    try:
        text = _tidy(_TEXT.from_string(liquid_of(saved.text)).render(**values))
        markup = _HTML.from_string(liquid_of(saved.html)).render(**values) if saved.html else ""
    except LiquidError as error:
        raise TemplateFaultError(str(error).partition("\n")[0][:300]) from error
    clean = clean_html(markup) if markup else html_of(text)
    return text if text.strip() else text_of(clean), clean


def _tidy(text: str) -> str:
    """Take away what an empty variable leaves: blanks at the end of a line, and before a comma."""
    return re.sub(r"[ \t]+(?=[,.!?]|$)", "", text, flags=re.MULTILINE)


def html_of(text: str) -> str:
    paragraphs = re.split(r"\n{2,}", text.strip("\n"))
    return "".join(f"<p>{html_escape.escape(p, quote=False).replace(chr(10), '<br>')}</p>" for p in paragraphs if p)


def values_for(
    configuration: Configuration, agent: Agent | None, inbox_id: str, contact: Mapping[str, str], subject: str
) -> dict[str, Any]:
    """Return what the variables stand for in one conversation."""
    first, last = names_of(contact.get("name", ""))
    flat = sender_values(configuration, agent)
    inbox = configuration.inbox(inbox_id)
    return {
        "customer": {
            "first_name": first,
            "last_name": last,
            "name": f"{first} {last}".strip(),
            "email": _line(contact.get("address", "")),
        },
        "agent": {name: flat.get(f"agent.{name}", "") for name in ("first_name", "last_name", "title")},
        "calendar_link": flat.get("calendar_link", ""),
        "company": flat["company"],
        "inbox": {"address": inbox.address if inbox else ""},
        "conversation": {"subject": _line(subject)},
    }


def names_of(name: str) -> tuple[str, str]:
    """Return first and last name as mail programs write them; both empty for what is no person's name."""
    shown = _line(name).strip("'\"")
    if "@" in shown or not any(c.isalpha() for c in shown):
        return "", ""
    if "," in shown:
        last, _, first = shown.partition(",")
        return first.strip(), last.strip()
    first, _, last = shown.partition(" ")
    return first, last.strip()


def _line(value: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f\u2028\u2029]", " ", value).split())[:200]


def found_by(saved: Sequence[Saved], query: str) -> list[Saved]:
    """Return at most 20 that fit: first those whose name begins with it, then in the name, then in the text."""
    wanted = query.strip().casefold()

    def rank(one: Saved) -> int | None:
        name = one.name.casefold()
        if name.startswith(wanted) or one.id.startswith(wanted):
            return 0
        if all(word in name for word in wanted.split()):
            return 1
        return 2 if all(word in f"{name} {one.text.casefold()}" for word in wanted.split()) else None

    ranked = [(r, one.name.casefold(), one) for one in saved if (r := rank(one)) is not None]
    return [one for _, _, one in sorted(ranked, key=lambda x: x[:2])][:MAX_SHOWN]


def of_configuration(configuration: Configuration, agent_id: str | None) -> list[Saved]:
    """Return those of this person's teams and of everybody; of nobody in particular: all."""
    teams = {t.id for t in configuration.teams if agent_id in t.members}
    return [
        Saved(r.id, r.name, r.text, r.html, tuple(r.teams))
        for r in configuration.saved_replies
        if agent_id is None or not r.teams or teams & set(r.teams)
    ]
