"""Who is where: what counts, for how long, and who may know."""

from datetime import UTC, datetime, timedelta
from typing import Any

from postroom_contracts.presence import AgentPresence
from postroom_desk.domain.presence import MAX_CONSOLES, Board, news, seen_by

from tests.integration.desk.office import company

NOW = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)
BOTH = frozenset({"support", "sales"})


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def says(agent: str = "ana", conversation: str | None = "c1", **changes: Any) -> AgentPresence:
    doing = "viewing" if conversation else "none"
    plain = {"agent_id": agent, "console_id": "page-0001", "state": "online", "doing": doing,
             "conversation_id": conversation, "inbox_id": "support"}  # fmt: skip
    return AgentPresence.model_validate(plain | changes)


def shown(board: Board, readable: frozenset[str] = BOTH, inbox: str | None = None) -> dict[str, Any]:
    return seen_by(board, readable, company(), lambda _: inbox)


def test_it_counts_for_fifteen_seconds_and_a_heartbeat_is_no_change() -> None:
    board = Board()
    assert board.take(says(), NOW, NOW)
    assert not board.take(says(), at(5), at(5))
    assert not board.expire(at(19.9))
    assert shown(board) == {"ana": {"state": "online", "at": [{"conversation_id": "c1", "doing": "viewing"}]}}
    assert board.expire(at(20))
    assert shown(board) == {}
    assert board.version == 2


def test_an_older_word_of_the_same_page_changes_nothing() -> None:
    board = Board()
    board.take(says(doing="typing"), at(2), at(2))
    assert not board.take(says(), at(1), at(3))
    assert not board.take(says("ben"), at(-120), NOW)
    assert shown(board)["ana"]["at"] == [{"conversation_id": "c1", "doing": "typing"}]
    assert "ben" not in shown(board)


def test_two_pages_of_one_person_are_both_told_and_many_are_bounded() -> None:
    board = Board()
    board.take(says(console_id="page-0002", doing="typing"), NOW, NOW)
    board.take(says(), NOW, NOW)
    board.take(says(conversation="c2", console_id="page-0003"), NOW, NOW)
    assert [(t["conversation_id"], t["doing"]) for t in shown(board)["ana"]["at"]] == [
        ("c1", "typing"),
        ("c2", "viewing"),
    ]
    for n in range(100):
        board.take(says(conversation=f"d{n}", console_id=f"more-{n}"), NOW, NOW)
    assert len(shown(board)["ana"]["at"]) == MAX_CONSOLES


def test_what_is_in_an_inbox_that_one_may_not_read_is_not_told() -> None:
    board = Board()
    board.take(says(), NOW, NOW)
    assert shown(board, frozenset({"sales"})) == {"ana": {"state": "online", "at": []}}
    assert shown(board, frozenset({"support"}), inbox="sales")["ana"]["at"] == []  # it has moved meanwhile


def test_auditors_and_people_who_are_gone_are_not_told_of() -> None:
    board = Board()
    board.take(says("ben"), NOW, NOW)
    board.take(says("nobody"), NOW, NOW)
    plain = company().model_dump()
    plain["agents"][1]["role"] = "auditor"
    assert seen_by(board, BOTH, type(company()).model_validate(plain), lambda _: None) == {}


def test_a_hidden_page_is_away_and_somebody_elsewhere_too_is_there() -> None:
    board = Board()
    board.take(says(conversation=None, state="away"), NOW, NOW)
    assert shown(board)["ana"]["state"] == "away"
    board.take(says(conversation="c2", console_id="page-0002"), NOW, NOW)
    assert shown(board)["ana"] == {"state": "online", "at": [{"conversation_id": "c2", "doing": "viewing"}]}


def test_news_are_what_differs_and_who_left() -> None:
    here, gone = {"state": "online", "at": []}, {"state": "offline", "at": []}
    assert news({"ana": here, "ben": here}, {"ana": here, "mira": here}) == {"mira": here, "ben": gone}
