"""Facts of one conversation, as short as a test can say them."""

from datetime import UTC, datetime
from typing import Any

from postroom_contracts import facts as f
from postroom_contracts.ids import content_id
from postroom_contracts.values import Actor, AssignmentRecord, Candidates, Channel, ContentReference, LeftOut, Status

ANA = Actor(kind="agent", id="ana")
CONVERSATION = "3d1f7c52-8a0b-5e44-9c1d-6f2a7b90e311"


def at(text: str) -> datetime:
    """Return the time `HH:MM` of 6 March 2026, UTC."""
    return datetime.fromisoformat(f"2026-03-06T{text}:00").replace(tzinfo=UTC)


def content(message: str) -> ContentReference:
    return ContentReference(content_id=content_id(message), sha256="0" * 64)


def received(message: str = "m1", time: str = "15:00", **changes: Any) -> f.MessageReceived:
    fields: dict[str, Any] = {
        "message_id": message,
        "ledger_id": f"ledger-{message}",
        "account_id": "mail",
        "inbox_id": "support",
        "channel": Channel.EMAIL,
        "message_kind": "message",
        "contact_id": "carla",
        "content": content(message),
        "body_bytes": 100,
        "received_at": at(time),
        "ingested_at": at(time),
        "opened": message == "m1",
        "status": Status.OPEN,
        "team_id": "workshop",
        "tags": ["support"],
        "configuration_version": 1,
    }
    return f.MessageReceived(**fields | changes)


def replied(message: str = "r1", **changes: Any) -> f.ReplyAccepted:
    fields: dict[str, Any] = {
        "message_id": message,
        "inbox_id": "support",
        "channel": Channel.EMAIL,
        "actor": ANA,
        "via": "api",
        "content": content(message),
        "recipients": ["carla"],
        "status": Status.OPEN,
        "configuration_version": 1,
    }
    return f.ReplyAccepted(**fields | changes)


def record() -> AssignmentRecord:
    return AssignmentRecord(
        policy="least_loaded",
        team_id="workshop",
        eligible=Candidates(agent_ids=["ana"], loads=[2], capacities=[20]),
        left_out=[LeftOut(agent_ids=["ben"], loads=[20], capacities=[20], reasons=["full"])],
        decided_at=at("15:01"),
        calendar_state={"always": "open"},
        configuration_version=1,
    )


def assigned(agent: str = "ana", epoch: int = 1, reason: Any = "policy") -> f.ConversationAssigned:
    return f.ConversationAssigned(
        agent_id=agent,
        team_id="workshop",
        epoch=epoch,
        reason=reason,
        actor=Actor(kind="system", id="assigner"),
        assigned_at=at("15:01"),
        record=record(),
    )


def queued(epoch: int = 1) -> f.ConversationQueued:
    return f.ConversationQueued(
        team_id="workshop",
        epoch=epoch,
        queued_at=at("15:01"),
        priority="normal",
        reason="nobody_on_duty",
        record=record(),
    )


def customer_content(message: str = "m1", **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "_id": content_id(message),
        "kind": "message",
        "inbox_id": "support",
        "text": "The brakes squeal.\n> quoted",
        "reply_text": "The brakes squeal.",
        "html": None,
        "subject": "Brakes <b>squeal</b>",
        "from": {"address": "carla@example.test", "name": "Carla <i>Cruz</i>"},
        "to": [{"address": "support@velo.test", "name": ""}],
        "cc": [],
        "attachments": [],
        "raw_blob_id": "raw-1",
    }
    return fields | changes
