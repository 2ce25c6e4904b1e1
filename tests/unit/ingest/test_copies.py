"""One mail that reaches several inboxes: a message in each, or one (`company.copies`)."""

from typing import Literal

import pytest
from postroom_contracts.configuration import Configuration, MailAccount
from postroom_contracts.inbound import InboundReceived
from postroom_ingest.domain.inbound import Intake, mail_intake
from postroom_ingest.domain.mail import parse_mail

from tests.component.ingest.doorway import NINE, company

RAW = b"From: c@x.test\nTo: support@acme.test, sales@acme.test\nCc: boxed@acme.test\nMessage-ID: <1@x.test>\n\nHello\n"


def taken(configuration: Configuration, account_id: str) -> Intake:
    account = next(a for a in configuration.accounts if a.id == account_id)
    assert isinstance(account, MailAccount)
    return mail_intake(parse_mail(RAW), RAW, account=account, configuration=configuration, received_at=NINE, now=NINE)


def records(intake: Intake) -> list[InboundReceived]:
    return [event.data for event in intake.events if isinstance(event.data, InboundReceived)]


@pytest.mark.parametrize(("copies", "inboxes"), [("each_inbox", ["support", "sales"]), ("first_inbox", ["support"])])
def test_mail_to_two_inboxes_of_an_account(copies: Literal["each_inbox", "first_inbox"], inboxes: list[str]) -> None:
    intake = taken(company(company={"copies": copies}), "door")
    assert [record.inbox_id for record in records(intake)] == inboxes


def test_copies_in_two_accounts_are_one_entry_with_one_content_so_that_erasing_one_erases_all() -> None:
    configuration = company(company={"copies": "first_inbox"})
    one, other = taken(configuration, "door"), taken(configuration, "box")
    assert one.ledger_id == other.ledger_id
    assert [d["_id"] for d in one.documents] == [d["_id"] for d in other.documents]
    assert one.blobs.keys() == other.blobs.keys()
    assert [e.id for e in one.events] == [e.id for e in other.events]


def test_else_each_account_has_its_own() -> None:
    one, other = taken(company(), "door"), taken(company(), "box")
    assert one.ledger_id != other.ledger_id
    assert {r.message_id for r in records(one)}.isdisjoint(r.message_id for r in records(other))
