"""What a server's answer means, and how long an account rests."""

from datetime import timedelta
from typing import Any

import aiosmtplib
import pytest
from postroom_contracts.facts import Fact
from postroom_notifier.adapters.smtp import classify
from postroom_notifier.delivery_log import DeliveryLog
from postroom_notifier.domain.outcomes import Accepted, Mark, Refusal, Rejected, TryAgain, conclude, gap
from postroom_notifier.gates import AccountGates
from postroom_runtime.kafka import Outgoing

from tests.unit.notifier.company import FRIDAY
from tests.unit.notifier.test_reply_mail import delivery

DAYS = timedelta(hours=72)
NOW = FRIDAY + timedelta(seconds=1)


def facts(mark: Mark) -> list[Fact]:
    return [r.fact for r in mark.after.results]


def names(mark: Mark) -> list[str]:
    return [type(f).__name__ for f in facts(mark)]


def test_accepted_is_done() -> None:
    mark = conclude(delivery(attempts=1, message_id="r1"), Accepted(), NOW, DAYS)
    assert mark.done
    assert names(mark) == ["MessageSent"]
    assert mark.after.unreported_since == NOW


def test_gaps_grow_from_seconds_to_hours() -> None:
    assert [gap(n).total_seconds() for n in (1, 2, 3, 4, 5, 6, 20)] == [2, 10, 30, 120, 600, 3600, 21_600]


def test_put_off_is_tried_after_the_gap_and_given_up_after_three_days() -> None:
    outcome = TryAgain("refused_for_now", code="451")
    mark = conclude(delivery(attempts=2, message_id="r1", lease="x"), outcome, NOW, DAYS)
    assert not mark.done
    assert mark.fields["next_at"] == NOW + timedelta(seconds=10)
    late = conclude(delivery(attempts=9, message_id="r1"), outcome, FRIDAY + timedelta(hours=73), DAYS)
    assert names(late) == ["MessageFailed"]
    assert facts(late)[0].model_dump()["reason"] == "gave_up"


def test_server_that_is_away_uses_up_no_attempt() -> None:
    mark = conclude(delivery(attempts=5), TryAgain("unreachable", unreachable=True), NOW, DAYS)
    assert mark.fields["attempts"] == 4
    assert mark.fields["next_at"] == NOW + timedelta(seconds=2)


def test_partly_taken_keeps_only_who_was_put_off() -> None:
    refusals = (Refusal("a@x.test", 450), Refusal("b@x.test", 550))
    mark = conclude(delivery(attempts=1), Accepted(refusals), NOW, DAYS)
    assert not mark.done
    assert mark.fields["remaining"] == ["a@x.test"]
    last = conclude(
        delivery(attempts=2, message_id="r1", remaining=["a@x.test"]), Rejected("refused", "550"), NOW, DAYS
    )
    assert names(last) == ["MessageSent", "MessageBounced"], "some have it"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiosmtplib.SMTPSenderRefused(451, "later", "a"), TryAgain("refused_for_now", code="451")),
        (aiosmtplib.SMTPDataError(554, "5.7.1 spam"), Rejected("refused", "5.7.1")),
        (aiosmtplib.SMTPDataError(421, "bye"), TryAgain("server_unavailable", unreachable=True, code="421")),
        (aiosmtplib.SMTPAuthenticationError(535, "no"), TryAgain("account_refused", unreachable=True, code="535")),
        (aiosmtplib.SMTPSenderRefused(530, "log in", "a"), TryAgain("account_refused", unreachable=True, code="530")),
        (aiosmtplib.SMTPConnectError("refused"), TryAgain("unreachable", unreachable=True)),
        (aiosmtplib.SMTPConnectTimeoutError("slow"), TryAgain("unreachable", unreachable=True)),
        (aiosmtplib.SMTPServerDisconnected("gone"), TryAgain("no_answer")),
        (aiosmtplib.SMTPReadTimeoutError("slow"), TryAgain("no_answer")),
        (TimeoutError(), TryAgain("no_answer")),
        (KeyError("PASSWORD"), TryAgain("unreachable", unreachable=True)),
        (aiosmtplib.SMTPNotSupported("SMTPUTF8"), Rejected("address_not_supported")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_by_type_and_code(error: Exception, expected: Any) -> None:
    assert classify(error) == expected


def test_account_rests_longer_each_time_and_others_keep_their_slots() -> None:
    now = 0.0
    gates = AccountGates(2, lambda: now)
    rests = []
    for _ in range(5):
        gates.begin("a")
        gates.begin("a")
        gates.end("a", reachable=False)
        gates.end("a", reachable=False)
        rests.append(gates.rest_seconds("a"))
        assert gates.out() == ["a"]
        now += rests[-1]
    assert rests == [2, 10, 30, 30, 30]
    assert gates.is_free("a")
    gates.begin("b")
    gates.begin("a")
    gates.begin("a")
    assert (gates.is_free("a"), gates.is_free("b")) == (False, True)
    gates.end("a", reachable=True)
    assert gates.is_free("a")


def outgoing(event: Any) -> Outgoing:
    return Outgoing("events", event.key.encode(), event.id.encode(), [("n", b"%d" % event.sequence)])


def test_log_counts_a_delivery_once_and_forgets_what_is_reported() -> None:
    done = conclude(delivery(attempts=1, message_id="r1"), Accepted((Refusal("b@x.test", 550),)), NOW, DAYS).after
    log = DeliveryLog("c")
    log.enter(done, outgoing)
    log.enter(done, outgoing)
    assert [o.record.headers for o in log.out] == [[("n", b"1")], [("n", b"2")]]
    assert len({o.record.body for o in log.out}) == 2
    log.drop({done.id})
    log.enter(done, outgoing)
    assert (log.out, log.sequence) == ([], 2)
