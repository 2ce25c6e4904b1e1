"""The feed's plan, the faults' plan, and what is read back out of mail."""

import asyncio
import email
import email.policy
from pathlib import Path

import pytest

from faults.ending import within
from faults.evidence import read_mail
from faults.feeder import Feeder
from faults.mails import Parent, PlannedMail, compose, plan, planned_parent, raw_mail
from faults.options import SERVERS, SERVICES, options
from faults.reading import message_ids
from faults.report import exit_code, not_caught, problems
from faults.schedule import schedule
from faults.sink import Delivered, MailFile, MailFileReader

INBOXES = ("support@company.example", "orders@company.example")


@pytest.fixture(scope="module")
def mails() -> list[PlannedMail]:
    return plan(7, 3000, 20.0, INBOXES)


def test_the_shares_are_those_that_are_promised(mails: list[PlannedMail]) -> None:
    replies = [mail for mail in mails if mail.parent is not None]
    cut = [mail for mail in replies if mail.chain != "full"]
    assert len(mails) == 3000
    assert len(replies) == 900
    assert 240 <= len(cut) <= 360
    assert sum(mail.message_id is None for mail in mails) == 60
    assert sum(mail.again_at is not None for mail in mails) == 150


def test_some_replies_are_sent_before_what_they_answer(mails: list[PlannedMail]) -> None:
    early = [mail for mail in mails if mail.parent is not None and mail.at < mails[mail.parent].at]
    assert len(early) > 50
    assert any(mail.chain != "full" for mail in early)


def test_each_reply_can_be_traced_to_its_thread_by_what_it_names(mails: list[PlannedMail]) -> None:
    """Else no system could put it where the plan expects it."""
    thread_of = {mail.message_id: mail.thread for mail in mails if mail.message_id}
    for mail in mails:
        if mail.parent is None:
            continue
        read = email.message_from_bytes(compose(mail, planned_parent(mails, mail)), policy=email.policy.default)
        named = [*message_ids(read["In-Reply-To"]), *message_ids(read["References"])]
        assert named
        assert {thread_of[i] for i in named} == {mail.thread}


def _to_answer(number: int, parent: int | None, *, to_answer: bool) -> PlannedMail:
    return PlannedMail(
        number, f"T{number:05d}x000000", 0, INBOXES[0], "c@x", float(number), f"{number}@x", parent, to_answer=to_answer
    )


@pytest.mark.parametrize(("early", "answers"), [(False, "ours@x"), (True, "0@x")])
def test_a_reply_answers_our_mail_unless_a_reply_to_it_left_before_it(
    early: bool, answers: str, tmp_path: Path
) -> None:
    """What we wrote may be about that reply: nobody answers what answers what they have not written yet."""
    mails = [
        _to_answer(0, None, to_answer=False), _to_answer(1, 0, to_answer=True), _to_answer(2, 1, to_answer=False),
    ]  # fmt: skip
    feeder = Feeder(options(environment={}), mails, 0, MailFileReader(tmp_path / "none"))
    feeder._ours[0] = Parent("ours@x")
    if early:
        feeder._content(2)
    read = email.message_from_bytes(feeder._content(1), policy=email.policy.default)
    assert message_ids(read["In-Reply-To"]) == [answers]


def test_the_same_seed_gives_the_same_bytes(mails: list[PlannedMail]) -> None:
    again = plan(7, 3000, 20.0, INBOXES)
    assert again == mails
    assert compose(again[50], None) == compose(mails[50], None)


def test_every_server_is_killed_twice_and_services_every_five_seconds() -> None:
    kills = schedule(options(environment={"FAULTS_SEED": "3"}))
    assert {name: sum(kill.name == name for kill in kills) for name in SERVERS} == dict.fromkeys(SERVERS, 2)
    assert sum(kill.name not in SERVERS for kill in kills) == 30


def test_text_of_an_agent_is_found_where_it_was_given_back_and_not_where_a_colleague_is_quoted() -> None:
    text = "##- line -##\n\n--- Your text ---\nSent: A00001xaaaaaa.\n\n--- Your colleague's answer ---\nA00002xbbbbbb\n"
    raw = raw_mail([("Message-ID", "<one.two.mac@company.example>"), ("Subject", "[S] gear T00001x000001")], text)
    agents = frozenset({"mira@company.example"})
    found = read_mail(Delivered("mira@company.example", raw, 0.0), agents)
    assert (found.conversation, found.delivery, found.customer_token) == ("one", "two", "T00001x000001")
    assert found.answer_token == "A00001xaaaaaa"


def test_a_line_that_a_kill_tore_apart_is_no_mail(tmp_path: Path) -> None:
    path = tmp_path / "mails"
    MailFile(path).append("a@x.example", b"one")
    with path.open("ab") as file:
        file.write(b'{"to": "b@x.exam')
    reader = MailFileReader(path)
    assert [mail.recipient for mail in reader.new()] == ["a@x.example"]
    MailFile(path).append("c@x.example", b"three")
    assert [mail.recipient for mail in reader.new()] == ["c@x.example"]


@pytest.mark.parametrize(
    ("broken", "counts", "code"),
    [
        ("ack-first", {"lost": 3}, 1),
        ("ack-first", {"duplicate_effects": 3}, 2),
        ("no-dedup", {"duplicate_effects": 1}, 1),
        ("no-resend", {"without_owner": 1}, 1),
        ("no-resend", {"misthreaded": 1}, 2),
        ("wrong-thread", {"misthreaded": 2}, 1),
    ],
)
def test_a_broken_build_is_caught_by_its_own_counter_alone(broken: str, counts: dict[str, int], code: int) -> None:
    found = {"mails": 100, "lost": 0, "duplicate_effects": 0, "misthreaded": 0, "without_owner": 0, **counts}
    chosen = options(broken, {"FAULTS_SEED": "1"})
    assert exit_code(not_caught(found, 90, {}, broken), chosen) == code


def test_a_broken_build_that_does_nothing_at_all_proves_nothing() -> None:
    found = {"mails": 100, "lost": 100}
    assert exit_code(not_caught(found, 0, {}, "ack-first"), options("ack-first", {"FAULTS_SEED": "1"})) == 2


def test_a_broken_build_that_is_still_at_work_has_lost_nothing_yet() -> None:
    waiting = {"records behind": 5}
    chosen = options("ack-first", {"FAULTS_SEED": "1"})
    assert exit_code(not_caught({"mails": 100, "lost": 9}, 99, waiting, "ack-first"), chosen) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"lost": 1},
        {"rebuild_differs": 2},
        {"states_differ": 1},
        {"repeated_mails": 9},
        {"mails": 2999},
        {"kafka": 1},
        {"router": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_run_fails_when_one_figure_is_not_what_it_must_be(change: dict[str, int]) -> None:
    names = ("lost", "duplicate_effects", "misthreaded", "without_owner", "rebuild_differs", "states_differ")
    zero = dict.fromkeys(names, 0)
    kills = {**dict.fromkeys(SERVICES, 0), "router": 30, **dict.fromkeys(SERVERS, 2)}
    good = {"mails": 3000, "kills": kills, **zero, "repeated_mails": 8, "repeated_mails_allowed": 8}
    chosen = options(environment={"FAULTS_SEED": "1"})
    assert problems(good, {}, chosen) == []
    changed = {**good, "kills": {**kills, **change}} if change.keys() <= kills.keys() else {**good, **change}
    assert problems(changed, {}, chosen)
    assert problems(good, {"records behind": 1}, chosen)


async def test_a_run_that_does_not_end_is_stopped_in_order_and_fails() -> None:
    stopped: list[bool] = []

    async def endless() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)
        return 0

    said: list[str] = []
    assert await within(0.05, endless(), said.append) == 1
    assert (stopped, said) == ([True], ["not done within 0 s, stopped"])
    assert await within(5, asyncio.sleep(0, 2), said.append) == 2


def test_the_whole_run_takes_a_quarter_of_an_hour_at_most() -> None:
    assert options(environment={}).limit_seconds == 840  # 3,000 mails at 20 a second: 150 s
    assert options("ack-first", environment={}).limit_seconds == 630
