"""Which messages of a long thread are shown."""

import pytest
from postroom_desk.domain.window import Cut, Window, cut

LONG = [f"m{n}" for n in range(700)]


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (Window(), 650, 700),
        (Window(limit=100), 600, 700),
        (Window(first="m600"), 600, 700),
        (Window(first="m10"), 10, 510),
        (Window(first="m10", last="m19"), 10, 20),
        (Window(message="m7"), 2, 52),
        (Window(message="m2"), 0, 50),
        (Window(message="m699"), 650, 700),
        (Window(before="m650", limit=100), 550, 650),
        (Window(before="m30", limit=100), 0, 30),
        (Window(before="m0"), 0, 0),
        (Window(first="gone"), 650, 700),
        (Window(message="gone"), 650, 700),
        (Window(before="gone"), 650, 700),
        (Window(first="m20", last="m10"), 650, 700),
    ],
    ids=lambda value: str(value) if isinstance(value, Window) else "",
)
def test_a_window_shows_what_was_asked_for_and_else_the_newest(window: Window, start: int, end: int) -> None:
    assert cut(LONG, window) == Cut(start, end, 700)


def test_a_short_thread_is_shown_as_a_whole() -> None:
    assert cut(["a", "b"], Window()) == Cut(0, 2, 2)
    assert cut([], Window()) == Cut(0, 0, 0)


def test_step_by_step_every_message_is_reached_in_both_directions() -> None:
    place, steps = cut(LONG, Window()), 0
    while place.earlier:
        shown, place, steps = place.start, place.with_earlier(), steps + 1
        assert place.start < shown <= place.end  # nothing is passed over
        assert place.end - place.start <= 500
    assert (place, steps) == (Cut(0, 500, 700), 7)
    place = place.with_later().with_later()
    assert (place, place.later) == (Cut(200, 700, 700), 0)
