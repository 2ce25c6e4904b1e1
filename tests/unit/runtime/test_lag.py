"""Lag by looks at log ends and commits."""

import math

from aiokafka import TopicPartition
from postroom_runtime.lag import Lag
from prometheus_client import REGISTRY

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


def test_unknown_before_the_first_look() -> None:
    assert Lag("lag-1").seconds() == math.inf


def test_rises_while_nothing_is_committed_and_falls_with_the_commit() -> None:
    lag = Lag("lag-2")
    lag.assigned = frozenset({A})
    lag.observe({A: 0, B: 0}, {}, 0.0)
    assert lag.seconds(0.0) == 0
    lag.observe({A: 10, B: 0}, {}, 2.0)
    lag.observe({A: 15, B: 0}, {}, 4.0)
    assert lag.seconds(6.0) == 4.0
    assert lag.records(A) == 15
    lag.committed({A: 10})
    assert lag.seconds(6.0) == 2.0
    lag.committed({A: 15})
    assert lag.seconds(9.0) == 0


def test_a_backlog_found_at_the_start_is_of_unknown_age() -> None:
    lag = Lag("lag-3")
    lag.observe({A: 10}, {A: 4}, 0.0)
    assert lag.seconds(1.0) == math.inf
    lag.observe({A: 10}, {A: 10}, 2.0)
    assert lag.seconds(3.0) == 0


def test_other_members_partitions_count_for_seconds_but_are_not_reported() -> None:
    lag = Lag("lag-4")
    lag.assigned = frozenset({A})
    lag.observe({A: 0, B: 0}, {}, 0.0)
    lag.observe({A: 0, B: 5}, {}, 1.0)
    assert lag.seconds(4.0) == 3.0
    assert value("lag-4", A) == 0
    assert value("lag-4", B) is None


def test_series_of_lost_partitions_are_dropped() -> None:
    lag = Lag("lag-5")
    lag.assigned = frozenset({A})
    lag.observe({A: 5}, {}, 0.0)
    assert value("lag-5", A) == 5
    lag.forget()
    assert value("lag-5", A) is None


def value(group: str, tp: TopicPartition) -> float | None:
    return REGISTRY.get_sample_value(
        "postroom_consumer_lag_records", {"group": group, "topic": tp.topic, "partition": str(tp.partition)}
    )
