"""Which dead letters still wait for somebody: by origin, in whatever order the two topics are read."""

from typing import Any

from aiokafka import ConsumerRecord
from postroom_contracts.topics import GROUP_BY_NAME
from postroom_runtime.dead_letter_watch import OLDEST_SECONDS, WAITING, DeadLetterWatch
from postroom_runtime.kafka import Publisher
from postroom_runtime.settings import RuntimeSettings

DAY = 86_400.0
NOW = 1_770_000_000.0


def record(topic: str, days_ago: float, offset: bytes, **extra: bytes) -> ConsumerRecord[Any, Any]:
    headers = {"origin-topic": b"postroom-conversation-events", "origin-partition": b"1", "origin-offset": offset}
    at = int((NOW - days_ago * DAY) * 1000)
    return ConsumerRecord(topic, 0, 0, at, 0, b"c1", b"{}", None, 0, 0, tuple((headers | extra).items()))


def parked(days_ago: float, offset: bytes) -> ConsumerRecord[Any, Any]:
    return record("postroom-notifier-dlq", days_ago, offset)


def given_back(days_ago: float, offset: bytes, **extra: bytes) -> ConsumerRecord[Any, Any]:
    return record("postroom-notifier-replay", days_ago, offset, **extra)


def shown(*records: ConsumerRecord[Any, Any], now: float = NOW) -> tuple[float, float]:
    """Return (letters that wait, days that the oldest has waited)."""
    settings = RuntimeSettings(topic_prefix="postroom-")
    watch = DeadLetterWatch(settings, Publisher(settings), [GROUP_BY_NAME["notifier"]])
    watch.take(records)
    watch.report(now)
    return WAITING.labels("notifier")._value.get(), OLDEST_SECONDS.labels("notifier")._value.get() / DAY


def test_the_oldest_that_nobody_dealt_with_counts() -> None:
    assert shown() == (0, 0)
    assert shown(parked(26, b"7"), parked(3, b"8")) == (2, 26)


def test_one_that_was_replayed_or_discarded_waits_no_more() -> None:
    assert shown(parked(26, b"7"), parked(3, b"8"), given_back(1, b"7")) == (1, 3)
    assert shown(given_back(1, b"7", **{"postroom-discard": b"1"}), parked(26, b"7")) == (0, 0)


def test_one_that_failed_again_waits_since_then() -> None:
    assert shown(parked(26, b"7"), given_back(5, b"7"), parked(4, b"7")) == (1, 4)


def test_a_marker_and_what_is_none_of_ours_settle_nothing() -> None:
    strange = ConsumerRecord("postroom-notifier-replay", 0, 0, 0, 0, b"c1", b"{}", None, 0, 0, ())
    assert shown(parked(2, b"7"), given_back(1, b"7", **{"postroom-marker": b"1"}), strange) == (1, 2)


def test_what_kafka_has_dropped_is_forgotten() -> None:
    assert shown(parked(31, b"7"), parked(29, b"8")) == (1, 29)
