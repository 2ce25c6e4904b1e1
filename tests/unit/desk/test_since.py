"""What came since somebody looked: only news of the conversation, each once."""

import pytest
from postroom_contracts import facts as f
from postroom_contracts.events import Data, encode_body, encode_headers, new_event
from postroom_contracts.values import Actor
from postroom_desk.domain.logged import LoggedEvent, logged_event
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.since import Seen, came_since, parse_seen

from tests.component.desk.facts import ANA, CONVERSATION, assigned, at, content, queued, received, replied

BEN = Actor(kind="agent", id="ben")


def logged(data: Data, sequence: int, source: str = "router", offset: int = 0) -> LoggedEvent:
    event = new_event(
        data,
        source=f"/postroom/{source}",
        cause_id=f"{source}-{sequence}",
        subject=CONVERSATION,
        time=at("15:00"),
        sequence=sequence,
    )
    found = logged_event(LogPosition(0, offset), dict(encode_headers(event)), encode_body(data), 0)
    assert found is not None
    return found


def test_facts_of_the_router_after_what_was_seen_are_news_and_repeats_are_one() -> None:
    note = f.NoteAdded(message_id="n1", actor=BEN, content=content("n1"))
    log = [logged(received(), 1), logged(replied(), 2), logged(note, 3), logged(note, 3, offset=9)]
    assert [e.headers["ce_sequence"] for e in came_since(log, Seen(1, 0))] == ["2", "3"]
    assert came_since(log, Seen(3, 0)) == []


def test_a_new_owner_is_news_and_a_queue_or_a_notification_is_none() -> None:
    told = f.NotificationSent(
        notification="assigned", agent_id="ana", delivery_id="d", cause_id="x", sent_at=at("15:02")
    )
    log = [
        logged(assigned(), 1, "assigner"),
        logged(assigned("ben", epoch=2, reason="claim"), 2, "assigner"),
        logged(queued(epoch=3), 3, "assigner"),
        logged(told, 1, "notifier"),
    ]
    [news] = came_since(log, Seen(9, 1))
    assert (news.type, news.headers["ce_sequence"]) == ("org.postroom.conversation-assigned.v1", "2")


def test_a_request_that_was_refused_changed_nothing() -> None:
    refused = f.RequestRefused(request_id="x", request_type="x", actor=ANA, reason="stale")
    assert came_since([logged(refused, 5)], Seen(1, 0)) == []


@pytest.mark.parametrize(
    ("etag", "seen"),
    [
        ("12.3", Seen(12, 3)),
        (' "12.3" ', Seen(12, 3)),
        ("", None),
        ("12", None),
        ("a.b", None),
        ("9" * 16 + ".1", None),
    ],
)
def test_an_etag_names_a_sequence_and_an_epoch(etag: str, seen: Seen | None) -> None:
    assert parse_seen(etag) == seen
