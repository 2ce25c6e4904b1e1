"""Thirty days of generated history: what the services would have written, marked as generated.

Facts and texts are made as the owning services make them (ids, sequences per source, the record of each assignment) and
put on `conversation-events` before any service runs. Router, assigner and notifier never see them: their groups begin
behind them, nothing is sent, and every conversation is resolved. Analytics and desk fold them like any others.
"""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts import ids
from postroom_contracts.business_time import is_open, next_opening
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Event, new_event
from postroom_contracts.fields import to_milliseconds
from postroom_contracts.registry import source_of
from postroom_contracts.values import Actor, AssignmentRecord, Candidates, Channel, ContentReference, Priority, Status
from postroom_runtime.content_store import text_sha256

from postroom_demo import mails
from postroom_demo.company import HISTORY_TAG
from postroom_demo.languages import LANGUAGES
from postroom_demo.people import CUSTOMERS, INBOXES, Customer, InboxPlan

DAYS = 30
CONVERSATIONS = 440
"""So many are begun; a few of the last hours are not over at the start, and left out."""
_LAST_HOURS = 6
_OVER_BEFORE = timedelta(minutes=5)


@dataclass(slots=True)
class History:
    """What to write. `events` are in the order of their times; `documents` belong into the content store."""

    events: list[Event] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Conversation:
    """One conversation while it is written: numbers facts per source."""

    id: str
    inbox: InboxPlan
    customer: Customer
    contact_id: str
    version: int
    tags: list[str]
    sequences: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def add(self, service: str, fact: f.Fact, at: datetime, cause_id: str) -> str:
        """Append a fact of `service`; return its id."""
        self.sequences[service] = self.sequences.get(service, 0) + 1
        event = new_event(
            fact,
            source=source_of(service),
            cause_id=cause_id,
            subject=self.id,
            time=at,
            sequence=self.sequences[service],
            discriminator=str(self.sequences[service]),
        )
        self.events.append(event)
        return event.id


def generate(configuration: Configuration, version: int, start: datetime, seed: int) -> History:
    """Return the history before `start` under one version of the configuration. The same arguments give the same."""
    rng = random.Random(seed)
    contacts = {c.address: str(uuid.UUID(int=rng.getrandbits(128), version=4)) for c in CUSTOMERS}
    history = History()
    for number, began in enumerate(_beginnings(configuration, start, rng)):
        inbox, customer = _pick(rng), rng.choice(CUSTOMERS)
        conversation = _Conversation(
            id=ids.conversation_id(inbox.id, f"{HISTORY_TAG}-{seed}-{number}"),
            inbox=inbox,
            customer=customer,
            contact_id=contacts[customer.address],
            version=version,
            tags=[inbox.id, HISTORY_TAG],
        )
        documents: list[dict[str, Any]] = []
        _write(conversation, configuration, began, rng, documents)
        if conversation.events[-1].time < start - _OVER_BEFORE:
            history.events += conversation.events
            history.documents += documents
    history.events.sort(key=lambda event: event.time)
    return history


def _pick(rng: random.Random) -> InboxPlan:
    return rng.choices(INBOXES, [inbox.share for inbox in INBOXES])[0]


def _beginnings(configuration: Configuration, start: datetime, rng: random.Random) -> Iterator[datetime]:
    """Yield when each conversation began: four of five in the company's hours, fewer at weekends, in order."""
    calendar = configuration.calendar(configuration.company.default_calendar)
    latest = start - timedelta(hours=_LAST_HOURS)
    found: list[datetime] = []
    while len(found) < CONVERSATIONS:
        at = latest - timedelta(seconds=rng.uniform(0, DAYS * 86_400))
        weekend = at.weekday() > 4
        wanted = (1.0 if is_open(calendar, at) else 0.12) * (0.35 if weekend else 1.0)
        if rng.random() < wanted:
            found.append(to_milliseconds(at))
    yield from sorted(found)


def _write(
    c: _Conversation, configuration: Configuration, began: datetime, rng: random.Random, documents: list[dict[str, Any]]
) -> None:
    draft = mails.first_mail(c.customer, c.inbox, began, rng)
    received = _received(c, draft.subject, draft.text, began, rng, documents, opened=True)
    agent = rng.choice(c.inbox.members)
    assigned_at = _when_on_duty(c, configuration, received.at)
    epoch = 1
    if assigned_at - received.at > timedelta(minutes=1):
        _queued(c, received, configuration)
        epoch = 2
    _assigned(c, received, agent, assigned_at, epoch, configuration)
    at = assigned_at + _minutes(rng, 12, 0.9)
    at = _answered(c, agent, received, draft.subject, at, rng, documents)
    for _ in range(rng.choices((0, 1, 2), (0.55, 0.33, 0.12))[0]):
        at += _minutes(rng, 90, 0.8)
        text = rng.choice(LANGUAGES[c.customer.language].more)
        received = _received(c, f"Re: {draft.subject}", text, at, rng, documents, opened=False)
        at = _answered(c, agent, received, draft.subject, at + _minutes(rng, 20, 0.9), rng, documents)
    at += _minutes(rng, 40, 0.7)
    c.add(
        "router",
        f.ConversationResolved(actor=Actor(kind="agent", id=agent), previous=Status.OPEN, resolved_at=at),
        at,
        ids.derived_id("generated-request", c.id),
    )
    c.add(
        "assigner",
        f.ConversationUnassigned(
            previous_agent_id=agent,
            team_id=c.inbox.team,
            epoch=epoch + 1,
            reason="resolved",
            actor=Actor(kind="agent", id=agent),
            unassigned_at=at,
        ),
        at,
        c.events[-1].id,
    )


def _minutes(rng: random.Random, median: float, spread: float) -> timedelta:
    """Return a span that is long now and then, as answering is: log-normal around `median` minutes, at most 20 hours."""
    return timedelta(milliseconds=round(min(median * rng.lognormvariate(0, spread), 1200) * 60_000))


@dataclass(frozen=True, slots=True)
class _Received:
    at: datetime
    event_id: str
    message_id: str
    content: ContentReference


def _content(
    c: _Conversation, message_id: str, kind: str, text: str, subject: str, documents: list[dict[str, Any]], **more: Any
) -> ContentReference:
    reference = ContentReference(content_id=ids.content_id(message_id), sha256=text_sha256(text))
    documents.append(
        {
            "_id": reference.content_id,
            "kind": kind,
            "inbox_id": c.inbox.id,
            "text": text,
            "html": None,
            "sha256": reference.sha256,
            "subject": subject,
            "attachments": [],
            "generated": True,
            **more,
        }
    )
    return reference


def _received(
    c: _Conversation,
    subject: str,
    text: str,
    at: datetime,
    rng: random.Random,
    documents: list[dict[str, Any]],
    *,
    opened: bool,
) -> _Received:
    ledger_id = ids.digest("ledger", HISTORY_TAG, c.id, str(len(c.events)))
    message_id = ids.message_id(ledger_id, c.inbox.id)
    external_id = f"{ledger_id}@generated.example"
    content = _content(
        c,
        message_id,
        "message",
        text,
        subject,
        documents,
        **{"from": {"address": c.customer.address, "name": c.customer.name}},
        reply_to=[],
        to=[{"address": c.inbox.address, "name": ""}],
        cc=[],
        external_id=external_id,
        in_reply_to=[],
        references=[],
        raw_blob_id=None,
        received_at=at,
        reply_text=None,
    )
    ingested = at + timedelta(milliseconds=rng.randrange(80, 900))
    fact = f.MessageReceived(
        href=f"/api/v1/conversations/{c.id}/messages/{message_id}",
        message_id=message_id,
        ledger_id=ledger_id,
        account_id=f"{c.inbox.id}-mail",
        inbox_id=c.inbox.id,
        channel=Channel.EMAIL,
        message_kind="message",
        contact_id=c.contact_id,
        content=content,
        body_bytes=len(text.encode()) + 900,
        received_at=at,
        ingested_at=ingested,
        opened=opened,
        status=Status.OPEN,
        source_of_contact=c.inbox.id,
        tags=c.tags,
        team_id=c.inbox.team,
        policy_id="standard",
        configuration_version=c.version,
    )
    return _Received(at, c.add("router", fact, ingested, message_id), message_id, content)


def _when_on_duty(c: _Conversation, configuration: Configuration, at: datetime) -> datetime:
    calendar = configuration.calendar(f"{c.inbox.team}-hours")
    begins = next_opening(calendar, at)
    assert begins is not None
    return to_milliseconds(max(begins, at) + timedelta(seconds=1))


def _record(
    c: _Conversation, configuration: Configuration, at: datetime, eligible: tuple[str, ...]
) -> AssignmentRecord:
    team = configuration.team(c.inbox.team)
    assert team is not None
    calendar = configuration.calendar(f"{c.inbox.team}-hours")
    everybody = Candidates(agent_ids=list(eligible), loads=[0] * len(eligible))
    return AssignmentRecord(
        policy=team.assignment,
        team_id=c.inbox.team,
        eligible=everybody,
        decided_at=at,
        calendar_state={calendar.id: "open" if is_open(calendar, at) else "closed"},
        configuration_version=c.version,
    )


def _queued(c: _Conversation, received: _Received, configuration: Configuration) -> None:
    fact = f.ConversationQueued(
        team_id=c.inbox.team,
        epoch=1,
        queued_at=received.at,
        priority=Priority.NORMAL,
        reason="nobody_on_duty",
        record=_record(c, configuration, received.at, ()),
    )
    c.add("assigner", fact, received.at + timedelta(seconds=1), received.event_id)


def _assigned(
    c: _Conversation, received: _Received, agent: str, at: datetime, epoch: int, configuration: Configuration
) -> None:
    # The chosen first: with equal loads it is who was least recently given one.
    order = (agent, *(one for one in c.inbox.members if one != agent))
    fact = f.ConversationAssigned(
        agent_id=agent,
        team_id=c.inbox.team,
        epoch=epoch,
        reason="policy" if epoch == 1 else "queue",
        actor=Actor(kind="system", id="assigner"),
        assigned_at=at,
        waited_since=None if epoch == 1 else received.at,
        record=_record(c, configuration, at, order),
    )
    c.add("assigner", fact, at, received.event_id)


def _answered(
    c: _Conversation,
    agent: str,
    received: _Received,
    subject: str,
    at: datetime,
    rng: random.Random,
    documents: list[dict[str, Any]],
) -> datetime:
    """Write the agent's answer and its sending; return when it was sent."""
    message_id = ids.derived_id("generated-reply", c.id, str(len(c.events)))
    text = rng.choice(LANGUAGES[c.customer.language].answers).format(customer=c.customer.name)
    content = _content(c, message_id, "reply", text, f"Re: {subject}", documents)
    accepted = f.ReplyAccepted(
        href=f"/api/v1/conversations/{c.id}/messages/{message_id}",
        message_id=message_id,
        inbox_id=c.inbox.id,
        channel=Channel.EMAIL,
        actor=Actor(kind="agent", id=agent),
        via=rng.choice(("mail", "console")),
        content=content,
        recipients=[c.contact_id],
        answers=received.content,
        answers_message_id=received.message_id,
        status=Status.OPEN,
        configuration_version=c.version,
    )
    cause = c.add("router", accepted, at, message_id)
    sent_at = at + timedelta(milliseconds=rng.randrange(200, 2500))
    delivery_id = ids.derived_id("delivery", cause, "reply", "customer")
    c.add("notifier", f.MessageSent(message_id=message_id, delivery_id=delivery_id, sent_at=sent_at), sent_at, cause)
    return sent_at
