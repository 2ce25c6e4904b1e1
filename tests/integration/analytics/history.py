"""Made-up histories of conversations as they stand on `conversation-events`: every kind of fact, seeded, valid."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data, Event, new_event
from postroom_contracts.ids import derived_id
from postroom_contracts.registry import BY_TYPE
from postroom_contracts.values import Actor, AssignmentRecord, ContentReference

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CONTENT = ContentReference(content_id="content", sha256="0" * 64)
RULE = Actor(kind="rule", id="policy")


def company() -> Configuration:
    """Two inboxes with a team each, in Berlin office hours; everything is owed within four hours."""
    days = {day: [{"start": "09:00", "end": "17:00"}] for day in ("mon", "tue", "wed", "thu", "fri")}
    return Configuration.model_validate(
        {
            "company": {"name": "Acme", "default_calendar": "office"},
            "calendars": [{"id": "office", "time_zone": "Europe/Berlin", "hours": days}],
            "inboxes": [
                {"id": i, "name": i, "account": "mail", "address": f"{i}@acme.test", "teams": [t], "policy": "gold"}
                for i, t in (("support", "care"), ("billing", "money"))
            ]
            + [
                {"id": "own", "name": "own", "account": "mail", "address": "own@acme.test", "teams": [], "owner": "ann"}
            ],
            "accounts": [{"id": "mail", "channel": "email"}],
            "teams": [
                {"id": "care", "name": "Care", "members": ["ann", "bob"]},
                {"id": "money", "name": "Money", "members": ["cyd"]},
            ],
            "agents": [
                {"id": name, "first_name": name.title(), "email": f"{name}@acme.test"} for name in ("ann", "bob", "cyd")
            ],
            "policies": [{"id": "gold", "first_response_seconds": 14_400, "resolution_seconds": 28_800}],
        }
    )


@dataclass
class Chronicle:
    """Writes the facts of one conversation, each source counting its own."""

    conversation_id: str
    inbox: str = "support"
    now: datetime = START
    version: int = 1
    sequences: Counter[str] = field(default_factory=Counter)
    made: int = 0

    def fact(self, data: Data) -> Event:
        source = BY_TYPE[data.type_name()].producers[0]
        self.sequences[source] += 1
        self.made += 1
        return new_event(
            data,
            source=f"/postroom/{source}",
            cause_id=derived_id(self.conversation_id, str(self.made)),
            subject=self.conversation_id,
            time=self.now,
            sequence=self.sequences[source],
        )

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def team(self) -> str:
        return "care" if self.inbox == "support" else "money"

    def customer(self, **changes: Any) -> Event:
        opened = not self.sequences["router"]
        given = {
            "message_id": f"{self.conversation_id}-{self.made}",
            "ledger_id": f"ledger-{self.made}",
            "account_id": "mail",
            "inbox_id": self.inbox,
            "channel": "email",
            "message_kind": "message",
            "contact_id": "contact",
            "content": CONTENT,
            "body_bytes": 100,
            "received_at": self.now,
            "ingested_at": self.now,
            "opened": opened,
            "status": "open",
            "tags": [self.inbox],
            "team_id": self.team,
            "policy_id": "gold",
            "configuration_version": self.version,
        }
        return self.fact(f.MessageReceived.model_validate(given | changes))

    def assigned(self, agent: str) -> Event:
        self.made += 1
        return self.fact(
            f.ConversationAssigned(
                agent_id=agent,
                team_id=self.team,
                epoch=self.sequences["assigner"] + 1,
                reason="policy",
                actor=RULE,
                assigned_at=self.now,
                record=AssignmentRecord(policy="round_robin", decided_at=self.now, configuration_version=self.version),
            )
        )

    def accepted(self, agent: str, message_id: str) -> Event:
        return self.fact(
            f.ReplyAccepted(
                message_id=message_id,
                inbox_id=self.inbox,
                channel="email",
                actor=Actor(kind="agent", id=agent),
                via="api",
                content=CONTENT,
                recipients=["contact"],
                status="open",
                configuration_version=self.version,
            )
        )

    def sent(self, message_id: str) -> Event:
        return self.fact(f.MessageSent(message_id=message_id, delivery_id=f"d-{message_id}", sent_at=self.now))

    def failed(self, message_id: str) -> Event:
        return self.fact(
            f.MessageFailed(
                message_id=message_id,
                delivery_id=f"d-{message_id}",
                failed_at=self.now,
                reason="refused",
                permanent=True,
            )
        )

    def resolved(self, agent: str) -> Event:
        actor = Actor(kind="agent", id=agent)
        return self.fact(f.ConversationResolved(actor=actor, resolved_at=self.now, previous="open"))

    def spam(self) -> Event:
        actor = Actor(kind="agent", id="ann")
        return self.fact(f.ConversationMarkedSpam(actor=actor, marked_at=self.now, previous="open"))

    def not_spam(self) -> Event:
        return self.fact(
            f.ConversationUnmarkedSpam(
                actor=Actor(kind="agent", id="ann"), unmarked_at=self.now, previous="spam", status="open"
            )
        )


def histories(count: int, seed: int = 1, prefix: str = "c") -> list[list[Event]]:
    """Return the facts of `count` conversations, in the order of their log."""
    random_ = random.Random(f"{seed}{prefix}")
    return [list(_history(derived_id(prefix, str(seed), str(n)), random_)) for n in range(count)]


def _history(conversation_id: str, random_: random.Random) -> Iterator[Event]:
    one = Chronicle(
        conversation_id, random_.choice(["support", "billing"]), START + timedelta(minutes=random_.randrange(6000))
    )
    agents = ["ann", "bob"] if one.inbox == "support" else ["cyd"]
    yield one.customer()
    yield one.assigned(random_.choice(agents))
    for turn in range(random_.randrange(5)):
        agent, message = random_.choice(agents), f"{conversation_id}-r{turn}"
        one.later(random_.randrange(30, 30_000))
        match random_.randrange(8):
            case 0 | 1 | 2:
                yield one.accepted(agent, message)
                one.later(2)
                yield one.sent(message)
            case 3:
                yield one.accepted(agent, message)
                yield one.failed(message)
            case 4:
                yield one.resolved(agent)
            case 5:
                yield one.spam()
                if random_.random() < 0.5:
                    yield one.not_spam()
            case 6:
                yield one.assigned(random_.choice(agents))
            case _:
                yield one.customer(received_at=one.now - timedelta(seconds=20))


def mixed(histories_: Sequence[Sequence[Event]], seed: int = 1) -> list[Event]:
    """Return all facts in one order that keeps that of each conversation."""
    random_ = random.Random(seed)
    waiting = [list(history) for history in histories_ if history]
    result: list[Event] = []
    while waiting:
        position = random_.randrange(min(len(waiting), 20))
        result.append(waiting[position].pop(0))
        if not waiting[position]:
            waiting.pop(position)
    return result
