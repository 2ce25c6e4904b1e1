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
        draft = d.saved(draft, written(str(n)), "ana", NOW + n * d.VERSION)
    assert [v.text for v in draft.versions] == [str(n) for n in range(5, 25)]
    assert draft.number == 25


def test_what_one_person_writes_within_a_minute_is_one_version_begun_at_its_first_word() -> None:
    draft = d.saved(EMPTY, written("Dear"), "ana", NOW)
    draft = d.saved(draft, written("Dear Carla"), "ana", NOW + timedelta(seconds=59))
    assert [(v.number, v.at, v.text) for v in draft.versions] == [(2, NOW, "Dear Carla")]
    draft = d.saved(draft, written("Dear Carla,"), "ana", NOW + timedelta(seconds=60))
    assert [v.text for v in draft.versions] == ["Dear Carla", "Dear Carla,"]
    draft = d.saved(draft, written("Dear Carla, B"), "ben", NOW + timedelta(seconds=91))
    assert [(v.text, v.by) for v in draft.versions][-2:] == [("Dear Carla,", "ana"), ("Dear Carla, B", "ben")]


def test_what_was_deleted_at_once_is_a_version() -> None:
    long = "It squeals because the pads are worn down to the metal."
    draft = d.saved(d.saved(EMPTY, written(long), "ana", NOW), written("It"), "ana", NOW)
    assert [v.text for v in draft.versions] == [long, "It"]


def test_a_restored_version_leaves_the_present_text_as_one() -> None:
    draft = d.saved(d.saved(EMPTY, written("One"), "ana", NOW), written("Two"), "ben", LATER)
    to = [{"address": "carla@example.test", "name": ""}]
    draft = d.saved(draft, d.Written(text="Two", to=to), "ben", LATER)
    version = d.version_of(draft, 1)
    draft = d.restored(draft, version, version.html, "ben", LATER)
    assert (draft.written.text, draft.written.to) == ("One", to)
    assert [(v.number, v.text) for v in draft.versions] == [(1, "One"), (3, "Two"), (4, "One")]
    with pytest.raises(d.UnknownVersionError):
        d.version_of(draft, 2)


def test_a_first_message_gets_subject_and_receivers_back_with_its_text() -> None:
    carla, dora = ({"address": f"{name}@example.test", "name": ""} for name in ("carla", "dora"))
    begun = d.Draft(id="d", conversation_id="x", kind="start", people=["ana"])
    draft = d.saved(begun, d.Written(text="One", subject="Offer", to=[carla], cc=[dora], attachments=["a"]), "ana", NOW)
    draft = d.saved(draft, d.Written(text="One", subject="Other", to=[dora], attachments=["b"]), "ana", NOW)
    assert [v.subject for v in draft.versions] == ["Offer", "Other"], "who was left out may be wanted back"
    back = d.restored(draft, d.version_of(draft, 1), "", "ana", NOW).written
    assert (back.subject, back.to, back.cc, back.attachments) == ("Offer", [carla], [dora], ["b"])
    older = d.version_of(draft, 1).model_copy(update={"subject": "", "to": None, "cc": []})  # of a release without them
    assert d.restored(draft, older, "", "ana", NOW).written.subject == "Other"


def test_a_draft_is_among_those_of_who_wrote_it_last_or_was_given_it() -> None:
    draft = d.saved(EMPTY, written("Dear"), "ana", NOW)
    assert draft.listed_for == ["ana"]
    assert d.handed(draft, "ana", "ben", NOW).listed_for == ["ben"]
    assert d.saved(draft, written(" "), "ana", NOW).listed_for == []


def test_what_begins_a_conversation_is_its_writers_until_it_is_handed_over_or_waits_for_approval() -> None:
    begun = d.Draft(id="d", conversation_id="x", kind="start", people=["ana"])
    draft = d.saved(begun, d.Written(subject="Offer", inbox_id="support"), "ana", NOW)
    assert (draft.people, draft.listed_for) == (["ana"], ["ana"])
    assert d.handed(draft, "ana", "ben", NOW).people == ["ana", "ben"]
    assert d.asked(draft, "ana", NOW, ["cleo"]).people == ["ana", "cleo"]
    assert d.handed(EMPTY, "ana", "ben", NOW).people == [], "a reply is everybody's who may write there"


def test_whoever_it_was_ever_to_go_to_is_remembered() -> None:
    def to(*addresses: str) -> d.Written:
        return d.Written(text="x", to=[{"address": a, "name": ""} for a in addresses])

    draft = d.saved(d.saved(EMPTY, to("Zoe@example.test"), "ana", NOW), to("carla@example.test"), "ana", NOW)
    assert draft.addressed == ["zoe@example.test", "carla@example.test"]


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
