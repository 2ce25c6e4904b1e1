"""What an agent newly wrote in an answer to a notification, and why it cannot be used, if so."""

import pytest
from postroom_contracts.answers import MARKER
from postroom_ingest.domain.inbound import answer_text

LINK = "https://desk.acme.test/conversations/3d1f7c52-8a0b-5e44-9c1d-6f2a7b90e311"
QUOTED = f"""
On Fri, 6 Mar 2026 at 15:02, Acme <answers@acme.test> wrote:

> {MARKER}
> What you write above that line is sent to the customer.
>
> The customer: where is my order?
> {LINK}
"""
UNMARKED = f"""
On Fri, 6 Mar 2026 at 15:02, Acme <answers@acme.test> wrote:

> The customer: where is my order?
> {LINK}
"""


@pytest.mark.parametrize("history", [QUOTED, UNMARKED], ids=["marker", "marker cut away"])
def test_what_stands_above_the_history_is_taken_alone(history: str) -> None:
    assert answer_text(f"It left today.\n\nAnn\n{history}") == ("It left today.\n\nAnn", None)


@pytest.mark.parametrize("history", ["", QUOTED, UNMARKED], ids=["nothing", "marker", "marker cut away"])
def test_an_answer_that_says_nothing_is_empty(history: str) -> None:
    assert answer_text(history) == ("", "empty")


def test_a_copied_link_is_refused_and_the_text_kept() -> None:
    text = f"See what I wrote there: {LINK}"
    assert answer_text(f"{text}\n{QUOTED}") == (text, "holds_link")


def test_a_marker_that_a_client_broke_in_two_is_still_the_marker() -> None:
    half = len(MARKER) // 2
    broken = f"It left today.\n{MARKER[:half]}\n{MARKER[half:]}\nThe customer: where is my order?"
    assert answer_text(broken) == ("It left today.", None)
