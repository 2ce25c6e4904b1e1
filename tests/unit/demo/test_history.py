"""Generated history is what the services could have written: numbered, in order, resolved, marked, quickly made."""

import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postroom_analytics.domain.figures import figures
from postroom_analytics.domain.fold import apply
from postroom_analytics.domain.model import ConversationMetrics
from postroom_contracts.events import Event, decode, encode_body, encode_headers
from postroom_contracts.facts import ConversationResolved, MessageReceived
from postroom_contracts.registry import BY_TYPE, MODELS
from postroom_demo.company import HISTORY_TAG
from postroom_demo.history import CONVERSATIONS, History, generate

from tests.unit.demo.test_company import laid

START = datetime(2026, 3, 8, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> History:
    return generate(laid(tmp_path_factory.mktemp("company"), START), 1, START, seed=1)


def by_conversation(made: History) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in made.events:
        found[event.subject].append(event)
    return found


def test_facts_are_numbered_without_gap_per_source_and_come_from_their_owner(made: History) -> None:
    for events in by_conversation(made).values():
        counted: dict[str, int] = defaultdict(int)
        for event in events:
            counted[event.source] += 1
            assert event.sequence == counted[event.source]
            assert event.source == f"/postroom/{BY_TYPE[event.type].producers[0]}"


def test_every_conversation_is_marked_resolved_and_before_the_start(made: History) -> None:
    conversations = by_conversation(made)
    assert CONVERSATIONS * 0.9 < len(conversations) <= CONVERSATIONS
    for events in conversations.values():
        first = events[0].data
        assert isinstance(first, MessageReceived)
        assert HISTORY_TAG in first.tags
        assert any(isinstance(e.data, ConversationResolved) for e in events)
        assert START - timedelta(days=31) < events[0].time
        assert events[-1].time < START


def test_ids_are_never_the_same_and_a_second_making_gives_the_same(made: History, tmp_path: Path) -> None:
    again = generate(laid(tmp_path, START), 1, START, seed=1)
    assert [e.id for e in again.events] == [e.id for e in made.events]
    assert len({e.id for e in made.events}) == len(made.events)


def test_every_record_can_be_read_and_every_text_is_there(made: History) -> None:
    texts = {document["_id"] for document in made.documents}
    for event in made.events:
        headers = dict(encode_headers(event))
        assert decode(headers, encode_body(event.data), MODELS).data == event.data
        if isinstance(event.data, MessageReceived):
            assert event.data.content.content_id in texts


def test_analytics_finds_a_response_and_a_resolution_in_each(made: History, tmp_path: Path) -> None:
    configurations = {1: laid(tmp_path, START)}
    for conversation, events in list(by_conversation(made).items())[:60]:
        state: ConversationMetrics | None = None
        rows = []
        for event in events:
            state = apply(state, event, configurations)
            rows += state.sealed
        assert state is not None
        found = figures(state, rows)
        assert found["conversation"] == conversation
        assert found["first_response"] is not None
        assert found["resolution"]
        assert not found["open"]


def test_it_takes_less_than_three_seconds(tmp_path: Path) -> None:
    company = laid(tmp_path, START)
    begun = time.process_time()
    generate(company, 1, START, seed=2)
    assert time.process_time() - begun < 3
