"""What the checker counts from: what was sent, what lies in mailboxes, what stands on the topics. Nothing of ours else."""

import email
import email.policy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from faults.feeder import SentAnswer
from faults.mails import PlannedMail
from faults.reading import ANSWER_TOKEN, CUSTOMER_TOKEN, message_ids, own_text, refused_answer
from faults.records import Record
from faults.sink import Delivered

SENDS_IN_FLIGHT = 8
"""The most that one death of the sender or of its server can repeat."""


@dataclass(frozen=True, slots=True)
class Mailed:
    """One mail in a mailbox, as far as it tells what it is. `conversation` and `delivery` stand in its Message-ID."""

    recipient: str
    message_id: str
    conversation: str
    delivery: str
    customer_token: str | None
    answer_token: str | None
    """The agent's text that went out (to a customer) or was given back (to an agent)."""


def read_mail(found: Delivered, agents: frozenset[str]) -> Mailed:
    """Return what a mail tells. A Message-ID of another form leaves conversation and delivery empty."""
    mail = email.message_from_bytes(found.content, policy=email.policy.default)
    ids = message_ids(mail["Message-ID"])
    parts = ids[0].partition("@")[0].split(".") if ids else []
    conversation, delivery = parts[:2] if len(parts) == 3 else ("", "")
    text = own_text(mail)
    if found.recipient in agents:
        answer = refused_answer(text)
    else:
        token = ANSWER_TOKEN.search(text)
        answer = token.group(0) if token else None
    about = CUSTOMER_TOKEN.search(str(mail["Subject"]))
    message_id = ids[0] if ids else ""
    return Mailed(found.recipient, message_id, conversation, delivery, about.group(0) if about else None, answer)


@dataclass(frozen=True)
class Evidence:
    """Everything that the checker sees. `agents` maps an agent's id to the address, `kills` counts SIGKILLs."""

    mails: Sequence[PlannedMail]
    answers: Sequence[SentAnswer]
    inbound: Sequence[Record]
    events: Sequence[Record]
    mailed: Sequence[Mailed]
    agents: Mapping[str, str]
    kills: Mapping[str, int]
    parked: int = 0
    """Records on topics of dead letters."""


@dataclass
class Findings:
    """What is not as it must be, one line for each, and how many mails came more than once."""

    lost: list[str] = field(default_factory=list)
    duplicate_effects: list[str] = field(default_factory=list)
    misthreaded: list[str] = field(default_factory=list)
    without_owner: list[str] = field(default_factory=list)
    received: int = 0
    """Mails that stand in the log: nothing can be said of a build in which nothing does."""
    repeated_mails: int = 0
    repeated_mails_allowed: int = 0

    @property
    def counts(self) -> dict[str, int]:
        return {
            name: len(getattr(self, name)) for name in ("lost", "duplicate_effects", "misthreaded", "without_owner")
        }


@dataclass(frozen=True)
class Log:
    """The events, each once, in the order in which a reader that keeps to the numbers takes them."""

    records: Sequence[Record]

    @cached_property
    def distinct(self) -> list[Record]:
        """The first of each (source, id), in the order of the log."""
        first: dict[tuple[str, str], Record] = {}
        for record in self.records:
            first.setdefault((record.source, record.id), record)
        return list(first.values())

    def of_type(self, *types: str) -> list[Record]:
        return [record for record in self.distinct if record.type in types]

    @cached_property
    def by_conversation(self) -> dict[str, list[Record]]:
        """Conversation -> its events; one that came before its predecessor stands behind it."""
        found: dict[str, list[Record]] = {}
        for record in self.distinct:
            found.setdefault(record.subject, []).append(record)
        return {subject: _by_number(records) for subject, records in found.items()}

    @cached_property
    def merged(self) -> dict[str, str]:
        """Conversation -> the one into which it was merged."""
        return {record.subject: record.data["target_id"] for record in self.of_type("conversation-merged")}

    def final(self, conversation: str) -> str:
        """Return where a conversation's life goes on after all merges; itself if it was not merged."""
        seen = {conversation}
        while (following := self.merged.get(conversation)) is not None and following not in seen:
            conversation = following
            seen.add(following)
        return conversation


def _by_number(records: Sequence[Record]) -> list[Record]:
    """Take each source's events in the order of their numbers, waiting for one that is late, not for one that is missing."""
    taken: list[Record] = []
    expected: dict[str, int] = {}
    waiting: list[Record] = []
    for record in records:
        waiting.append(record)
        progress = True
        while progress:
            progress = False
            for held in list(waiting):
                if held.sequence <= expected.get(held.source, 0) + 1:
                    expected[held.source] = max(held.sequence, expected.get(held.source, 0))
                    taken.append(held)
                    waiting.remove(held)
                    progress = True
    return [*taken, *waiting]
