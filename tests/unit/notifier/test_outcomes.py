"""What a server's answer means, and how long an account rests."""

from datetime import timedelta
from typing import Any

import aiosmtplib
import pytest
from postroom_contracts.facts import Fact
from postroom_notifier.adapters.dkim_signer import SigningError
from postroom_notifier.adapters.smtp import TooLargeError, classify
from postroom_notifier.delivery_log import DeliveryLog
from postroom_notifier.domain.outcomes import (
    Accepted,
    Mark,
    Refusal,
    Rejected,
    Skipped,
    TryAgain,
    conclude,
    failure_of,
    gap,
)
from postroom_notifier.domain.returned import address_is_bad, whom_it_is_about
from postroom_notifier.gates import AccountGates
from postroom_runtime.kafka import Outgoing
from postroom_runtime.secrets import MissingSecretError

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
    plain = [2, 10, 30, 120, 600, 3600, 10_800, 21_600, 43_200, 86_400, 86_400]
    for seconds, gaps in zip(plain, zip(*(_gaps(f"d{n}") for n in range(200)), strict=True), strict=True):
        assert seconds <= min(gaps) < seconds * 1.02, "up to a day"
        assert seconds * 1.18 < max(gaps) <= seconds * 1.2, "not all at once"
    assert _gaps("d1") == _gaps("d1"), "the same in each process"


def _gaps(delivery_id: str) -> list[float]:
    return [gap(n, delivery_id).total_seconds() for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20)]


def test_put_off_is_tried_after_the_gap_and_given_up_after_three_days() -> None:
    outcome = TryAgain("refused_for_now", code="451")
    mark = conclude(delivery(attempts=2, message_id="r1", lease="x"), outcome, NOW, DAYS)
    assert not mark.done
    assert timedelta(seconds=10) <= mark.fields["next_at"] - NOW <= timedelta(seconds=12)
    late = conclude(delivery(attempts=9, message_id="r1"), outcome, FRIDAY + timedelta(hours=73), DAYS)
    assert names(late) == ["MessageFailed"]
    assert facts(late)[0].model_dump()["reason"] == "gave_up"


def test_server_that_is_away_uses_up_no_attempt() -> None:
    mark = conclude(delivery(attempts=5), TryAgain("unreachable", unreachable=True), NOW, DAYS)
    assert mark.fields["attempts"] == 4
    assert timedelta(seconds=2) <= mark.fields["next_at"] - NOW <= timedelta(seconds=2.4)


def test_partly_taken_keeps_only_who_was_put_off() -> None:
    refusals = (Refusal("a@x.test", 450), Refusal("b@x.test", 550))
    mark = conclude(delivery(attempts=1), Accepted(refusals), NOW, DAYS)
    assert not mark.done
    assert mark.fields["remaining"] == ["a@x.test"]
    assert mark.fields["refused"] == [{"address": "b@x.test", "code": "550"}]
    last = conclude(
        delivery(attempts=2, message_id="r1", remaining=["a@x.test"]), Rejected("refused", "550"), NOW, DAYS
    )
    assert names(last) == ["MessageSent", "MessageBounced"], "some have it"


def test_who_was_refused_while_another_was_put_off_is_reported_at_the_end() -> None:
    first = conclude(
        delivery(attempts=1, message_id="r1", lease="x"),
        Accepted((Refusal("a@x.test", 450), Refusal("b@x.test", 550, "5.1.1"))),
        NOW,
        DAYS,
    )
    second = conclude(first.after, Accepted(), NOW, DAYS)
    assert names(second) == ["MessageSent", "MessageBounced"]
    bounced = facts(second)[1].model_dump()
    assert (bounced["status_code"], bounced["undeliverable"]) == ("5.1.1", True)
    assert second.after.refused is None, "addresses stay only while they are needed"


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Accepted(), None),
        (Accepted((Refusal("b@x.test", 550, "5.1.1"),)), (["b@x.test"], "refused", "5.1.1")),
        (Rejected("too_large", "5.3.4"), ([], "too_large", "5.3.4")),
        (Rejected("refused", "550", (Refusal("a@x.test", 550),)), (["a@x.test"], "refused", "550")),
        (TryAgain("refused_for_now", code="451"), ([], "gave_up", "451")),
        (Skipped("loop_limit"), None),
    ],
    ids=["all-have-it", "one-refused", "too-large", "refused", "gave-up", "skipped"],
)
def test_what_the_author_is_told(outcome: Any, expected: Any) -> None:
    one = delivery(attempts=9, message_id="r1", details={"author": "ana"})
    late = FRIDAY + timedelta(hours=80)
    found = failure_of(one, outcome, conclude(one, outcome, late, DAYS))
    assert expected == (found and ([r.address for r in found[0].refused or []], found[1], found[2]))


def test_author_is_told_of_those_who_were_given_up_too() -> None:
    refused = [{"address": "b@x.test", "code": "5.1.1"}]
    one = delivery(attempts=9, message_id="r1", remaining=["a@x.test"], refused=refused)
    outcome = TryAgain("refused_for_now", code="451")
    found = failure_of(one, outcome, conclude(one, outcome, FRIDAY + timedelta(hours=80), DAYS))
    assert found is not None
    assert [(r.address, r.code) for r in found[0].refused or []] == [("b@x.test", "5.1.1"), ("a@x.test", "451")]


def test_nothing_is_told_before_the_end() -> None:
    one, outcome = delivery(attempts=1), TryAgain("refused_for_now", code="451")
    assert failure_of(one, outcome, conclude(one, outcome, NOW, DAYS)) is None


@pytest.mark.parametrize(
    ("code", "bad"),
    [
        ("5.1.1", True),
        ("5.1.10", True),
        ("5.2.1", True),
        ("5.4.4", True),
        ("550", True),
        ("4.2.2", False),
        ("4.4.7", False),
        ("5.3.4", False),
        ("5.7.1", False),
        ("5.6.0", False),
        ("552", False),
        ("554", False),
        ("2.1.5", False),
        ("", False),
        ("5.1.1 and more", False),
        (None, False),
    ],
)
def test_which_codes_mark_an_address(code: str | None, bad: bool) -> None:
    assert address_is_bad(code) is bad


@pytest.mark.parametrize(
    ("recipients", "reported", "expected"),
    [
        (["a@x.test", "b@x.test"], "B@x.test", "b@x.test"),
        (["a@x.test", "b@x.test"], None, None),
        (["a@x.test", "b@x.test"], "boss@x.test", None),
        (["a@x.test"], "behind@forward.test", "a@x.test"),
        (["a@x.test"], None, "a@x.test"),
    ],
)
def test_whom_a_bounce_is_about(recipients: list[str], reported: str | None, expected: str | None) -> None:
    assert whom_it_is_about(recipients, reported) == expected


def test_refused_log_in_rests_longer_and_ends_with_a_new_configuration() -> None:
    now = 0.0
    gates = AccountGates(2, lambda: now)
    for _ in range(6):
        gates.begin("a")
        gates.end("a", reachable=False, refused=True)
        now += gates.rest_seconds("a")
    gates.begin("a")
    gates.end("a", reachable=False, refused=True)
    assert (gates.rest_seconds("a"), gates.rest_seconds("b")) == (300, 0)
    gates.reopen()
    assert gates.is_free("a")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiosmtplib.SMTPSenderRefused(451, "later", "a"), TryAgain("refused_for_now", code="451")),
        (aiosmtplib.SMTPDataError(554, "5.7.1 spam"), Rejected("refused", "5.7.1")),
        (aiosmtplib.SMTPDataError(552, "5.3.4 too big"), Rejected("too_large", "5.3.4")),
        (aiosmtplib.SMTPSenderRefused(552, "too big", "a"), Rejected("too_large", "552")),
        (aiosmtplib.SMTPDataError(552, "5.2.2 mailbox full"), Rejected("refused", "5.2.2")),
        (
            aiosmtplib.SMTPAuthenticationError(454, "not now"),
            TryAgain("server_unavailable", unreachable=True, code="454"),
        ),
        (TooLargeError(), Rejected("too_large")),
        (SigningError("no key"), TryAgain("dkim_key", unreachable=True)),
        (aiosmtplib.SMTPDataError(421, "bye"), TryAgain("server_unavailable", unreachable=True, code="421")),
        (aiosmtplib.SMTPAuthenticationError(535, "no"), TryAgain("account_refused", unreachable=True, code="535")),
        (aiosmtplib.SMTPSenderRefused(530, "log in", "a"), TryAgain("account_refused", unreachable=True, code="530")),
        (aiosmtplib.SMTPConnectError("refused"), TryAgain("unreachable", unreachable=True)),
        (aiosmtplib.SMTPConnectTimeoutError("slow"), TryAgain("unreachable", unreachable=True)),
        (aiosmtplib.SMTPServerDisconnected("gone"), TryAgain("no_answer")),
        (aiosmtplib.SMTPReadTimeoutError("slow"), TryAgain("no_answer")),
        (TimeoutError(), TryAgain("no_answer")),
        (MissingSecretError("PASSWORD"), TryAgain("unreachable", unreachable=True)),
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
