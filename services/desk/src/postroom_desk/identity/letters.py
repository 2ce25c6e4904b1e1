"""Mail with links by which people choose a password.

What waits says only who is wanted to get one. The link itself is made at the moment of sending, handed to whoever sends
mail, and kept by nobody but its reader: no topic, log or database ever holds it. A repeat makes another link, and the
earlier one ends.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

import structlog
from postroom_contracts.configuration import Agent, Configuration
from postroom_runtime.clock import Clock
from postroom_runtime.errors import InfrastructureError

from postroom_desk.audit.port import AuditLog, Entry
from postroom_desk.identity.credentials import Credentials
from postroom_desk.identity.links import LASTS, Purpose, address

log = structlog.get_logger(__name__)
GAPS_SECONDS = (30, 60, 120, 300, 900)
"""Wait after the first, second ... attempt; the last one repeats."""
GIVE_UP = timedelta(hours=6)
LEASE_SECONDS = 120
"""Longer than a sender takes; a letter that a process died over is taken up again after it."""
POLL_SECONDS = 2.0
State = Literal["waiting", "sent", "failed"]
NO_LOGIN = "no_login"
GAVE_UP = "gave_up"


@dataclass(frozen=True, slots=True)
class Letter:
    """The latest letter to one person. `reason`: a code, why it waits or failed."""

    agent_id: str
    purpose: Purpose
    language: str
    made_by: str
    wanted_at: datetime
    due_at: datetime
    state: State = "waiting"
    tries: int = 0
    reason: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail server took it."""


@dataclass(frozen=True, slots=True)
class NotNow:
    """It may be tried again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Never:
    """It cannot be sent."""

    reason: str


class Postman(Protocol):
    async def send(self, agent_id: str, subject: str, text: str) -> Sent | NotNow | Never:
        """Hand a mail to the person's address to a mail server, at once; it is kept nowhere."""
        ...


class LetterStore(Protocol):
    """One letter a person. Every call raises InfrastructureError when MongoDB does not answer."""

    async def want(self, letter: Letter) -> None:
        """Store it in place of an earlier one."""
        ...

    async def claim(self, now: datetime, until: datetime) -> Letter | None:
        """Take one that is due, which nobody else gets until `until`; None when none is."""
        ...

    async def mark(self, letter: Letter) -> None:
        """Store what became of it, unless another was wanted meanwhile."""
        ...

    async def all(self) -> Mapping[str, Letter]: ...


Wording = Callable[[Agent, Configuration, Purpose, str, str], tuple[str, str]]
"""Subject and text, of: who gets it, the configuration, the purpose, the link's address, the language."""


@dataclass(slots=True)
class Letters:
    """Sends what is wanted. `base` is where people reach the desk; None: links do not go by mail here.

    `postman` None: another process sends.
    """

    store: LetterStore
    credentials: Credentials
    postman: Postman | None
    wording: Wording
    clock: Clock
    base: str | None
    audit: AuditLog
    _some: asyncio.Event = field(default_factory=asyncio.Event)

    def can_send(self, configuration: Configuration) -> bool:
        """Say whether links go by mail here."""
        return self.base is not None and has_sender(configuration)

    async def want(self, agent: Agent, purpose: Purpose, language: str, made_by: str) -> None:
        """Have a link mailed to this person, soon."""
        now = self.clock.now()
        await self.store.want(Letter(agent.id, purpose, language, made_by, now, now))
        self._some.set()

    async def run(self, configuration: Callable[[], Configuration]) -> None:
        """Send for ever what is due."""
        while True:
            self._some.clear()
            try:
                while await self.send_one(configuration()):
                    pass
            except InfrastructureError as error:
                log.warning("letters wait", error=str(error))
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._some.wait()
            except TimeoutError:
                continue

    async def send_one(self, configuration: Configuration) -> bool:
        """Try one letter that is due; say whether there was one. Raises InfrastructureError."""
        now = self.clock.now()
        if self.postman is None:
            return False
        letter = await self.store.claim(now, now + timedelta(seconds=LEASE_SECONDS))
        if letter is None:
            return False
        outcome = await self._sent(letter, configuration)
        await self.store.mark(self._after(letter, outcome))
        if not isinstance(outcome, NotNow):
            await self._tell(letter, outcome)
        return True

    async def _sent(self, letter: Letter, configuration: Configuration) -> Sent | NotNow | Never:
        agent = configuration.agent(letter.agent_id)
        if agent is None or not await self.credentials.may_have_link(agent):
            return Never(NO_LOGIN)
        if not self.can_send(configuration) or self.postman is None:
            return NotNow("no_sender")
        token = await self.credentials.link(agent.id, letter.purpose, letter.made_by)
        way = address(self.base, letter.purpose, token)
        subject, text = self.wording(agent, configuration, letter.purpose, way, letter.language)
        return await self.postman.send(agent.id, subject, text)

    def _after(self, letter: Letter, outcome: Sent | NotNow | Never) -> Letter:
        now = self.clock.now()
        match outcome:
            case Sent():
                return replace(letter, state="sent", reason="", changed_at=now)
            case Never(reason):
                return replace(letter, state="failed", reason=reason, changed_at=now)
            case NotNow(reason):
                if now - letter.wanted_at > GIVE_UP:
                    return replace(letter, state="failed", reason=GAVE_UP, changed_at=now)
                gap = GAPS_SECONDS[min(letter.tries, len(GAPS_SECONDS)) - 1]
                return replace(letter, reason=reason, changed_at=now, due_at=now + timedelta(seconds=gap))

    async def _tell(self, letter: Letter, outcome: Sent | Never) -> None:
        await self.audit.record(
            Entry(
                action="link-mailed",
                outcome="done" if isinstance(outcome, Sent) else "failed",
                person=letter.agent_id,
                principal=letter.made_by,
                about=letter.agent_id,
                details={"purpose": letter.purpose}
                | ({"reason": outcome.reason} if isinstance(outcome, Never) else {}),
            )
        )


def has_sender(configuration: Configuration) -> bool:
    """Say whether some account can send mail."""
    return any(getattr(account, "smtp", None) is not None for account in configuration.accounts)


def lasts_hours(purpose: Purpose) -> int:
    return int(LASTS[purpose].total_seconds() // 3600)
