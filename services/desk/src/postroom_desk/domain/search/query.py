"""What people type into a search box, read: words, phrases, filters. Any text is a query; nothing raises.

Source of the operators: those that mail programs share (Gmail, Fastmail, Thunderbird): `from:`, `to:`, `subject:`, `has:`,
`is:`, `before:`, `after:`, quoted phrases, a minus.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from postroom_contracts.values import Status

from postroom_desk.domain.search.words import raw_words, spellings, unspaced

MOST_TERMS = 12
"""Words that are looked for; what is typed beyond them is named in `ignored`."""
LONGEST_QUERY = 500
Field = Literal["", "subject", "from", "to"]
_ITEM = re.compile(r'(-?)(?:([a-z]+):)?(?:"([^"]*)"?|([^\s"]+))', re.IGNORECASE)
_FIELDS: dict[str, Field] = {"subject": "subject", "from": "from", "to": "to"}


@dataclass(frozen=True, slots=True)
class Term:
    """One word: any of its `spellings`, in `field` (empty: anywhere). `prefix`: its beginning is enough."""

    spellings: tuple[str, ...]
    field: Field = ""
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """All of it must hold. `phrases` are words that must follow one another; their words are among `terms`, too."""

    terms: tuple[Term, ...] = ()
    excluded: tuple[Term, ...] = ()
    phrases: tuple[tuple[Term, ...], ...] = ()
    excluded_phrases: tuple[tuple[Term, ...], ...] = ()
    statuses: tuple[Status, ...] = ()
    tags: tuple[str, ...] = ()
    excluded_tags: tuple[str, ...] = ()
    inboxes: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    assignee: str | None = None
    unassigned: bool = False
    archived: bool = False
    has_attachment: bool = False
    has_note: bool = False
    before: datetime | None = None
    after: datetime | None = None
    ignored: tuple[str, ...] = ()
    """What was typed and could not be understood, as it was typed."""

    @property
    def empty(self) -> bool:
        """Nothing is asked for."""
        return replace(self, ignored=()) == SearchQuery()

    @property
    def about_state(self) -> bool:
        """Something is asked of the conversation, and not of its messages."""
        state = (self.statuses, self.tags, self.excluded_tags, self.teams, self.assignee)
        return any(state) or self.unassigned or self.archived


@dataclass(slots=True)
class _Reading:
    agent_id: str | None
    query: SearchQuery = field(default_factory=SearchQuery)

    def add(self, **more: object) -> None:
        changes = {}
        for name, value in more.items():
            before = getattr(self.query, name)
            changes[name] = (*before, *value) if isinstance(value, tuple) else value
        self.query = replace(self.query, **changes)  # type: ignore[arg-type]  # the names are this dataclass's own

    def ignore(self, item: str) -> None:
        self.add(ignored=(item,))


def parse_query(text: str, agent_id: str | None = None) -> SearchQuery:
    """Return what `text` asks for; `me` is `agent_id`. The last word may be unfinished, unless a space follows it."""
    reading = _Reading(agent_id)
    text = text[:LONGEST_QUERY]
    items = list(_ITEM.finditer(text))
    for n, item in enumerate(items):
        unfinished = n == len(items) - 1 and item.end() == len(text) and item[4] is not None
        _read(reading, item, unfinished=unfinished)
    return _bounded(reading.query)


def _bounded(query: SearchQuery) -> SearchQuery:
    over = [t.spellings[0] for t in (*query.terms[MOST_TERMS:], *query.excluded[MOST_TERMS:])]
    if not over:
        return query
    return replace(
        query,
        terms=query.terms[:MOST_TERMS],
        excluded=query.excluded[:MOST_TERMS],
        ignored=(*query.ignored, *over),
    )


def _read(reading: _Reading, item: re.Match[str], *, unfinished: bool) -> None:
    minus, name, quoted, plain = item[1] == "-", (item[2] or "").lower(), item[3], item[4]
    value = quoted if quoted is not None else plain
    if not name and plain and plain.endswith(":") and plain[:-1].lower() in (*_FIELDS, *_FILTERS):
        reading.ignore(item[0])  # still being typed
    elif name in _FIELDS:
        _read_words(reading, value, _FIELDS[name], minus=minus, phrase=quoted is not None, unfinished=unfinished)
    elif name in _FILTERS:
        if not value or not _FILTERS[name](reading, value, minus):
            reading.ignore(item[0])
    else:
        whole = f"{item[2]}:{value}" if name else value
        _read_words(reading, whole, "", minus=minus, phrase=quoted is not None, unfinished=unfinished)


def _read_words(reading: _Reading, value: str, where: Field, *, minus: bool, phrase: bool, unfinished: bool) -> None:
    terms = list(_terms(value, where))
    if not terms:
        if value.strip():
            reading.ignore(value)
        return
    if unfinished and not minus and len(terms[-1].spellings[0]) > 1:
        terms[-1] = replace(terms[-1], prefix=True)
    if minus and len(terms) > 1:  # not these words one after another; each alone may stand there
        reading.add(excluded_phrases=(tuple(terms),))
    elif minus:
        reading.add(excluded=(terms[0],))
    else:
        reading.add(terms=tuple(terms), phrases=(tuple(terms),) if phrase and len(terms) > 1 else ())


def _terms(value: str, where: Field) -> Iterator[Term]:
    for raw in raw_words(value):
        found = spellings(raw)
        if unspaced(raw):
            yield from (Term((sign,), where) for sign in found)
        elif found:
            yield Term(found, where)


# --- filters ----------------------------------------------------------------------------------------------------

_STATES = frozenset(s.value for s in Status if s != Status.MERGED)
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _slug(name: str, without: str = "") -> Callable[[_Reading, str, bool], bool]:
    def read(reading: _Reading, value: str, minus: bool) -> bool:
        where = without if minus else name
        if not where or not _SLUG.fullmatch(value.lower()):
            return False
        reading.add(**{where: (value.lower(),)})
        return True

    return read


def _assignee(reading: _Reading, value: str, minus: bool) -> bool:
    agent = value.lower()
    if agent in ("none", "nobody") and not minus:
        reading.add(unassigned=True)
        return True
    agent = (reading.agent_id or "") if agent == "me" else agent
    if minus or not _SLUG.fullmatch(agent):
        return False
    reading.add(assignee=agent)
    return True


def _is(reading: _Reading, value: str, minus: bool) -> bool:
    state = value.lower()
    if minus:
        return False
    if state in _STATES:
        reading.add(statuses=(Status(state),))
    elif state in ("unassigned", "archived"):
        reading.add(**{state: True})
    else:
        return False
    return True


def _has(reading: _Reading, value: str, minus: bool) -> bool:
    names = {
        "attachment": "has_attachment",
        "attachments": "has_attachment",
        "file": "has_attachment",
        "note": "has_note",
    }
    name = names.get(value.lower())
    if minus or name is None:
        return False
    reading.add(**{name: True})
    return True


def _day(value: str) -> tuple[date, date] | None:
    """Return the first day of what is named (a year, month or day) and the first one after it."""
    numbers = re.fullmatch(r"(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?", value)
    if numbers is None:
        return None
    year, month, day = int(numbers[1]), int(numbers[2] or 1), int(numbers[3] or 1)
    try:
        first = date(year, month, day)
        if numbers[3]:
            return first, first + timedelta(days=1)
        return first, date(year + 1, 1, 1) if not numbers[2] else date(year + month // 12, month % 12 + 1, 1)
    except (ValueError, OverflowError):
        return None


def _before(reading: _Reading, value: str, minus: bool) -> bool:
    """Before the day begins, in UTC."""
    days = _day(value)
    if minus or days is None:
        return False
    reading.add(before=datetime.combine(days[0], datetime.min.time(), UTC))
    return True


def _after(reading: _Reading, value: str, minus: bool) -> bool:
    """From the day on: with it, as mail programs have it."""
    days = _day(value)
    if minus or days is None:
        return False
    reading.add(after=datetime.combine(days[0], datetime.min.time(), UTC))
    return True


_FILTERS: dict[str, Callable[[_Reading, str, bool], bool]] = {
    "tag": _slug("tags", "excluded_tags"),
    "inbox": _slug("inboxes"),
    "team": _slug("teams"),
    "assignee": _assignee,
    "owner": _assignee,
    "is": _is,
    "has": _has,
    "before": _before,
    "after": _after,
}
