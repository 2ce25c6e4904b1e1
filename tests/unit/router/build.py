"""What the router's tests are made of: a small company, its customers' mail, and one conversation to play through."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from postroom_contracts.commands import AcceptMessage
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data
from postroom_contracts.facts import Fact
from postroom_contracts.ids import derived_id, digest, message_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.values import Actor, Channel, ContentReference
from postroom_router.domain.company import Company, company_of
from postroom_router.domain.conversation import EMPTY, Conversation
from postroom_router.domain.decide import decide
from postroom_router.domain.outcome import Asked, Passed, World

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
KEYS = (b"a-signing-key-of-the-tests-0001",)
ANN = Actor(kind="agent", id="ann")
BEN = Actor(kind="agent", id="ben")
SYSTEM = Actor(kind="system", id="router-thread")
CONVERSATION = derived_id("a conversation")
OTHER = derived_id("another conversation")
TEXT = ContentReference(content_id="text", sha256="0" * 64)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def configuration(rules: Sequence[dict[str, Any]] = (), **company: Any) -> Configuration:
    return Configuration.model_validate(
        {
            "company": {
                "name": "Acme",
                "default_calendar": "always",
                "domain": "acme.test",
                "answer_address": "answers@acme.test",
                **company,
            },
            "calendars": [{"id": "always", "time_zone": "UTC", "hours": {}}],
            "accounts": [{"id": "mail", "channel": "email", "smtp": {"host": "127.0.0.1", "port": 25}}],
            "inboxes": [
                {
                    "id": "support",
                    "name": "Support",
                    "account": "mail",
                    "address": "support@acme.test",
                    "aliases": ["help@acme.test"],
                    "teams": ["first", "second"],
                    "source_of_contact": "web",
                    "policy": "standard",
                },
                {"id": "sales", "name": "Sales", "account": "mail", "address": "sales@acme.test", "teams": ["second"]},
            ],
            "teams": [
                {"id": "first", "name": "First", "members": ["ann"]},
                {"id": "second", "name": "Second", "members": ["ann", "ben"]},
            ],
            "agents": [
                {"id": "ann", "first_name": "Ann", "email": "Ann@acme.test"},
                {"id": "ben", "first_name": "Ben", "email": "ben@acme.test"},
                {"id": "eve", "first_name": "Eve", "email": "eve@acme.test", "enabled": False},
            ],
            "policies": [{"id": "standard"}, {"id": "gold"}],
            "rules": list(rules),
        }
    )


def company(rules: Sequence[dict[str, Any]] = (), **section: Any) -> Company:
    return company_of(configuration(rules, **section), 7)


def inbound(
    name: str = "one", *, minutes: float = 0, sender: str = "cleo@example.test", **fields: Any
) -> InboundReceived:
    """Return the mail that `name` stands for: the same name gives the same ids."""
    inbox_id = fields.pop("inbox_id", "support")
    ledger = digest("ledger", name)
    values: dict[str, Any] = {
        "message_id": message_id(ledger, inbox_id),
        "ledger_id": ledger,
        "account_id": "mail",
        "inbox_id": inbox_id,
        "channel": Channel.EMAIL,
        "external_id": f"{name}@example.test",
        "sender": {"address": sender},
        "to": [{"address": "support@acme.test"}],
        "subject": f"About {name}",
        "text": "Where is my parcel?",
        "content": {"content_id": f"content-{name}", "sha256": "0" * 64},
        "received_at": at(minutes),
        "ingested_at": at(minutes),
    }
    return InboundReceived.model_validate({**values, **fields})


def contact_of(address: str) -> str:
    return derived_id("contact", address)


class EveryContact(dict[str, str]):
    """A contact id for whoever is asked for, always the same."""

    def __missing__(self, key: str) -> str:
        return contact_of(key.partition(":")[2])


def world(rules: Sequence[dict[str, Any]] = (), **fields: Any) -> World:
    return World(company=company(rules), contacts=EveryContact(), keys=KEYS, **fields)


class Played:
    """One conversation, played through command by command. After each, its counter is compared with the facts."""

    def __init__(
        self, rules: Sequence[dict[str, Any]] = (), conversation_id: str = CONVERSATION, **fields: Any
    ) -> None:
        self.world = world(rules, **fields)
        self.id = conversation_id
        self.state: Conversation = EMPTY
        self.facts: list[Fact] = []
        self.passed: list[Passed] = []
        self.minute = 0.0
        self._requests = 0

    def play(self, command: Data, minutes: float | None = None) -> list[Fact]:
        """Decide `command` and return its facts."""
        self.minute = self.minute + 1 if minutes is None else minutes
        self._requests += 1
        found = decide(self.state, command, Asked(self.id, f"request-{self._requests}", at(self.minute)), self.world)
        if found is None:
            return []
        self.state = Conversation.model_validate(found.state.model_dump(exclude_defaults=True))
        assert self.state == found.state, "the state is not what comes back from storage"
        self.facts += found.facts
        self.passed += found.commands
        assert self.state.sequence == len(self.facts)
        return list(found.facts)

    def mail(self, name: str = "one", *, minutes: float | None = None, **fields: Any) -> list[Fact]:
        minute = self.minute + 1 if minutes is None else minutes
        return self.play(AcceptMessage(inbound=inbound(name, minutes=minute, **fields)), minute)

    def one(self, command: Data, minutes: float | None = None) -> Any:
        """Decide `command` and return its only fact."""
        (fact,) = self.play(command, minutes)
        return fact

    @property
    def seen(self) -> int:
        return self.state.sequence


def names(facts: Sequence[Fact]) -> list[str]:
    return [type(f).__name__ for f in facts]
