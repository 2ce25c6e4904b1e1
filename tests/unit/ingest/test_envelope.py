"""Which inbox a recipient is, and who may hand mail over for it."""

from typing import Any

import pytest
from postroom_ingest.domain.envelope import in_networks, route_of, with_return_path, without_srs

from tests.component.ingest.doorway import company


@pytest.mark.parametrize(
    ("peer", "networks", "expected"),
    [
        ("192.0.2.7", ["192.0.2.0/24"], True),
        ("192.0.3.7", ["192.0.2.0/24", "192.0.3.7"], True),
        ("::ffff:192.0.2.7", ["192.0.2.0/24"], True),
        ("fe80::1%eth0", ["fe80::/10"], True),
        ("2001:db8::1", ["192.0.2.0/24"], False),
        ("192.0.2.7", [], False),
        ("", ["0.0.0.0/0"], False),
        ("localhost", ["0.0.0.0/0"], False),
    ],
)
def test_networks(peer: str, networks: list[str], expected: bool) -> None:
    assert in_networks(peer, networks) is expected


def test_an_accounts_networks_narrow_who_may_hand_over() -> None:
    assert route_of(company(), "far@acme.test", "127.0.0.1") is None
    route = route_of(company(), "far@acme.test", "192.0.2.1")
    assert route is not None
    assert (route.account.id, route.inbox and route.inbox.id) == ("elsewhere", "far")


def test_answers_of_agents_go_by_an_account_without_an_inbox_where_there_is_one() -> None:
    accounts: list[dict[str, Any]] = [
        {"id": i, "channel": "email", "door": {}} for i in ("door", "elsewhere", "answers")
    ]
    accounts.append({"id": "box", "channel": "email", "smtp": {"host": "127.0.0.1"}})
    route = route_of(company(accounts=accounts), "answers+key@acme.test", "127.0.0.1")
    assert route is not None
    assert (route.account.id, route.inbox) == ("answers", None)
    plain = route_of(company(), "answers+key@acme.test", "127.0.0.1")
    assert plain is not None
    assert (plain.account.id, plain.inbox) == ("door", None)


@pytest.mark.parametrize(
    ("sender", "line"),
    [
        ("", b"Return-Path: <>"),
        ("cleo@example.test", b"Return-Path: <cleo@example.test>"),
        ("cleo@ex>\r\nX-Evil: <1", b"Return-Path: <cleo@exX-Evil: 1>"),
        ("büro@example.test", "Return-Path: <büro@example.test>".encode()),
    ],
    ids=["null path", "plain", "injection", "UTF-8"],
)
def test_return_path(sender: str, line: bytes) -> None:
    assert with_return_path(b"Subject: s\r\n\r\n", sender) == line + b"\r\nSubject: s\r\n\r\n"


@pytest.mark.parametrize(
    ("address", "before"),
    [
        ("SRS0=HHHH=TT=example.test=cleo@forwarder.test", "cleo@example.test"),
        ("SRS0+HHHH=TT=example.test=cleo=x@forwarder.test", "cleo=x@example.test"),
        ("SRS1=GGGG=first.test==HHHH=TT=example.test=cleo@second.test", "cleo@example.test"),
        ("srs0-hhhh=tt=example.test=cleo@forwarder.test", "cleo@example.test"),
        ("prvs=1234567abc=cleo@example.test", "cleo@example.test"),
        ("cleo@example.test", "cleo@example.test"),
        ("a=b=example.test=c@else.test", "a=b=example.test=c@else.test"),
        ("SRS0=broken@forwarder.test", "SRS0=broken@forwarder.test"),
    ],
)
def test_senders_before_they_were_forwarded(address: str, before: str) -> None:
    assert without_srs(address) == before
