"""What the programs decide by themselves: who is bad, what is missed, and where the table goes."""

from typing import Any

import pytest

from benchmarks.sizing import BEGIN, END, Carried, table, written
from benchmarks.webhooks import GOOD, INBOXES, SUBSCRIPTIONS, kind_of, missed


def test_fifty_hang_and_twenty_are_away_in_every_kind_of_inbox() -> None:
    kinds = [kind_of(n) for n in range(SUBSCRIPTIONS)]
    assert (kinds.count("hang"), kinds.count("away"), kinds.count("well")) == (50, 20, 930)
    assert sum(GOOD) == 930
    assert len(GOOD) == INBOXES


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"p99_ratio": 1.21}, ["the others' p99 is 1.21 times what it is without, not 1.2"]),
        ({"lost": 1}, ["1 webhooks did not arrive"]),
        ({"most_hanging": 49}, ["only 49 requests hung at a time: the round shows nothing"]),
    ],
    ids=["all is well", "slower", "lost", "nothing hung"],
)
def test_what_is_missed_is_said(change: dict[str, Any], said: list[str]) -> None:
    assert missed({"p99_ratio": 1.19, "lost": 0, "most_hanging": 50} | change) == said


def test_a_row_says_what_limits_it_and_the_table_takes_the_place_of_the_one_before() -> None:
    rows = [
        Carried("router", "messages", 2000, 0.45, 0.1, 0.1, 90, 140),
        Carried("desk", "messages", 500, 0.5, 0.3, 0.2, 120, 220),
        Carried("desk", "facts", 2000, 0.25, 0.1, 0.1, 120, 220, offered=True),
    ]
    made = table(rows, "2 cores of a kind", "2026-03-06")
    assert "| router | 2,000 messages | its core (0.90 used) | 0.45, 0.10, 0.10 ms | 90, 140 MiB |" in made
    assert "| desk | 500 messages | answers of MongoDB and Kafka (0.25 used) |" in made
    assert (
        "costs 0.95 ms of theirs, 0.40 ms of MongoDB's and 0.30 ms of Kafka's: 100 mails a second keep 0.2 cores"
        in made
    )
    page = written(f"# Sizing\n{BEGIN}\nold\n{END}\nThe rest.\n", made)
    assert page == f"# Sizing\n{BEGIN}\n{made}\n{END}\nThe rest.\n"
    with pytest.raises(ValueError, match="no lines"):
        written("# Sizing\n", made)
