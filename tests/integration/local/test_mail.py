"""The mail servers: a mail goes in by SMTP or by the file system, and comes out by IMAP."""

import imaplib
import smtplib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postroom_local import dovecot as dovecot_module
from postroom_local.dovecot import DovecotServer
from postroom_local.errors import MissingProgramError
from postroom_local.mail import GreenMailServer, MailUser
from postroom_local.smtp_sink import SmtpSink

from tests.servers import MAIL_USERS

pytestmark = pytest.mark.connected
SUPPORT = MAIL_USERS[0]
MAIL = b"Message-ID: <one@example.test>\r\nSubject: Broken\r\n\r\nThe lid is broken.\r\n"


def log_in(port: int, user: MailUser = SUPPORT) -> imaplib.IMAP4:
    session = imaplib.IMAP4("127.0.0.1", port, timeout=10)
    session.login(user.address, user.password)
    session.select("INBOX")
    return session


def fetch_all(port: int, user: MailUser = SUPPORT) -> list[bytes]:
    with log_in(port, user) as session:
        _, (numbers,) = session.search(None, "ALL")
        fetched = [session.fetch(number.decode(), "(BODY.PEEK[])")[1][0] for number in numbers.split()]
        return [part[1] for part in fetched if isinstance(part, tuple)]


def test_greenmail_takes_mail_by_smtp_and_gives_it_by_imap(greenmail: GreenMailServer) -> None:
    with smtplib.SMTP("127.0.0.1", greenmail.smtp_port, timeout=10) as smtp:
        smtp.sendmail("customer@example.test", [SUPPORT.address], MAIL)
    (content,) = fetch_all(greenmail.imap_port)
    assert b"The lid is broken." in content
    assert fetch_all(greenmail.imap_port, MAIL_USERS[1]) == []


def test_greenmail_refuses_users_it_cannot_express(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a@b\.test or its password"):
        GreenMailServer(tmp_path, [MailUser("a@b.test", "pass:word")])


def test_a_dropped_mail_is_read_by_imap_with_its_time(dovecot: DovecotServer) -> None:
    dovecot.deliver(SUPPORT.address, MAIL, datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC))
    with log_in(dovecot.port) as session:
        answer = session.fetch("1", "(INTERNALDATE BODY.PEEK[])")[1][0]
    assert isinstance(answer, tuple)
    head, content = answer
    assert b'INTERNALDATE "03-Feb-2026 04:05:06 +0000"' in head
    assert content == MAIL
    assert fetch_all(dovecot.port, MAIL_USERS[1]) == []


def test_dovecot_tells_an_idle_session_of_new_mail(dovecot: DovecotServer) -> None:
    with log_in(dovecot.port) as session:
        session.send(b"a1 IDLE\r\n")
        assert session.readline().startswith(b"+")
        dovecot.deliver(SUPPORT.address, MAIL)
        assert session.readline() == b"* 1 EXISTS\r\n"
        session.send(b"DONE\r\n")
        while not session.readline().startswith(b"a1 OK"):
            pass


def test_dovecot_kill_ends_sessions_and_keeps_mail(dovecot: DovecotServer) -> None:
    dovecot.deliver(SUPPORT.address, MAIL)
    session = log_in(dovecot.port)
    dovecot.kill()
    with pytest.raises((imaplib.IMAP4.abort, OSError)):
        session.noop()
    dovecot.deliver(SUPPORT.address, MAIL.replace(b"<one@", b"<two@"))
    dovecot.start()
    assert len(fetch_all(dovecot.port)) == 2
    dovecot.restart()
    assert len(fetch_all(dovecot.port)) == 2


def test_dovecot_knows_its_users_only(dovecot: DovecotServer) -> None:
    with pytest.raises(KeyError):
        dovecot.deliver("nobody@acme.test", MAIL)
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        log_in(dovecot.port, MailUser(SUPPORT.address, "wrong"))


def test_a_missing_dovecot_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(dovecot_module, "_SYSTEM_DIRECTORIES", "/nowhere")
    with pytest.raises(MissingProgramError, match="apt-get install dovecot-imapd"):
        DovecotServer(MAIL_USERS, tmp_path).start()


def test_the_sink_delivers_into_dovecot(dovecot_server: Callable[..., DovecotServer]) -> None:
    dovecot = dovecot_server()
    sink = SmtpSink(deliver=dovecot.deliver, keep=False)
    sink.start()
    try:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as smtp:
            smtp.sendmail("customer@example.test", [SUPPORT.address, "stranger@else.test"], MAIL)
    finally:
        sink.stop()
    assert fetch_all(dovecot.port) == [MAIL]
    assert sink.mails == []


def test_stop_is_quick_while_a_session_idles(dovecot: DovecotServer) -> None:
    session = log_in(dovecot.port)
    session.send(b"a1 IDLE\r\n")
    session.readline()
    began_at = time.monotonic()
    dovecot.stop()
    assert time.monotonic() - began_at < 15
    session.shutdown()
