"""In-memory doubles of the stores of identity; test_identity_stores.py holds them to what MongoDB does."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from postroom_desk.identity.api_tokens import ApiToken, TokenNameTakenError
from postroom_desk.identity.build import Stores
from postroom_desk.identity.letters import Letter
from postroom_desk.identity.links import Link
from postroom_desk.identity.people import Person
from postroom_desk.identity.sessions import Session
from postroom_desk.identity.sign_on import Journey
from postroom_desk.identity.tries import Limit
from pwdlib.hashers.argon2 import Argon2Hasher

QUICK = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
"""argon2id without its strength: tests of log-in are not tests of hashing."""


class InMemoryPeople:
    """Port PeopleStore."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}

    async def get(self, agent_id: str) -> Person | None:
        return self.people.get(agent_id)

    async def all(self) -> list[Person]:
        return [self.people[i] for i in sorted(self.people)]

    def _change(self, agent_id: str, **fields: object) -> Person:
        person = self.people.get(agent_id, Person(agent_id))
        self.people[agent_id] = replace(person, version=person.version + 1, **fields)  # type: ignore[arg-type]
        return self.people[agent_id]

    async def add(self, agent_id: str) -> bool:
        before = self.people.get(agent_id)
        self._change(agent_id, disabled=False)
        return before is None or before.disabled

    async def set_password(self, agent_id: str, password_hash: str, at: datetime) -> Person:
        return self._change(agent_id, password_hash=password_hash, password_changed_at=at)

    async def renew_hash(self, person: Person, password_hash: str) -> None:
        now = self.people[person.agent_id]
        if now.password_hash == person.password_hash:
            self.people[person.agent_id] = replace(now, password_hash=password_hash)

    async def disable(self, agent_id: str) -> bool:
        if agent_id not in self.people:
            return False
        self._change(agent_id, disabled=True)
        return True

    async def set_second_factor(self, agent_id: str, sealed: bytes | None, recovery: Sequence[str], step: int) -> None:
        if agent_id in self.people:
            self._change(agent_id, second_factor=sealed, recovery=tuple(recovery), last_step=step)

    async def logged_in(self, agent_id: str, at: datetime, by: str) -> None:
        if person := self.people.get(agent_id):
            self.people[agent_id] = replace(person, last_login_at=at, last_login_by=by)

    async def use_step(self, agent_id: str, step: int) -> bool:
        person = self.people.get(agent_id)
        if person is None or person.last_step >= step:
            return False
        self.people[agent_id] = replace(person, last_step=step)
        return True

    async def use_recovery(self, agent_id: str, digest: str) -> bool:
        person = self.people.get(agent_id)
        if person is None or digest not in person.recovery:
            return False
        self.people[agent_id] = replace(person, recovery=tuple(d for d in person.recovery if d != digest))
        return True


class InMemorySessions:
    """Port SessionStore."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}

    async def add(self, session: Session) -> None:
        self.sessions[session.id] = session

    async def get(self, session_id: str) -> Session | None:
        return self.sessions.get(session_id)

    async def touch(self, session: Session) -> None:
        if now := self.sessions.get(session.id):
            self.sessions[session.id] = replace(
                now, seen_at=max(now.seen_at, session.seen_at), ends_at=max(now.ends_at, session.ends_at)
            )

    async def remove(self, session_id: str) -> bool:
        return self.sessions.pop(session_id, None) is not None

    async def remove_of(self, agent_id: str, but: str | None = None) -> int:
        gone = [s.id for s in self.sessions.values() if s.agent_id == agent_id and s.id != but]
        for session_id in gone:
            del self.sessions[session_id]
        return len(gone)

    async def of(self, agent_id: str) -> list[Session]:
        mine = [s for s in self.sessions.values() if s.agent_id == agent_id]
        return sorted(mine, key=lambda s: s.seen_at, reverse=True)

    async def counts(self, now: datetime) -> dict[str, int]:
        return Counter(s.agent_id for s in self.sessions.values() if s.agent_id and s.ends_at > now)

    async def alive(self, ids: Iterable[str], now: datetime) -> set[str]:
        return {i for i in ids if i in self.sessions and self.sessions[i].ends_at > now}


class InMemoryTries:
    """Port TriesStore."""

    def __init__(self) -> None:
        self.tries: dict[tuple[str, str], list[tuple[datetime, str]]] = {}

    async def take(self, limit: Limit, key: str, try_id: str, now: datetime) -> float | None:
        recent = [t for t in self.tries.get((limit.name, key), []) if t[0] > now - limit.window]
        self.tries[limit.name, key] = recent
        if len(recent) < limit.tries:
            recent.append((now, try_id))
            return None
        return max(1.0, (min(at for at, _ in recent) + limit.window - now) / timedelta(seconds=1))

    async def give_back(self, limit: Limit, key: str, try_id: str) -> None:
        kept = [t for t in self.tries.get((limit.name, key), []) if t[1] != try_id]
        self.tries[limit.name, key] = kept


class InMemoryLinks:
    """Port LinkStore."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}

    async def add(self, link: Link) -> None:
        await self.remove_of(link.agent_id)
        self.links[link.id] = link

    async def get(self, link_id: str, now: datetime) -> Link | None:
        link = self.links.get(link_id)
        return link if link and link.ends_at > now else None

    async def use(self, link_id: str, now: datetime) -> Link | None:
        link = await self.get(link_id, now)
        if link is not None:
            del self.links[link_id]
        return link

    async def remove_of(self, agent_id: str) -> int:
        gone = [i for i, link in self.links.items() if link.agent_id == agent_id]
        for link_id in gone:
            del self.links[link_id]
        return len(gone)


class InMemoryTokens:
    """Port TokenStore."""

    def __init__(self) -> None:
        self.tokens: dict[str, ApiToken] = {}

    async def add(self, token: ApiToken) -> None:
        if any((t.agent_id, t.name) == (token.agent_id, token.name) for t in self.tokens.values()):
            raise TokenNameTakenError(token.name)
        self.tokens[token.id] = token

    async def get(self, token_id: str) -> ApiToken | None:
        return self.tokens.get(token_id)

    async def of(self, agent_id: str) -> list[ApiToken]:
        mine = [t for t in self.tokens.values() if t.agent_id == agent_id]
        return sorted(mine, key=lambda t: t.created_at, reverse=True)

    async def counts(self, now: datetime) -> dict[str, int]:
        return Counter(t.agent_id for t in self.tokens.values() if t.ends_at > now)

    async def used(self, token_id: str, at: datetime) -> None:
        if token := self.tokens.get(token_id):
            self.tokens[token_id] = replace(token, used_at=max(at, token.used_at or at))

    async def remove(self, agent_id: str, token_id: str) -> bool:
        if token_id not in self.tokens or self.tokens[token_id].agent_id != agent_id:
            return False
        del self.tokens[token_id]
        return True

    async def remove_of(self, agent_id: str) -> int:
        gone = [t for t in self.tokens.values() if t.agent_id == agent_id]
        for token in gone:
            del self.tokens[token.id]
        return len(gone)


class InMemoryJourneys:
    """Port JourneyStore."""

    def __init__(self) -> None:
        self.journeys: dict[str, Journey] = {}

    async def add(self, journey: Journey) -> None:
        self.journeys[journey.id] = journey

    async def use(self, journey_id: str, now: datetime) -> Journey | None:
        journey = self.journeys.get(journey_id)
        if journey is None or journey.ends_at <= now:
            return None
        return self.journeys.pop(journey_id)


class InMemoryLetters:
    """Port LetterStore."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}

    async def want(self, letter: Letter) -> None:
        self.letters[letter.agent_id] = letter

    async def claim(self, now: datetime, until: datetime) -> Letter | None:
        due = next((x for x in self.letters.values() if x.state == "waiting" and x.due_at <= now), None)
        if due is None:
            return None
        self.letters[due.agent_id] = replace(due, due_at=until, tries=due.tries + 1)
        return self.letters[due.agent_id]

    async def mark(self, letter: Letter) -> None:
        now = self.letters.get(letter.agent_id)
        if now is not None and (now.wanted_at, now.tries) == (letter.wanted_at, letter.tries):
            self.letters[letter.agent_id] = letter

    async def all(self) -> dict[str, Letter]:
        return dict(self.letters)


@dataclass
class InMemoryStores:
    """All of them, to look into."""

    people: InMemoryPeople = field(default_factory=InMemoryPeople)
    sessions: InMemorySessions = field(default_factory=InMemorySessions)
    tries: InMemoryTries = field(default_factory=InMemoryTries)
    links: InMemoryLinks = field(default_factory=InMemoryLinks)
    tokens: InMemoryTokens = field(default_factory=InMemoryTokens)
    journeys: InMemoryJourneys = field(default_factory=InMemoryJourneys)
    letters: InMemoryLetters = field(default_factory=InMemoryLetters)

    def all(self) -> Stores:
        return Stores(self.people, self.sessions, self.tries, self.links, self.tokens, self.journeys, self.letters)
