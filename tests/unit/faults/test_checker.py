"""The checker reports what is wrong and nothing else: every kind of fault planted in a good log."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from faults import notifications
from faults.checker import check
from faults.evidence import Evidence, Findings, Log
from faults.feeder import SentAnswer
from tests.unit.faults.logs import (
    AGENT,
    AGENT_ADDRESS,
    ASSIGNER,
    CUSTOMER,
    FIRST,
    NOTIFIER,
    OTHER,
    ROUTER,
    assigned,
    fact,
    good,
    inbound,
    mailed,
    notified,
    received,
    with_events,
    without,
)

Change = Callable[[Evidence], Evidence]


def moved(evidence: Evidence, event_id: str, **changes: object) -> Evidence:
    events = [replace(r, data={**r.data, **changes}) if r.id == event_id else r for r in evidence.events]
    return replace(evidence, events=events)


def test_a_good_run_has_no_findings() -> None:
    findings = check(good())
    assert findings.counts == {"lost": 0, "duplicate_effects": 0, "misthreaded": 0, "without_owner": 0}
    assert (findings.repeated_mails, findings.repeated_mails_allowed) == (0, 16)


def test_records_that_were_published_again_are_no_effects() -> None:
    evidence = good()
    again = replace(
        evidence, events=[*evidence.events, *evidence.events], inbound=[*evidence.inbound, *evidence.inbound]
    )
    assert sum(check(again).counts.values()) == 0


def test_an_event_before_its_predecessor_is_taken_behind_it() -> None:
    evidence = good()
    late = received("two", 2, "m4", opened=False)
    told = notified("two", 2, "replied", late)
    first, *rest = [r for r in evidence.events if r.subject == "two"]
    others = [r for r in evidence.events if r.subject != "two"]
    mails = [*evidence.mails, replace(evidence.mails[2], number=4, token="T00004x000004")]
    shuffled = replace(
        evidence,
        mails=mails,
        inbound=[*evidence.inbound, inbound("T00004x000004", "m4")],
        events=[*others, rest[0], late, first, rest[1], told],
        mailed=[*evidence.mailed, mailed(told, token="T00004x000004")],
    )
    assert sum(check(shuffled).counts.values()) == 0


def flooded(evidence: Evidence, sent: int) -> Evidence:
    """Twelve more mails of a customer in a conversation; the first `sent` notifications go out, the others are over a limit."""
    mails, inbounds, events, mailboxes = [], [], [], []
    for n in range(12):
        token = f"T{n + 10:05d}x0000{n + 10}"
        mails.append(replace(evidence.mails[2], number=n + 10, token=token))
        inbounds.append(inbound(token, f"more{n}"))
        cause = received("two", n + 2, f"more{n}", opened=False)
        told = notified("two", n + 2, "replied", cause)
        if n >= sent:
            told = replace(told, type="notification-failed", data={**told.data, "reason": "loop_limit"})
        else:
            mailboxes.append(mailed(told, token=token))
        events += [cause, told]
    return replace(
        with_events(evidence, *events),
        mails=[*evidence.mails, *mails],
        inbound=[*evidence.inbound, *inbounds],
        mailed=[*evidence.mailed, *mailboxes],
    )


def test_what_is_over_the_limit_of_a_conversation_is_not_lost() -> None:
    assert sum(check(flooded(good(), 9)).counts.values()) == 0, "nine and that of the new owner are ten"
    assert check(flooded(good(), 8)).counts["lost"] == 8, (
        "the limit was not reached: four not sent, four said to be over it"
    )


LOST: dict[str, Change] = {
    "mail never taken in": lambda e: replace(e, inbound=e.inbound[:2]),
    "mail never accepted": lambda e: without(e, "two-ter-1"),
    "number missing": lambda e: without(e, "one-ter-2"),
    "source merged, target did not take it in": lambda e: without(e, "one-ter-3"),
    "notification not sent": lambda e: without(e, "two-ier-1"),
    "notification told of, in no mailbox": lambda e: replace(e, mailed=e.mailed[1:]),
    "reply accepted, not sent": lambda e: without(e, "one-ier-2"),
    "answer of an agent without outcome": lambda e: replace(e, mailed=e.mailed[:-1]),
    "mail of which nothing tells": lambda e: replace(
        e, mailed=[*e.mailed, replace(e.mailed[0], delivery="x", message_id="one.x.mac@y")]
    ),
    "notification given up": lambda e: with_events(
        e, fact("notification-failed", NOTIFIER, "one", 3, delivery_id="d", reason="refused")
    ),
    "merged in a circle": lambda e: with_events(e, fact("conversation-merged", ROUTER, "one", 4, target_id="late")),
    "dead letter": lambda e: replace(e, parked=1),
}
DUPLICATE: dict[str, Change] = {
    "one mail, two messages": lambda e: with_events(
        replace(e, inbound=[*e.inbound, inbound(FIRST, "m1b")]), received("one", 4, "m1b", opened=False)
    ),
    "one message, two facts": lambda e: with_events(e, received("one", 4, "m1", opened=False)),
    "message of no mail": lambda e: with_events(e, received("one", 4, "m9", opened=False)),
    "two ids on one number": lambda e: with_events(e, fact("conversation-tagged", ROUTER, "one", 2, "another")),
    "one id with two contents": lambda e: with_events(e, moved(e, "one-ner-1", agent_id="jonas").events[1]),
    "notified twice": lambda e: with_events(e, replace(notified("one", 3, "assigned", assigned("one", 1)), id="again")),
    "notified of nothing": lambda e: with_events(
        e, replace(notified("one", 3, "replied", received("one", 1, "m1", opened=True)), id="nothing")
    ),
    "two Message-IDs for one delivery": lambda e: replace(
        e, mailed=[*e.mailed, replace(e.mailed[0], message_id="one.other.mac@x")]
    ),
    "notification in a foreign mailbox": lambda e: replace(
        e, mailed=[replace(e.mailed[0], recipient=CUSTOMER), *e.mailed[1:]]
    ),
    "reply sent twice": lambda e: with_events(
        e, fact("message-sent", NOTIFIER, "one", 3, message_id="r1", delivery_id="d-reply")
    ),
    "answer sent and given back": lambda e: replace(
        e, mailed=[*e.mailed, replace(e.mailed[-1], recipient=AGENT_ADDRESS, message_id="one.back.mac@x")]
    ),
    "taken in twice": lambda e: with_events(e, fact("conversation-absorbed", ROUTER, "one", 4, source_id="late")),
    "taken in without a merge": lambda e: with_events(
        e, fact("conversation-absorbed", ROUTER, "one", 4, source_id="two")
    ),
}
MISTHREADED: dict[str, Change] = {
    "a thread in two conversations": lambda e: without(without(e, "late-ter-2"), "one-ter-3"),
    "two threads in one conversation": lambda e: replace(
        e, events=[replace(r, subject="one", sequence=4) if r.id == "two-ter-1" else r for r in e.events]
    ),
    "a mail in two conversations": lambda e: with_events(e, received("two", 2, "m1", opened=False)),
    "a reply to somebody who did not ask": lambda e: replace(
        e, mailed=[*e.mailed[:-1], replace(e.mailed[-1], recipient="eve@customers.example")]
    ),
}
WITHOUT_OWNER: dict[str, Change] = {
    "never assigned": lambda e: without(e, "two-ner-1"),
    "taken away and not given again": lambda e: with_events(
        e, fact("conversation-unassigned", ASSIGNER, "two", 2, epoch=2)
    ),
    "two owners at one epoch": lambda e: with_events(e, assigned("two", 2, "jonas", epoch=1)),
}


@pytest.mark.parametrize("plant", LOST.values(), ids=LOST.keys())
def test_lost(plant: Change) -> None:
    assert check(plant(good())).lost


@pytest.mark.parametrize("plant", DUPLICATE.values(), ids=DUPLICATE.keys())
def test_duplicate_effects(plant: Change) -> None:
    assert check(plant(good())).duplicate_effects


@pytest.mark.parametrize("plant", MISTHREADED.values(), ids=MISTHREADED.keys())
def test_misthreaded(plant: Change) -> None:
    assert check(plant(good())).misthreaded


@pytest.mark.parametrize("plant", WITHOUT_OWNER.values(), ids=WITHOUT_OWNER.keys())
def test_without_owner(plant: Change) -> None:
    assert check(plant(good())).without_owner


def test_a_mail_that_came_again_with_its_message_id_is_counted_and_allowed() -> None:
    evidence = good()
    findings = check(replace(evidence, mailed=[*evidence.mailed, evidence.mailed[0], evidence.mailed[0]]))
    assert findings.repeated_mails == 2
    assert findings.counts["duplicate_effects"] == 0


def test_misthreaded_counts_the_smaller_part_of_a_thread() -> None:
    """Three mails of a thread together and one elsewhere is one wrong mail, not three."""
    evidence = good()
    more = [replace(evidence.mails[0], number=n, token=f"T0000{n}x00000{n}") for n in (4, 5)]
    events = [received("one", 4, "m4", opened=False), received("two", 2, "m5", opened=False)]
    taken = [inbound(mail.token, f"m{mail.number}") for mail in more]
    planted = replace(
        with_events(evidence, *events), mails=[*evidence.mails, *more], inbound=[*evidence.inbound, *taken]
    )
    lines = check(planted).misthreaded
    assert [line for line in lines if "T00005" in line]
    assert not [line for line in lines if FIRST in line or "T00004" in line or OTHER in line]


def test_as_many_answers_may_have_no_outcome_as_refusals_were_held_back_by_the_loop_limit() -> None:
    about = {"notification": "refused", "agent_id": AGENT, "delivery_id": "d", "reason": "loop_limit"}
    held_back = fact("notification-failed", NOTIFIER, "one", 1, **about)
    answers = [SentAnswer(f"A0000{n}xabcdef", AGENT_ADDRESS) for n in (1, 2)]
    evidence = Evidence([], answers, [], [held_back], [], {AGENT: AGENT_ADDRESS}, {})
    findings = Findings()
    notifications._check_answers(evidence, Log(evidence.events), findings)
    assert findings.lost == [f"answer A00002xabcdef of {AGENT_ADDRESS}: neither sent nor given back"]
