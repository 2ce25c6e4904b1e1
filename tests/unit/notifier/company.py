"""A small company and one conversation's facts, for every test of the notifier."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Data, Event, new_event
from postroom_contracts.facts import (
    ConversationAssigned,
    DeadlineBreached,
    DeadlineWarned,
    MessageReceived,
    NoteAdded,
    ReplyAccepted,
    ReplyCancelled,
    RequestRefused,
)
from postroom_contracts.ids import derived_id
from postroom_contracts.registry import BY_TYPE, source_of
from postroom_contracts.values import Actor, AssignmentRecord, Channel, ContentReference, Status

CONVERSATION = derived_id("test", "conversation")
FRIDAY = datetime(2026, 3, 6, 14, 2, 12, tzinfo=UTC)
KEY = b"a-signing-key-of-the-tests-0001"
NOTE_CANARY = "canary-of-the-note"


def configuration(port: int = 25, **notifications: Any) -> Configuration:
    smtp = {"host": "127.0.0.1", "port": port, "tls": "none"}
    return Configuration.model_validate(
        {
            "company": {
                "name": "Acme",
                "default_calendar": "always",
                "domain": "acme.test",
                "answer_address": "answers@acme.test",
            },
            "calendars": [{"id": "always", "time_zone": "UTC", "hours": {"mon": ["00:00-24:00"]}}],
            "accounts": [{"id": "mail", "channel": "email", "smtp": smtp}],
            "inboxes": [
                {
                    "id": "support",
                    "name": "Canary internal inbox",
                    "account": "mail",
                    "address": "support@acme.test",
                    "aliases": ["help@acme.test"],
                    "teams": ["workshop"],
                    "sender_name": "Acme Support",
                    "signature": "Your Acme team",
                }
            ],
            "teams": [{"id": "workshop", "name": "Workshop", "members": ["ana", "ben"]}],
            "agents": [
                {"id": "ana", "first_name": "Ana", "last_name": "Ruiz", "email": "ana@staff.acme.test"},
                {"id": "ben", "first_name": "Ben", "email": "ben@staff.acme.test"},
            ],
            "notifications": notifications,
        }
    )


def customer_content(**changes: Any) -> dict[str, Any]:
    return {
        "_id": "customer-content",
        "kind": "message",
        "text": "My order 1234 is late.\nWhere is it?",
        "subject": "Order 1234",
        "from": {"address": "carla@example.test", "name": "Carla Cruz"},
        "reply_to": [],
        "to": [{"address": "support@acme.test", "name": ""}],
        "cc": [],
        "external_id": "question-1@example.test",
        "in_reply_to": [],
        "references": ["start@example.test"],
        "attachments": [],
        "received_at": datetime(2026, 3, 6, 13, tzinfo=UTC),
    } | changes


def reply_content(**changes: Any) -> dict[str, Any]:
    return {"_id": "reply-content", "kind": "reply", "text": "It left today.", "attachments": []} | changes


def note_content(**changes: Any) -> dict[str, Any]:
    return {"_id": "note-content", "kind": "note", "text": f"@ben look: {NOTE_CANARY}"} | changes


def contents() -> list[dict[str, Any]]:
    return [customer_content(), reply_content(), note_content()]


def reference(content_id: str) -> ContentReference:
    return ContentReference(content_id=content_id, sha256="0" * 64)


class Facts:
    """Makes the facts of one conversation, numbered as its sources would."""

    def __init__(self, conversation: str = CONVERSATION, start: datetime = FRIDAY) -> None:
        self.conversation = conversation
        self.now = start
        self.sequences: dict[str, int] = {}

    def event(self, data: Data) -> Event:
        source = BY_TYPE[data.type_name()].producers[0]
        self.sequences[source] = sequence = self.sequences.get(source, 0) + 1
        self.now += timedelta(milliseconds=10)
        return new_event(
            data,
            source=source_of(source),
            cause_id=f"{self.conversation}-{source}-{sequence}",
            subject=self.conversation,
            time=self.now,
            sequence=sequence,
        )

    def received(self, message: str = "m1", content_id: str = "customer-content", **changes: Any) -> Event:
        fields: dict[str, Any] = {
            "message_id": f"{self.conversation}-{message}",
            "ledger_id": f"{self.conversation}-{message}-ledger",
            "account_id": "mail",
            "inbox_id": "support",
            "channel": Channel.EMAIL,
            "message_kind": "message",
            "contact_id": "contact-1",
            "content": reference(content_id),
            "body_bytes": 1000,
            "received_at": self.now,
            "ingested_at": self.now,
            "opened": message == "m1",
            "status": "open",
            "team_id": "workshop",
            "configuration_version": 1,
        }
        return self.event(MessageReceived.model_validate(fields | changes))

    def assigned(self, agent: str = "ana", epoch: int = 1, **changes: Any) -> Event:
        record = AssignmentRecord.model_validate(
            {
                "policy": "least_loaded",
                "team_id": "workshop",
                "eligible": {"agent_ids": ["ana", "ben"], "loads": [3, 4], "capacities": [20, 20]},
                "decided_at": self.now,
                "configuration_version": 1,
            }
        )
        fields: dict[str, Any] = {
            "agent_id": agent,
            "team_id": "workshop",
            "epoch": epoch,
            "reason": "policy",
            "actor": Actor(kind="system", id="assigner"),
            "assigned_at": self.now,
            "record": record,
        }
        return self.event(ConversationAssigned.model_validate(fields | changes))

    def replied(self, message: str = "r1", content_id: str = "reply-content", **changes: Any) -> Event:
        fields: dict[str, Any] = {
            "message_id": f"{self.conversation}-{message}",
            "inbox_id": "support",
            "channel": Channel.EMAIL,
            "actor": Actor(kind="agent", id="ana"),
            "via": "api",
            "content": reference(content_id),
            "recipients": ["contact-1"],
            "answers": reference("customer-content"),
            "answers_message_id": f"{self.conversation}-m1",
            "status": "open",
            "configuration_version": 1,
        }
        return self.event(ReplyAccepted.model_validate(fields | changes))

    def cancelled(self, message: str = "r1") -> Event:
        fact = ReplyCancelled(
            message_id=f"{self.conversation}-{message}",
            actor=Actor(kind="agent", id="ana"),
            reason="asked",
            cancelled_at=self.now,
            previous=Status.OPEN,
            status=Status.OPEN,
        )
        return self.event(fact)

    def noted(self, mentions: Sequence[str], **changes: Any) -> Event:
        fields: dict[str, Any] = {
            "message_id": f"{self.conversation}-n1",
            "actor": Actor(kind="agent", id="ana"),
            "content": reference("note-content"),
            "mentions": list(mentions),
        }
        return self.event(NoteAdded.model_validate(fields | changes))

    def warned(self, in_minutes: int = 60, deadline: str = "first_response") -> Event:
        at = self.now + timedelta(minutes=in_minutes)
        return self.event(DeadlineWarned.model_validate({"deadline": deadline, "due_at": at, "generation": 1}))

    def breached(self, deadline: str = "first_response") -> Event:
        return self.event(
            DeadlineBreached.model_validate({"deadline": deadline, "breached_at": self.now, "generation": 1})
        )

    def refused(self, reason: str = "stale", **changes: Any) -> Event:
        fields: dict[str, Any] = {
            "request_id": f"{self.conversation}-q1",
            "request_type": "org.postroom.send-reply.v1",
            "actor": Actor(kind="agent", id="ana"),
            "reason": reason,
            "changed": ["message_received"],
            "content": reference("reply-content"),
            "via": "mail",
        }
        return self.event(RequestRefused.model_validate(fields | changes))


def header(body: bytes, name: str) -> str | None:
    """Return one header's value, unfolded but not decoded, as a reader of bytes sees it."""
    head = body.split(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    found = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith(f"{name.lower()}:")]
    assert len(found) < 2, f"{name} stands {len(found)} times"
    return found[0] if found else None


def as_mapping(documents: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(d["_id"]): d for d in documents}
