"""Hand-made evidence of a small good run; each test plants one fault in it."""

from dataclasses import replace
from typing import Any

from faults.evidence import Evidence, Mailed
from faults.feeder import SentAnswer
from faults.mails import PlannedMail
from faults.records import Record

ROUTER, ASSIGNER, NOTIFIER = "/postroom/router", "/postroom/assigner", "/postroom/notifier"
AGENT, AGENT_ADDRESS = "mira", "mira@company.example"
FIRST, REPLY, OTHER = (f"T{n:05d}x00000{n}" for n in (1, 2, 3))
ANSWER = "A00000xabcdef"
CUSTOMER = "anna@customers.example"


def mail(number: int, token: str, thread: int) -> PlannedMail:
    return PlannedMail(number, token, thread, "support@company.example", CUSTOMER, 0.0, f"{number}@customers.example")


def inbound(token: str, message: str, sender: str = CUSTOMER) -> Record:
    data = {"subject": f"gear {token}", "sender": {"address": sender}, "message_id": message}
    return Record("inbound-received", "/postroom/ingest", message, "support", 0, data)


def fact(kind: str, source: str, subject: str, sequence: int, event_id: str = "", **data: Any) -> Record:
    return Record(kind, source, event_id or f"{subject}-{source[-3:]}-{sequence}", subject, sequence, data)


def received(subject: str, sequence: int, message: str, *, opened: bool) -> Record:
    return fact(
        "message-received", ROUTER, subject, sequence, message_id=message, opened=opened, message_kind="message"
    )


def assigned(subject: str, sequence: int, agent: str = AGENT, epoch: int = 1) -> Record:
    return fact("conversation-assigned", ASSIGNER, subject, sequence, agent_id=agent, epoch=epoch)


def notified(subject: str, sequence: int, kind: str, cause: Record) -> Record:
    delivery = f"d-{kind}-{cause.id}"
    data = {"notification": kind, "agent_id": AGENT, "cause_id": cause.id, "delivery_id": delivery}
    return fact("notification-sent", NOTIFIER, subject, sequence, **data)


def mailed(sent: Record, recipient: str = AGENT_ADDRESS, token: str = FIRST, answer: str | None = None) -> Mailed:
    delivery = sent.data["delivery_id"]
    message_id = f"{sent.subject}.{delivery}.mac@company.example"
    return Mailed(recipient, message_id, sent.subject, delivery, token, answer)


def good() -> Evidence:
    """Two threads: one of two mails, told to its owner and answered by mail; one that was first a conversation of its own.

    Conversation `one` has FIRST and, absorbed from `late`, REPLY; conversation `two` has OTHER.
    """
    opened, opened_late = received("one", 1, "m1", opened=True), received("late", 1, "m2", opened=True)
    owner, owner_late = assigned("one", 1), assigned("late", 1)
    told, told_late = notified("one", 1, "assigned", owner), notified("late", 1, "assigned", owner_late)
    accepted = fact("reply-accepted", ROUTER, "one", 2, message_id="r1")
    sent = fact("message-sent", NOTIFIER, "one", 2, message_id="r1", delivery_id="d-reply")
    merged = fact("conversation-merged", ROUTER, "late", 2, target_id="one")
    absorbed = fact("conversation-absorbed", ROUTER, "one", 3, source_id="late")
    freed = fact("conversation-unassigned", ASSIGNER, "late", 2, epoch=2, reason="merged")
    other, owner_other = received("two", 1, "m3", opened=True), assigned("two", 1)
    told_other = notified("two", 1, "assigned", owner_other)
    return Evidence(
        mails=[mail(1, FIRST, 1), mail(2, REPLY, 1), mail(3, OTHER, 3)],
        answers=[SentAnswer(ANSWER, AGENT_ADDRESS)],
        inbound=[inbound(FIRST, "m1"), inbound(REPLY, "m2"), inbound(OTHER, "m3")],
        events=[
            *(opened, owner, told, accepted, sent),
            *(opened_late, owner_late, told_late, merged, freed, absorbed),
            *(other, owner_other, told_other),
        ],
        mailed=[
            *(mailed(told), mailed(told_late, token=REPLY), mailed(told_other, token=OTHER)),
            mailed(sent, CUSTOMER, FIRST, ANSWER),
        ],
        agents={AGENT: AGENT_ADDRESS},
        kills={"notifier": 1, "mail": 1},
    )


def without(evidence: Evidence, event_id: str) -> Evidence:
    """Return the evidence without an event."""
    return replace(evidence, events=[record for record in evidence.events if record.id != event_id])


def with_events(evidence: Evidence, *records: Record) -> Evidence:
    return replace(evidence, events=[*evidence.events, *records])
