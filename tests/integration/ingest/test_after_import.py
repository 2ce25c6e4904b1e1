"""What becomes of a mail on its server once it is stored, and where a folder begins."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from postroom_ingest import taking
from postroom_ingest.adapters.imap import MailServerError
from postroom_ingest.connection import tls_context
from postroom_local.dovecot import DovecotServer
from postroom_runtime.metrics import REGISTRY

from tests.integration.ingest.reading import ReadingPlace, mail, reading_place, until
from tests.standins.imap import DropError, ImapStandIn, Peer

pytestmark = pytest.mark.connected
USER = "support@acme.test"


@pytest.fixture
async def place(mongo_uri: str, database_prefix: str) -> AsyncIterator[ReadingPlace]:
    async with reading_place(mongo_uri, database_prefix) as opened:
        yield opened


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ImapStandIn]:
    monkeypatch.setenv("MAIL_PASSWORD", "secret")
    async with ImapStandIn(passwords={USER: "secret"}).running() as running:
        running.folder(USER)
        yield running


def account(port: int, **imap: Any) -> dict[str, Any]:
    server = {"host": "127.0.0.1", "port": port, "tls": False, "user": USER, "password": {"env": "MAIL_PASSWORD"}}
    return {"id": "support", "channel": "email", "imap": server | imap}


async def test_mails_are_marked_read_once_they_are_stored(place: ReadingPlace, server: ImapStandIn) -> None:
    accounts = place.configure(account(server.port, after_import="mark_seen"))
    inbox = server.folder(USER)
    async with place.reading(*accounts):
        for n in range(3):
            await server.deliver(USER, mail(n))
        await until(lambda: [m.flags for m in inbox.mails] == [{"\\Seen"}] * 3)
        assert place.publisher.subjects() == ["Question 0", "Question 1", "Question 2"]
        first_of_all = next(i for i, c in enumerate(server.log) if "STORE" in c)
        assert any("FETCH" in c for c in server.log[:first_of_all])


async def test_mails_are_moved_after_a_crash_too_and_the_folder_is_made(
    place: ReadingPlace, server: ImapStandIn
) -> None:
    broken = 0

    async def drops_after_the_move(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        nonlocal broken
        if name == "UID MOVE" and b"OK" in pieces[-1] and not broken:
            broken += 1
            raise DropError

    server.fault = drops_after_the_move
    accounts = place.configure(account(server.port, after_import={"move": "Done"}))
    async with place.reading(*accounts):
        for n in range(3):
            await server.deliver(USER, mail(n))
        await until(lambda: len(server.folder(USER, "Done").mails) == 3 and not server.folder(USER).mails)
        await server.deliver(USER, mail(3))
        await until(lambda: len(server.folder(USER, "Done").mails) == 4)
    assert broken == 1
    assert place.publisher.subjects() == [f"Question {n}" for n in range(4)]
    assert sorted(m.raw for m in server.folder(USER, "Done").mails) == [mail(n) for n in range(4)]


@pytest.mark.parametrize(
    ("capabilities", "left"), [("IMAP4rev1 IDLE UIDPLUS", 0), ("IMAP4rev1 IDLE", 2)], ids=["uidplus", "plain"]
)
async def test_delete_expunges_nothing_that_others_have_marked(
    place: ReadingPlace, server: ImapStandIn, capabilities: str, left: int
) -> None:
    server.capabilities = capabilities
    accounts = place.configure(account(server.port, after_import="delete", first_days=0))
    inbox = server.folder(USER)
    await server.deliver(USER, mail(99))
    inbox.mails[0].flags.add("\\Deleted")  # by somebody else
    async with place.reading(*accounts):
        await until(lambda: any("IDLE" in c for c in server.log))
        for n in range(2):
            await server.deliver(USER, mail(n))
        await until(lambda: place.publisher.subjects() == ["Question 0", "Question 1"])
        await until(lambda: len(inbox.mails) == 1 + left and all("\\Deleted" in m.flags for m in inbox.mails))
    assert inbox.mails[0].raw == mail(99)


async def test_mail_of_which_only_the_head_was_taken_stays(
    place: ReadingPlace, server: ImapStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "MAX_RAW_BYTES", 2000)
    monkeypatch.setattr(taking, "HEAD_BYTES", 100)
    accounts = place.configure(account(server.port, after_import="delete"))
    async with place.reading(*accounts):
        await server.deliver(USER, mail(1) + b"x" * 3000)
        await server.deliver(USER, mail(2))
        await until(lambda: len(place.publisher.records) == 2 and len(server.folder(USER).mails) == 1)
        await until(lambda: server.log[-1] == "IDLE", what="it has done all that it does")
    assert server.folder(USER).mails[0].raw.startswith(mail(1))


async def test_several_folders_are_read_and_each_is_tidied(place: ReadingPlace, server: ImapStandIn) -> None:
    server.folder(USER, "Shop")
    accounts = place.configure(account(server.port, folders=["INBOX", "Shop"], after_import={"move": "Done"}))
    async with place.reading(*accounts):
        await server.deliver(USER, mail(1))
        await server.deliver(USER, mail(2), "Shop")
        await server.deliver(USER, mail(1), "Shop")  # the same mail in two folders is one message
        await until(lambda: len(server.folder(USER, "Done").mails) == 3)
    assert place.publisher.subjects() == ["Question 1", "Question 2"]


async def test_after_import_on_dovecot(
    place: ReadingPlace, dovecot: DovecotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "support-password")
    dovecot.deliver(USER, mail(1))
    dovecot.deliver(USER, mail(2))
    accounts = place.configure(account(dovecot.port, after_import={"move": "Erledigt & gut"}))
    async with place.reading(*accounts):
        inbox = dovecot.maildir(USER)
        await until(lambda: len(list(inbox.glob(".Erledigt*/[cn]*/*"))) == 2)  # cur and new
        await until(lambda: not list(inbox.glob("cur/*")) + list(inbox.glob("new/*")))
    assert place.publisher.subjects() == ["Question 1", "Question 2"]


async def test_new_account_begins_a_day_back_and_leaves_history_alone(place: ReadingPlace, server: ImapStandIn) -> None:
    now = datetime.now(UTC)
    for n, days in enumerate([400, 0.5, 30, 3]):  # a folder that mails were moved into: its order is not that of time
        await server.deliver(USER, mail(n), at=now - timedelta(days=days))
    accounts = place.configure(account(server.port, after_import="mark_seen"))
    async with place.reading(*accounts):
        await until(lambda: place.publisher.records)
        await server.deliver(USER, mail(4), at=now - timedelta(days=200))  # moved in later: that is news
        await until(lambda: server.folder(USER).mails[-1].flags)
    assert place.publisher.subjects() == ["Question 1", "Question 4"]
    async with place.reading(*accounts):  # and a second start, which reconciles, does not take it for lost
        await server.deliver(USER, mail(5))
        await until(lambda: server.folder(USER).mails[-1].flags)
    assert [bool(m.flags) for m in server.folder(USER).mails] == [False, True, False, False, True, True]
    assert REGISTRY.get_sample_value("postroom_ingest_unaccounted_messages", {"account": "support"}) == 0
    server.folder(USER).uidvalidity = 8  # the server numbers anew: history is history still
    async with place.reading(*accounts):
        await server.deliver(USER, mail(6))
        await until(lambda: len(place.publisher.records) == 4)
    assert place.publisher.subjects() == ["Question 1", "Question 4", "Question 5", "Question 6"]


async def test_certificate_is_verified_unless_its_authority_is_given(tmp_path: Any) -> None:
    def server_of(**tls: Any) -> Any:
        from postroom_contracts.configuration import ImapServer

        return ImapServer.model_validate({"host": "x", "user": "u", "password": {"env": "P"}} | tls)

    context = tls_context(server_of())
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert tls_context(server_of(tls=False)) is None
    with pytest.raises(MailServerError, match=r"tls_ca_file .*missing.pem: No such file"):
        tls_context(server_of(tls_ca_file=str(tmp_path / "missing.pem")))
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(MailServerError, match="tls_ca_file"):
        tls_context(server_of(tls_ca_file=str(tmp_path / "no.pem")))
