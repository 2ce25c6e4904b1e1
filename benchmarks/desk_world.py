"""A desk's database of many conversations, made by the desk's own fold and entries and written without its services.

Everything follows from the number of a conversation, so two runs make the same. Words are made up of syllables and drawn with
Zipf's frequencies (exponent 1, 40,000 words), as in texts that people write; every twentieth has an umlaut.
"""

import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data, Event, encode_body, encode_headers, new_event
from postroom_contracts.ids import content_id, derived_id
from postroom_contracts.values import Actor, AssignmentRecord, Candidates, Channel, ContentReference, Status
from postroom_desk.adapters.due_dates import due_to_mongo
from postroom_desk.domain.apply import apply
from postroom_desk.domain.due import Reckoned, due_order
from postroom_desk.domain.logged import LoggedEvent, logged_event
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.search.entries import Entry, Person, entry, people
from postroom_desk.domain.view import ConversationView
from postroom_runtime.documents import Document, to_mongo

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
YEARS = 2
INBOXES, TEAMS, AGENTS, TAGS = 8, 10, 40, 30
WORDS = 40_000
PARTITIONS = 4
MESSAGES = 5
"""Of each conversation: in, out, in, out, in; of every tenth the fourth is a note."""
_SHARES = (("open", 0.06), ("waiting", 0.09), ("snoozed", 0.10), ("spam", 0.12), ("resolved", 1.0))
_SYLLABLES = [c + v for c in "bdfgklmnprstvw" for v in ("a", "e", "i", "o", "u", "ei", "an", "er")]


def company() -> Configuration:
    """Return the configuration: eight inboxes with ten teams, forty agents of whom the first is an admin."""
    always = {day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    account = {"id": "mail", "channel": "email", "smtp": {"host": "127.0.0.1", "port": 25, "tls": "none"}}
    agents = [
        {"id": f"agent-{n}", "first_name": f"Agent{n}", "last_name": "Bench", "email": f"a{n}@bench.test"}
        for n in range(AGENTS)
    ]
    agents[0]["role"] = "admin"
    teams = [
        {"id": f"team-{n}", "name": f"Team {n}", "members": [f"agent-{a}" for a in range(n, AGENTS, TEAMS)],
         "assignment": "manual"}
        for n in range(TEAMS)
    ]  # fmt: skip
    inboxes = [
        {"id": f"inbox-{n}", "name": f"Inbox {n}", "account": "mail", "address": f"in{n}@bench.test",
         "teams": [f"team-{n}"] + ([f"team-{n + INBOXES}"] if n + INBOXES < TEAMS else [])}
        for n in range(INBOXES)
    ]  # fmt: skip
    return Configuration.model_validate(
        {
            "company": {"name": "Bench", "default_calendar": "always", "domain": "bench.test"},
            "calendars": [{"id": "always", "time_zone": "Europe/Lisbon", "hours": always}],
            "accounts": [account],
            "inboxes": inboxes,
            "teams": teams,
            "agents": agents,
            "policies": [{"id": "standard", "first_response_seconds": 14_400, "next_response_seconds": 28_800}],
            "tags": [{"id": f"tag-{n}", "name": f"Tag {n}"} for n in range(TAGS)],
        }
    )


class Vocabulary:
    """Words by rank, the most frequent first."""

    def __init__(self, size: int = WORDS) -> None:
        chance = random.Random(7)
        found: dict[str, None] = {}
        while len(found) < size:
            word = "".join(chance.choices(_SYLLABLES, k=chance.choice((1, 2, 2, 3, 3, 4))))
            found[word.replace("u", "ü", 1) if len(found) % 20 == 19 else word] = None
        self.words = list(found)
        self._shares = list(accumulate(1 / (rank + 2) for rank in range(size)))

    def text(self, chance: random.Random, count: int) -> str:
        total = self._shares[-1]
        return " ".join(self.words[bisect(self._shares, chance.random() * total)] for _ in range(count))


@dataclass(frozen=True, slots=True)
class Made:
    """One conversation: what the desk's collections hold of it."""

    document: dict[str, Any]
    content: list[dict[str, Any]]
    entries: list[Entry]
    people: list[Person]
    facts: list[LoggedEvent]


class DeskWorld:
    """Makes conversations by number, of `count` in all."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.vocabulary = Vocabulary()
        self._company = company()

    def make(self, number: int) -> Made:
        chance = random.Random(number)
        identifier = derived_id("bench-conversation", str(number))
        content = self._content(number, identifier, chance)
        view: ConversationView | None = None
        seen: dict[str, int] = {}
        facts: list[LoggedEvent] = []
        for source, time, fact in self._facts(number, chance, content):
            seen[source] = seen.get(source, 0) + 1
            event = new_event(
                fact,
                source=source,
                cause_id=f"{number}-{len(facts)}",
                subject=identifier,
                time=time,
                sequence=seen[source],
            )
            position = LogPosition(number % PARTITIONS, number // PARTITIONS * 10 + len(facts))
            view = apply(view, event, position)
            facts.append(_logged(event, position))
        assert view is not None
        document = to_mongo(Document(identifier, state=view, seen=seen), 1)
        document["due"] = due_to_mongo(Reckoned(due_order(view, self._company), 1), 1)
        texts = [(m, content[n]) for n, m in enumerate(view.messages)]
        entries = [entry(identifier, view, m, c, content[0]) for m, c in texts]
        return Made(document, content, [e for e in entries if e is not None], people(view, texts), facts)

    def _content(self, number: int, identifier: str, chance: random.Random) -> list[dict[str, Any]]:
        person = chance.randrange(self.count // 3 + 1)
        company_name = self.vocabulary.words[person % 5000 + 200]
        sender = {
            "address": f"p{person}@{company_name.replace('ü', 'ue')}.example",
            "name": f"Person {company_name.title()}",
        }
        subject = self.vocabulary.text(chance, chance.randint(3, 8))
        kinds = ["message", "reply", "message", "note" if number % 10 == 0 else "reply", "message"]
        documents = []
        for n, kind in enumerate(kinds):
            text = self.vocabulary.text(chance, chance.randint(20, 100))
            document: dict[str, Any] = {"_id": content_id(f"{identifier}-{n}"), "kind": kind, "text": text}
            document |= {"inbox_id": f"inbox-{number % INBOXES}", "sha256": "0" * 64, "attachments": []}
            if kind == "message":
                document |= {"subject": subject, "from": sender, "to": [], "cc": [], "reply_text": text, "html": None}
                document |= {"attachments": [_file(self.vocabulary, chance)] if chance.random() < 0.1 else []}
            documents.append(document)
        return documents

    def _facts(
        self, number: int, chance: random.Random, content: list[dict[str, Any]]
    ) -> Iterator[tuple[str, datetime, Data]]:
        begun = _begun(number, self.count, chance)
        agent = f"agent-{chance.randrange(AGENTS)}"
        owned = chance.random() < 0.8
        status = _status(number)
        steps = [begun + timedelta(minutes=chance.randint(5, 600)) * n for n in range(MESSAGES)]
        for n, document in enumerate(content):
            reference = ContentReference(content_id=document["_id"], sha256=document["sha256"])
            message = f"{derived_id('bench-conversation', str(number))}-{n}"
            actor = Actor(kind="agent", id=agent)
            if document["kind"] == "message":
                yield (
                    "/postroom/router",
                    steps[n],
                    _received(number, message, reference, steps[n], first=n == 0),
                )
            elif document["kind"] == "note":
                named = [f"agent-{(number // 10) % AGENTS}"]
                note = f.NoteAdded(message_id=message, actor=actor, content=reference, mentions=named)
                yield "/postroom/router", steps[n], note
            else:
                yield "/postroom/router", steps[n], _reply(number, message, reference, actor)
            if n == 0 and owned:
                yield "/postroom/assigner", steps[0], _assigned(number, agent, steps[0])
        if (end := _end(status, Actor(kind="agent", id=agent), steps[-1], archived=number % 3 > 0)) is not None:
            yield "/postroom/router", steps[-1] + timedelta(minutes=1), end


def _file(vocabulary: Vocabulary, chance: random.Random) -> dict[str, Any]:
    name = f"{vocabulary.text(chance, 1)}.pdf"
    return {"filename": name, "content_type": "application/pdf", "body_bytes": 1, "sha256": "0", "blob_id": "none"}


def _begun(number: int, count: int, chance: random.Random) -> datetime:
    """Return when it began: two years, evenly; those that are not done within the last thirty days."""
    days = 30.0 if _status(number) != Status.RESOLVED else YEARS * 365.0
    return NOW - timedelta(days=days * chance.random() + 4, seconds=number % count)


def _status(number: int) -> Status:
    share = (number * 7919 % 100_003) / 100_003
    return Status(next(name for name, below in _SHARES if share < below))


def _received(
    number: int, message: str, reference: ContentReference, at: datetime, *, first: bool
) -> f.MessageReceived:
    return f.MessageReceived(
        message_id=message,
        ledger_id=f"ledger-{message}",
        account_id="mail",
        inbox_id=f"inbox-{number % INBOXES}",
        channel=Channel.EMAIL,
        message_kind="message",
        contact_id=f"contact-{number % 70_000}",
        content=reference,
        body_bytes=900,
        received_at=at,
        ingested_at=at,
        opened=first,
        status=Status.OPEN,
        team_id=f"team-{number % TEAMS}",
        tags=[f"tag-{number % TAGS}"] if number % 2 else [],
        policy_id="standard" if number % 3 else None,
        watchers=[f"agent-{number % AGENTS}"] if number % 50 == 0 else [],
        configuration_version=1,
    )


def _reply(number: int, message: str, reference: ContentReference, actor: Actor) -> f.ReplyAccepted:
    return f.ReplyAccepted(
        message_id=message,
        inbox_id=f"inbox-{number % INBOXES}",
        channel=Channel.EMAIL,
        actor=actor,
        via="api",
        content=reference,
        recipients=[f"contact-{number % 70_000}"],
        status=Status.OPEN,
        configuration_version=1,
    )


def _assigned(number: int, agent: str, at: datetime) -> f.ConversationAssigned:
    candidates = Candidates(agent_ids=[f"agent-{n}" for n in range(4)], loads=[1, 2, 3, 4], capacities=[9, 9, 9, 9])
    record = AssignmentRecord(
        policy="least_loaded", team_id=f"team-{number % TEAMS}", eligible=candidates, left_out=[], decided_at=at,
        calendar_state={"always": "open"}, configuration_version=1,
    )  # fmt: skip
    return f.ConversationAssigned(
        agent_id=agent, team_id=f"team-{number % TEAMS}", epoch=1, reason="policy",
        actor=Actor(kind="system", id="assigner"), assigned_at=at, record=record,
    )  # fmt: skip


def _end(status: Status, actor: Actor, at: datetime, *, archived: bool) -> Data | None:
    common: dict[str, Any] = {"actor": actor, "previous": Status.OPEN}
    match status:
        case Status.WAITING:
            return f.ConversationWaiting(waiting_at=at, **common)
        case Status.SNOOZED:
            return f.ConversationSnoozed(snoozed_at=at, until=NOW + timedelta(days=3), generation=1, **common)
        case Status.SPAM:
            return f.ConversationMarkedSpam(marked_at=at, **common)
        case Status.RESOLVED if archived:
            return f.ConversationArchived(archived_at=at, resolved=True, **common)
        case Status.RESOLVED:
            return f.ConversationResolved(resolved_at=at, **common)
    return None


def _logged(event: Event, position: LogPosition) -> LoggedEvent:
    headers: dict[str, bytes | None] = dict(encode_headers(event))
    logged = logged_event(position, headers, encode_body(event.data), int(event.time.timestamp() * 1000))
    assert logged is not None
    return logged
