"""Webhooks out: who gets what, and what becomes of an attempt."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration, WebhookSubscription
from postroom_notifier.domain.webhooks import (
    ATTEMPTS,
    GAPS_SECONDS,
    Answer,
    Receiver,
    after,
    delivery_of,
    state_of,
    wanted_by,
)

from tests.unit.notifier.company import Facts, configuration

NOW = datetime(2026, 3, 6, 15, 0, tzinfo=UTC)
TAKEN, REDIRECT, AWAY = Answer(204, None, 3), Answer(302, None, 3), Answer(None, "timeout", 15_000)


def house(*webhooks: dict[str, Any]) -> Configuration:
    shared = configuration()
    private = shared.inboxes[0].model_copy(
        update={"id": "ana", "address": "ana@acme.test", "aliases": [], "teams": [], "owner": "ana"}
    )
    subscriptions = [
        WebhookSubscription.model_validate(
            {"id": f"w{n}", "url": "https://example.com/h", "secrets": [{"env": "S"}]} | webhook
        )
        for n, webhook in enumerate(webhooks)
    ]
    return shared.model_copy(update={"inboxes": [*shared.inboxes, private], "webhooks": subscriptions})


def who(inbox: str | None, *webhooks: dict[str, Any]) -> list[str]:
    return [s.id for s in wanted_by(Facts().replied(), inbox, house(*webhooks))]


def test_a_filter_names_types_with_or_without_version() -> None:
    filters = [{}, {"events": ["reply-accepted"]}, {"events": ["reply-accepted.v1"]}, {"events": ["note-added"]}]
    assert who("support", *filters) == ["w0", "w1", "w2"]


def test_a_disabled_one_gets_nothing() -> None:
    assert who("support", {"enabled": False}) == []


def test_only_who_names_a_private_inbox_gets_its_events() -> None:
    filters = [{}, {"inboxes": ["ana"]}, {"inboxes": ["support"]}]
    assert who("ana", *filters) == ["w1"]
    assert who("support", *filters) == ["w0", "w2"]
    assert who(None, *filters) == [], "nobody knows where it is"
    assert who("gone", *filters) == [], "an inbox that is no more may have been private"


def test_eight_attempts_over_twenty_eight_hours_then_a_dead_letter() -> None:
    delivery = delivery_of(Facts().replied(), "w0", 7, NOW)
    at, gaps = NOW, []
    for _ in range(ATTEMPTS):
        assert delivery.next_at is not None
        gaps.append(round((delivery.next_at - at).total_seconds()))
        at = delivery.next_at
        delivery = after(delivery, AWAY, at)
    assert gaps == [0, 5, 300, 1800, 7200, 18_000, 36_000, 36_000]
    assert (delivery.state, delivery.next_at, delivery.attempts) == ("dead", None, 8)
    assert sum(GAPS_SECONDS) == pytest.approx(28 * 3600, rel=0.02)
    assert [a.error for a in delivery.tried] == ["timeout"] * 8


def test_a_redirect_is_a_failure_and_2xx_is_the_end() -> None:
    delivery = delivery_of(Facts().replied(), "w0", 7, NOW)
    assert after(delivery, REDIRECT, NOW).next_at == NOW + timedelta(seconds=5)
    done = after(delivery, TAKEN, NOW)
    assert (done.state, done.next_at) == ("delivered", None)


def test_the_same_event_has_the_same_id_and_a_replay_the_same_webhook_id() -> None:
    event = Facts().replied()
    first, again = delivery_of(event, "w0", 7, NOW), delivery_of(event, "w0", 9, NOW)
    replayed, other = delivery_of(event, "w0", 7, NOW, "r1"), delivery_of(event, "w1", 7, NOW)
    assert first.id == again.id == first.webhook_id
    assert (replayed.webhook_id, replayed.id != first.id) == (first.webhook_id, True)
    assert other.webhook_id != first.webhook_id


def test_one_that_takes_its_time_keeps_us_waiting_until_it_is_quick_again() -> None:
    slow = Receiver(subscription_id="w0").heard(Answer(200, None, 1001), NOW)
    assert (slow.slow_since, slow.keeps_waiting) == (NOW, True)
    assert slow.heard(Answer(200, None, 3000), NOW + timedelta(hours=1)).slow_since == NOW
    assert not slow.heard(TAKEN, NOW + timedelta(hours=1)).keeps_waiting
    assert Receiver(subscription_id="w0").heard(AWAY, NOW).keeps_waiting


def test_the_state_of_a_subscription() -> None:
    (there,), (off,) = house({}).webhooks, house({"enabled": False}).webhooks
    failing = Receiver(subscription_id="w0", failing_since=NOW)
    assert [state_of(there, r) for r in (None, Receiver(subscription_id="w0"), failing)] == ["ok", "ok", "failing"]
    assert state_of(there, failing.model_copy(update={"disabled_at": NOW})) == "disabled"
    assert state_of(off, None) == "off"


def test_five_days_without_one_success_disable_a_receiver() -> None:
    receiver = Receiver(subscription_id="w0").heard(AWAY, NOW)
    assert receiver.failing_since == NOW
    assert receiver.heard(AWAY, NOW + timedelta(days=4, hours=23)).disabled_at is None
    back = receiver.heard(TAKEN, NOW + timedelta(days=4))
    assert (back.failing_since, back.last_success_at) == (None, NOW + timedelta(days=4))
    assert back.heard(AWAY, NOW + timedelta(days=6)).disabled_at is None, "the days are counted anew"
    assert receiver.heard(AWAY, NOW + timedelta(days=5)).disabled_at == NOW + timedelta(days=5)
