"""Folding anew gives what the consumer has folded."""

from postroom_contracts.events import Data, encode_body, encode_headers, new_event
from postroom_desk.domain.apply import apply
from postroom_desk.domain.logged import LoggedEvent, logged_event
from postroom_desk.domain.positions import LogPosition
from postroom_desk.domain.refold import refold

from tests.component.desk.facts import assigned, at, received, replied


def fact(data: Data, sequence: int, offset: int, source: str = "/postroom/router") -> LoggedEvent:
    event = new_event(data, source=source, cause_id=f"cause-{offset}", subject="c", time=at("15:00"), sequence=sequence)
    headers: dict[str, bytes | None] = dict(encode_headers(event))
    found = logged_event(LogPosition(0, offset), headers, encode_body(data), 0)
    assert found is not None
    return found


FIRST, OWNER = fact(received(), 1, 0), fact(assigned(), 1, 1, "/postroom/assigner")
SECOND, ANSWER = fact(received("m2", "15:05"), 2, 2), fact(replied(), 3, 3)


def test_facts_in_order_with_repeats_give_the_view_of_each_once() -> None:
    found = refold([FIRST, OWNER, FIRST, SECOND, ANSWER, SECOND], {})
    wanted = None
    for each in (FIRST, OWNER, SECOND, ANSWER):
        wanted = apply(wanted, each.event(), each.position)
    assert found.view == wanted
    assert found.seen == {"/postroom/router": 3, "/postroom/assigner": 1}
    assert found.waiting == []


def test_what_stands_before_its_predecessor_waits_for_it() -> None:
    late = fact(received("m2", "15:05"), 2, 9)
    found = refold([FIRST, ANSWER, late], {})
    assert found.view is not None
    assert [m.message_id for m in found.view.messages] == ["m1", "m2", "r1"]
    cut = refold([FIRST, ANSWER], {})
    assert [e.sequence for e, _ in cut.waiting] == [3]
    assert cut.seen == {"/postroom/router": 1}


def test_a_number_that_was_passed_over_is_passed_over_again() -> None:
    found = refold([FIRST, ANSWER], {"/postroom/router": 4})
    assert found.view is not None
    assert [m.message_id for m in found.view.messages] == ["m1", "r1"]
    assert found.seen == {"/postroom/router": 4}
