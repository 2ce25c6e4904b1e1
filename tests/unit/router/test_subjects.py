"""Subjects for comparing, and mail that joins a conversation by its subject where the inbox wants that."""

from typing import Any

import pytest
from postroom_contracts.configuration import Configuration
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.subjects import is_forward, normalised_subject
from postroom_contracts.values import Channel
from postroom_router.domain.company import Company, company_of
from postroom_router.domain.threading import Placed, Placing, Row, names_of

from tests.unit.router.build import KEYS, configuration, inbound
from tests.unit.router.test_threading import parents, proposal

DAY = 24 * 60


@pytest.mark.parametrize(
    "subject",
    [
        "My parcel",
        "Re: My parcel",
        "RE: RE: my  parcel",
        "Re[2]: My parcel",
        "RE(3): My parcel",
        "Re^2: My parcel",
        "AW: Antwort: My parcel",
        "SV: VS: My parcel",
        "R: RIF: My parcel",
        "Odp: My parcel",
        "Ynt: My parcel",
        "Отв: Re: My parcel",
        "回复：My parcel",
        "答复: 返信: My parcel",
        "Fwd: WG: TR: RV: ENC: My parcel",
        "RÉP : My parcel",
        "Re:Re:Re:My parcel",
    ],
)
def test_prefixes_of_all_languages_make_no_other_subject(subject: str) -> None:
    assert normalised_subject(subject) == "my parcel"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [("Re:", ""), ("", ""), ("Reply: x", "reply: x"), ("Order 5: late", "order 5: late")],
)
def test_other_words_stay(subject: str, expected: str) -> None:
    assert normalised_subject(subject) == expected


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Fwd: x", True),
        ("WG: Re: x", True),
        ("转发：x", True),
        ("Re: Fwd: x", False),
        ("Forward march: x", False),
        ("", False),
    ],
)
def test_forward_prefixes(subject: str, expected: bool) -> None:
    assert is_forward(subject) is expected


def test_a_hostile_subject_costs_little() -> None:
    assert normalised_subject("Re: " * 100_000).startswith("re: re:")


def grouping(days: int | None) -> Company:
    plain = configuration().model_dump(mode="json")
    plain["inboxes"][0]["group_by_subject_days"] = days
    return company_of(Configuration.model_validate(plain), 7)


class Claims:
    def __init__(self, days: int | None = 7) -> None:
        self.company = grouping(days)
        self.rows: dict[str, Row] = {}

    def place(self, mail: InboundReceived) -> Placed:
        names = names_of(mail, KEYS, self.company)
        placing = Placing({c: self.rows[c] for c in names.asked if c in self.rows})
        placed = placing.place(names)
        self.rows |= placing.made | placing.moved
        return placed

    def home(self, name: str, subject: str = "My parcel", minutes: float = 0, **fields: Any) -> str:
        return self.place(inbound(name, minutes=minutes, subject=subject, **fields)).home


def test_same_subject_and_sender_join_within_the_days() -> None:
    claims = Claims()
    assert claims.home("one") == proposal("one")
    assert claims.home("two", "RE: my parcel", 7 * DAY) == proposal("one")
    assert claims.home("three", "my parcel", 14 * DAY) == proposal("one"), "the days count from the latest mail"
    assert claims.home("four", "my parcel", 22 * DAY) == proposal("four")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"sender": "dora@example.test"}, id="another sender"),
        pytest.param({"subject": "Another parcel"}, id="another subject"),
        pytest.param({"message_kind": "auto_reply", "automatic": "auto-reply"}, id="a machine"),
        pytest.param({"automatic": "list"}, id="a list"),
        pytest.param({"inbox_id": "sales"}, id="an inbox that does not group"),
        pytest.param({"channel": Channel.WEBHOOK}, id="another channel"),
        pytest.param({"in_reply_to": ["elsewhere@example.test"]}, id="it answers something else"),
    ],
)
def test_nothing_else_joins(fields: dict[str, Any]) -> None:
    claims = Claims()
    claims.home("one")
    assert claims.home("two", **{"minutes": 1, **fields}) != proposal("one")


def test_no_subject_is_nobodys() -> None:
    claims = Claims()
    claims.home("one", "Re:")
    assert claims.home("two", "") == proposal("two")


def test_off_unless_wanted() -> None:
    claims = Claims(None)
    claims.home("one")
    assert claims.home("two") == proposal("two")
    assert len(claims.rows) == 2


def test_answers_by_id_go_before_subjects_and_are_never_merged_by_them() -> None:
    claims = Claims()
    claims.home("one")
    claims.home("other", "Another", 1)
    placed = claims.place(inbound("two", minutes=2, subject="My parcel", **parents(reply_to="other")))
    assert placed == Placed(proposal("other"))
    assert claims.home("three", minutes=3) == proposal("one")


def test_mail_that_comes_again_keeps_its_home() -> None:
    claims = Claims()
    claims.home("one")
    assert [claims.home("two", minutes=1), claims.home("two", minutes=1)] == [proposal("one")] * 2
