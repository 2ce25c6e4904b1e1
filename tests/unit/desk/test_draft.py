"""Who may write a draft, and what becomes of it."""

from datetime import UTC, datetime, timedelta

import pytest
from postroom_desk.domain import draft as d

NOW = datetime(2026, 3, 6, 15, tzinfo=UTC)
LATER = NOW + timedelta(seconds=31)
EMPTY = d.Draft(id="d", conversation_id="c", kind="reply")


def written(text: str) -> d.Written:
    return d.Written(text=text)


def test_who_saves_holds_it_for_thirty_seconds() -> None:
    draft = d.saved(EMPTY, written("Dear"), "ana", NOW, "3.1")
    assert (draft.number, draft.holder, draft.saved_by, draft.seen) == (1, "ana", "ana", "3.1")
    with pytest.raises(d.LockedError) as locked:
        d.saved(draft, written("Hi"), "ben", NOW + timedelta(seconds=29))
    assert locked.value.holder == "ana"
    assert d.saved(draft, written("Hi"), "ben", LATER).holder == "ben"


def test_saving_the_same_renews_the_lease_and_is_no_version() -> None:
    draft = d.saved(EMPTY, written("Dear"), "ana", NOW)
    again = d.saved(draft, written("Dear"), "ana", LATER)
    assert (again.number, again.held_until) == (1, LATER + d.LEASE)


def test_taking_over_ends_the_others_lease() -> None:
    draft = d.taken(d.saved(EMPTY, written("Dear"), "ana", NOW), "ben", NOW, over=True)
    assert draft.held_by_other("ana", NOW) == "ben"
    with pytest.raises(d.LockedError):
        d.taken(draft, "ana", NOW)


def test_what_was_handed_over_can_be_written_at_once() -> None:
    draft = d.handed(d.saved(EMPTY, written("Dear"), "ana", NOW), "ana", "ben", NOW)
    assert (draft.holder, draft.handed_by) == ("ben", "ana")
    assert d.saved(draft, written("Dear B"), "ben", NOW).handed_by is None


def test_twenty_versions_are_kept() -> None:
    draft = EMPTY
    for n in range(25):
        draft = d.saved(draft, written(str(n)), "ana", NOW)
    assert [v.text for v in draft.versions] == [str(n) for n in range(5, 25)]
    assert draft.number == 25


def test_while_it_is_sent_nobody_changes_it_and_after_a_refusal_everything_is_there() -> None:
    draft = d.sending(d.saved(EMPTY, written("Dear"), "ana", NOW, "3.1"), "ana", NOW)
    for attempt in ("ana", "ben"):
        with pytest.raises(d.LockedError):
            d.saved(draft, written("Hi"), attempt, NOW)
    back = d.given_back(draft, d.Refused(reason="stale", changed=["message_received"], at=NOW))
    assert (back.state, back.written.text, back.attempt, back.seen) == ("open", "Dear", 2, "3.1")
    read = d.saved(back, written("Dear"), "ana", NOW, "5.1")
    assert (read.seen, read.refused) == ("5.1", None)


def test_who_changes_what_they_asked_approval_for_asks_again_and_an_approver_does_not() -> None:
    waiting = d.asked(d.saved(EMPTY, written("Dear"), "ana", NOW), "ana", NOW)
    assert (waiting.state, waiting.author) == ("awaiting_approval", "ana")
    by_approver = d.saved(waiting, written("Dear Carla"), "ben", NOW)
    assert (by_approver.state, by_approver.author) == ("awaiting_approval", "ana")
    by_author = d.saved(waiting, written("Dear Carla"), "ana", NOW)
    assert (by_author.state, by_author.author) == ("open", None)
