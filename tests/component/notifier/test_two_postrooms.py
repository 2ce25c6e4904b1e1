"""Two Postrooms that face each other: the address of the one's agent is the inbox of the other, and the other way round.

Real parsing, threading, routing and notifying, with bytes of mail in between; only the assigner is a stand-in, the worst one:
it gives every new conversation to the one agent there is.
"""

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from postroom_contracts.commands import AcceptMessage
from postroom_contracts.configuration import Configuration, MailAccount
from postroom_contracts.events import Data, Event, new_event
from postroom_contracts.facts import ConversationAssigned, MessageReceived
from postroom_contracts.ids import derived_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import signed_message_id
from postroom_contracts.values import Actor, AssignmentRecord
from postroom_ingest.domain.inbound import mail_intake
from postroom_ingest.domain.mail import parse_mail
from postroom_notifier.domain.conversation import Conversation as Told
from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.follow import Surroundings, follow
from postroom_notifier.domain.notification_mail import notification_mail
from postroom_router.domain.answers import Ordinary, answer_of
from postroom_router.domain.company import company_of
from postroom_router.domain.conversation import Conversation as Routed
from postroom_router.domain.decide import decide
from postroom_router.domain.outcome import Asked, World
from postroom_router.domain.threading import Placing, names_of

NOW = datetime(2026, 3, 6, 14, tzinfo=UTC)
Mail = tuple[str, bytes]
"""One mail on its way: the envelope's recipient, and the bytes."""


class EveryContact(dict[str, str]):
    """A contact id for whoever is asked for, always the same."""

    def __missing__(self, key: str) -> str:
        return derived_id("contact", key)


def configuration(name: str, agent_email: str, **inbox: Any) -> Configuration:
    return Configuration.model_validate(
        {
            "company": {
                "name": name,
                "default_calendar": "always",
                "domain": f"{name}.test",
                "answer_address": f"answers@{name}.test",
            },
            "calendars": [{"id": "always", "time_zone": "UTC", "hours": {}}],
            "accounts": [{"id": "mail", "channel": "email", "smtp": {"host": "127.0.0.1", "port": 25}}],
            "inboxes": [
                {"id": "i", "name": name, "account": "mail", "address": f"support@{name}.test", "teams": ["t"], **inbox}
            ],
            "teams": [{"id": "t", "name": "T", "members": ["ana"]}],
            "agents": [{"id": "ana", "first_name": "Ana", "email": agent_email}],
        }
    )


class Postroom:
    """Ingest, router and notifier of one company, as pure functions over states in memory."""

    def __init__(self, settings: Configuration) -> None:
        self.settings = settings
        self.company = company_of(settings, 1)
        self.key = f"signing-key-of-{settings.company.name}-0001".encode()
        self.world = World(company=self.company, contacts=EveryContact(), keys=[self.key])
        self.now = NOW
        self.placing = Placing({})
        self.routed: dict[str, Routed] = {}
        self.told: dict[str, Told] = {}
        self.sequences: dict[tuple[str, str], int] = {}
        self.deliveries: list[Delivery] = []
        self.kinds: list[str] = []

    def take(self, raw: bytes) -> Iterator[Mail]:
        """Take one mail in, and yield what leaves because of it."""
        self.now += timedelta(seconds=1)
        account = self.settings.accounts[0]
        assert isinstance(account, MailAccount)
        intake = mail_intake(
            parse_mail(raw), raw, account=account, configuration=self.settings, received_at=None, now=self.now
        )
        contents = {d["_id"]: d for d in intake.documents}
        for event in intake.events:
            assert isinstance(event.data, InboundReceived)
            self.kinds.append(event.data.message_kind)
            for fact in self._route(event.data):
                yield from self._tell(fact, contents)

    def _route(self, inbound: InboundReceived) -> Iterator[Event]:
        assert isinstance(answer_of(inbound, self.company, (self.key,)), Ordinary)
        home = self.placing.place(names_of(inbound, [self.key])).home
        asked = Asked(home, inbound.message_id, self.now)
        outcome = decide(self.routed.get(home), AcceptMessage(inbound=inbound), asked, self.world)
        assert outcome is not None
        self.routed[home] = outcome.state
        for fact in outcome.facts:
            yield self._event("router", home, fact)
            if isinstance(fact, MessageReceived) and fact.opened:
                yield self._event("assigner", home, self._assigned())

    def _assigned(self) -> ConversationAssigned:
        record = AssignmentRecord(policy="least_loaded", decided_at=self.now, configuration_version=1)
        return ConversationAssigned(
            agent_id="ana",
            epoch=1,
            reason="policy",
            actor=Actor(kind="system", id="assigner"),
            assigned_at=self.now,
            record=record,
        )

    def _event(self, source: str, conversation: str, data: Data) -> Event:
        number = self.sequences.get((source, conversation), 0) + 1
        self.sequences[source, conversation] = number
        return new_event(
            data,
            source=f"/postroom/{source}",
            cause_id=f"{source}-{conversation}-{number}",
            subject=conversation,
            time=self.now,
            sequence=number,
        )

    def _tell(self, event: Event, contents: dict[str, Any]) -> Iterator[Mail]:
        around = Surroundings(self.now, lambda _version: self.settings, 1, {}, timedelta(hours=72))
        state = follow(self.told.get(event.subject), event, around)
        self.told[event.subject] = state.after(due=())
        for delivery in state.due:
            self.deliveries.append(delivery)
            if delivery.state != "due":
                continue
            mail = notification_mail(
                delivery,
                self.settings,
                {role: contents[i] for role, i in delivery.contents.items() if i in contents},
                desk_url=f"https://desk.{self.settings.company.name}.test",
                message_id=signed_message_id(event.subject, delivery.id, self.settings.company.domain, self.key),
                now=self.now,
                key=self.key,
            )
            yield from ((recipient, mail.body) for recipient in mail.recipients)


def customer_mail(subject: str = "Where is my parcel?", **headers: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Carla <carla@example.test>", "support@left.test", subject
    mail["Message-ID"] = f"<{subject.replace(' ', '-')}@example.test>"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("Where is it?")
    return mail.as_bytes()


def exchange(first: bytes, left: Postroom, right: Postroom, most: int = 1000) -> list[Mail]:
    """Carry mail to and fro until none is left; return all that the two sent."""
    doors = {p.settings.company.domain: p for p in (left, right)}
    waiting: deque[Mail] = deque([("support@left.test", first)])
    sent: list[Mail] = []
    while waiting:
        recipient, raw = waiting.popleft()
        leaving = list(doors[recipient.partition("@")[2]].take(raw))
        sent += leaving
        waiting += leaving
        assert len(sent) <= most, "they do not stop"
    return sent


def pair(**inbox: Any) -> tuple[Postroom, Postroom]:
    return (
        Postroom(configuration("left", "support@right.test", **inbox)),
        Postroom(configuration("right", "support@left.test", **inbox)),
    )


def test_two_postrooms_that_face_each_other_stop_after_the_first_mail() -> None:
    left, right = pair()
    sent = exchange(customer_mail(), left, right)
    assert [recipient for recipient, _ in sent] == ["support@right.test"]
    assert right.kinds == ["auto_reply"], "it knows that a machine wrote, though it is a list as well"
    assert [(d.kind, d.state, d.last_reason) for d in right.deliveries] == [("assigned", "skipped", "automatic")]


def test_they_stop_after_every_further_mail_of_the_customer_too() -> None:
    left, right = pair()
    exchange(customer_mail(), left, right)
    for n in range(2, 9):
        more = customer_mail(f"More {n}", In_Reply_To="<Where-is-my-parcel?@example.test>")
        assert len(exchange(more, left, right)) == 1
    assert len(left.routed) == 1
    assert {d.kind for d in left.deliveries} == {"assigned", "replied"}


def test_a_machine_that_opens_a_conversation_is_told_of_nowhere() -> None:
    left, right = pair()
    assert exchange(customer_mail(Auto_Submitted="auto-generated"), left, right) == []


def test_inbox_that_wants_to_hear_of_machines_is_told() -> None:
    left, right = pair()
    wants, _ = pair(notify_of_automatic=True)
    assert len(exchange(customer_mail(Auto_Submitted="auto-generated"), wants, right)) == 1
    assert len(exchange(customer_mail(Auto_Submitted="auto-generated"), left, right)) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied (vacation)"},
        {"Precedence": "auto_reply", "Subject": "Out of office"},
        {"X-Autoreply": "yes"},
    ],
    ids=lambda h: next(iter(h)),
)
def test_vacation_responder_of_an_agent_is_not_written_to_again(headers: dict[str, str]) -> None:
    """It answers the notification at the keyed address, as a careless one does."""
    left, _ = pair()
    [(_, notification)] = list(left.take(customer_mail()))
    reply_to = next(line for line in notification.decode().split("\r\n") if line.startswith("Reply-To: "))[10:]
    vacation = EmailMessage()
    vacation["From"], vacation["To"] = "support@right.test", reply_to
    vacation["Message-ID"] = "<vacation@right.test>"
    for name, value in headers.items():
        vacation[name] = value
    vacation.set_content("I am away.")
    assert list(left.take(vacation.as_bytes())) == []


def test_one_conversation_sends_at_most_ten_mails_by_itself_in_ten_minutes() -> None:
    left, _ = pair()
    sent = list(left.take(customer_mail()))
    for n in range(40):
        sent += left.take(customer_mail(f"More {n}", In_Reply_To="<Where-is-my-parcel?@example.test>"))
    assert len(left.routed) == 1
    assert len(sent) == 10
    skipped = [d for d in left.deliveries if d.state == "skipped"]
    assert len(skipped) == 31
    assert {d.last_reason for d in skipped} == {"loop_limit"}
    assert all([r.name for r in d.results] == ["NotificationFailed"] for d in skipped), "not in silence"
