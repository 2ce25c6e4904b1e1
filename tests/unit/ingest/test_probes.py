"""Probes: our own marked mail is history that is seen by nobody; whoever copies the mark has an ordinary mail."""

from datetime import UTC, datetime, timedelta

import pytest
from postroom_contracts.configuration import Configuration, MailAccount
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import is_probe_mark, probe_mark
from postroom_ingest.domain.inbound import mail_intake
from postroom_ingest.domain.mail import parse_mail
from postroom_notifier.domain.probe_mail import probe_mail, probed

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEYS = (b"a-signing-key-of-the-tests-0001", b"the-key-before-that-one-0000001")
COMPANY = Configuration.model_validate(
    {
        "company": {"name": "Acme", "default_calendar": "c", "domain": "acme.test"},
        "calendars": [{"id": "c", "time_zone": "UTC", "hours": {}}],
        "accounts": [
            {
                "id": "shop",
                "channel": "email",
                "imap": {"host": "h", "user": "u", "password": {"env": "P"}},
                "smtp": {"host": "h"},
            },
            {"id": "out", "channel": "email", "smtp": {"host": "h"}},
            {"id": "in", "channel": "email", "imap": {"host": "h", "user": "u", "password": {"env": "P"}}},
        ],
        "inboxes": [
            {"id": i, "name": i, "account": i, "address": f"{i}@acme.test", "teams": ["t"]}
            for i in ("shop", "out", "in")
        ],
        "teams": [{"id": "t", "name": "T", "members": ["ann"]}],
        "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@staff.test"}],
    }
)


def taken(raw: bytes, now: datetime = NOW, keys: tuple[bytes, ...] = KEYS) -> InboundReceived:
    account = COMPANY.accounts[0]
    assert isinstance(account, MailAccount)
    intake = mail_intake(
        parse_mail(raw), raw, account=account, configuration=COMPANY, received_at=now, now=now, probe_keys=keys
    )
    (event,) = intake.events
    assert isinstance(event.data, InboundReceived)
    return event.data


def made(nonce: str = "n1", key: bytes = KEYS[0]) -> bytes:
    return probe_mail("shop", "shop@acme.test", nonce, NOW, (key,)).mail.body


def test_probes_go_to_accounts_that_can_be_sent_by_and_read_from() -> None:
    assert [(account.id, address) for account, address in probed(COMPANY)] == [("shop", "shop@acme.test")]


def test_a_probe_is_known_and_imported_so_that_nothing_counts_it() -> None:
    inbound = taken(made())
    assert (inbound.probe, inbound.imported, inbound.message_kind) == (True, True, "auto_reply")
    assert inbound.external_id == "probe.shop.n1@acme.test"
    assert taken(made(key=KEYS[1])).probe, "the key before the newest counts while it is rotated"


def test_all_probes_of_an_hour_refer_to_one_id() -> None:
    assert taken(made("n1")).references == taken(made("n2")).references == ["probe.shop.2026030209@acme.test"]


@pytest.mark.parametrize(
    ("raw", "keys", "now"),
    [
        pytest.param(made().replace(b"probe.shop.n1", b"probe.shop.n2"), KEYS, NOW, id="the mark of another mail"),
        pytest.param(made().replace(b"To: shop@", b"To: x@x.test, shop@"), KEYS, NOW, id="sent to others too"),
        pytest.param(made().replace(b"To: shop@acme", b"To: shop@other"), KEYS, NOW, id="sent to another"),
        pytest.param(made(key=b"somebody-else's-key-of-16-bytes"), KEYS, NOW, id="signed by somebody else"),
        pytest.param(made(), (), NOW, id="no key is set"),
        pytest.param(made(), KEYS, NOW + timedelta(hours=25), id="older than a day"),
        pytest.param(made(), KEYS, NOW - timedelta(minutes=6), id="of the future"),
        pytest.param(made().replace(b"X-Postroom-Probe", b"X-Other"), KEYS, NOW, id="no mark"),
        pytest.param(
            b"From: a@b.test\r\nTo: shop@acme.test\r\nMessage-ID: <probe.shop.n1@acme.test>\r\n\r\n"
            + made().replace(b"\r\nX-Post", b"\r\n\r\nX-Post"),
            KEYS,
            NOW,
            id="a mark in the text",
        ),
    ],
)
def test_what_only_looks_like_a_probe_is_a_persons_mail(raw: bytes, keys: tuple[bytes, ...], now: datetime) -> None:
    inbound = taken(raw, now, keys)
    assert (inbound.probe, inbound.imported) == (False, False)


@pytest.mark.parametrize("value", ["", ".", "1.", "x.y", "1" * 40 + ".aaaa", "５.aaaa", "12.é", "12.====", "-5.aaaa"])
def test_a_mark_of_any_form_is_read(value: str) -> None:
    assert not is_probe_mark(value, "shop@acme.test", "m@acme.test", NOW, KEYS)
    good = probe_mark("Shop@Acme.test", "m@acme.test", NOW, KEYS[0])
    assert is_probe_mark(good, "shop@acme.test", "m@acme.test", NOW, KEYS)
