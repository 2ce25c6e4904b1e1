"""A mail that a guard cuts is stored like any other: a record, a note in its text, and the whole of it as the raw mail."""

from datetime import UTC, datetime

import pytest
from postroom_contracts.configuration import Configuration, MailAccount
from postroom_contracts.inbound import InboundReceived
from postroom_ingest.domain.inbound import mail_intake, note_intake
from postroom_ingest.domain.mail import parse_mail

from tests.unit.ingest.hostile_mails import HOSTILE

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ACCOUNT = MailAccount(id="mail")
OFFICE = Configuration.model_validate(
    {
        "company": {"name": "Acme", "default_calendar": "always", "domain": "acme.test"},
        "calendars": [{"id": "always", "time_zone": "UTC", "hours": {}}],
        "accounts": [{"id": "mail", "channel": "email"}],
        "inboxes": [{"id": "support", "name": "Support", "account": "mail", "address": "b@x.test", "teams": ["all"]}],
        "teams": [{"id": "all", "name": "All", "members": ["ann"]}],
        "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@acme.test"}],
    }
)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("26 MiB", "larger than 25 MiB, only its headers were read"),
        ("100,000 parts", "more than 200 parts, the rest was left out"),
        ("nested 3000 deep", "nested deeper than 20 levels, the rest is kept as one part"),
        ("100,000 recipients", "more than 1000 addresses in to, the rest was left out"),
        ("header of 25 MiB", "headers longer than 512 KiB, only their beginning was read"),
    ],
)
def test_what_a_guard_cuts_is_stored_with_a_note_and_the_whole_raw_mail(name: str, sentence: str) -> None:
    raw = HOSTILE[name]()
    intake = mail_intake(parse_mail(raw), raw, account=ACCOUNT, configuration=OFFICE, received_at=None, now=NOW)
    [event], [document] = intake.events, intake.documents
    assert intake.ignored is None
    assert isinstance(event.data, InboundReceived)
    assert sentence in document["text"]
    assert sentence in document["warnings"]
    assert intake.blobs[document["raw_blob_id"]] == raw
    assert event.data.body_bytes == len(raw)


def test_html_is_stored_safe_with_pictures_of_the_mail_as_they_are_named_in_it() -> None:
    page = b'<p onclick="x()">Hi <img src="cid:a@b"><img src="http://x.test/t.gif"></p><script>x()</script>'
    raw = b"From: a@x.test\r\nTo: b@x.test\r\nContent-Type: text/html\r\n\r\n" + page
    intake = mail_intake(parse_mail(raw), raw, account=ACCOUNT, configuration=OFFICE, received_at=None, now=NOW)
    assert intake.documents[0]["html"] == '<p>Hi <img src="cid:a@b"><img data-remote-src="http://x.test/t.gif"></p>'


def test_two_mails_that_cannot_be_read_are_two() -> None:
    one, other = (
        note_intake(
            raw, "[unreadable]", parse_mail(b""), account=ACCOUNT, configuration=OFFICE, received_at=NOW, now=NOW
        )
        for raw in (b"one", b"other")
    )
    assert one.ledger_id != other.ledger_id
    assert one.blobs.keys().isdisjoint(other.blobs)
