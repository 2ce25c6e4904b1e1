"""The SMTP adapter against a real server on loopback."""

import asyncio
import base64
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dkim  # type: ignore[import-untyped]  # the library has no annotations
import pytest
from postroom_contracts.configuration import MailAccount
from postroom_local.smtp_sink import DropAfterData, Hang, Reject, SmtpSink
from postroom_notifier.adapters.smtp import SmtpMailSender
from postroom_notifier.domain.mime import OutgoingMail, build
from postroom_notifier.domain.outcomes import Accepted, Refusal, Rejected, TryAgain
from postroom_notifier.settings import NotifierSettings

pytestmark = pytest.mark.connected


@pytest.fixture
def guarded_sink() -> Iterator[SmtpSink]:
    sink = SmtpSink(users={"support@acme.test": "secret-password"})
    sink.start()
    yield sink
    sink.stop()


def account(sink: SmtpSink, dkim: dict[str, Any] | None = None, **smtp: Any) -> MailAccount:
    server = {"host": sink.host, "port": sink.port, "tls": "none"} | smtp
    return MailAccount.model_validate({"id": "mail", "smtp": server, "dkim": dkim})


def mail(*recipients: str, utf8: bool = False, text: str = "text") -> OutgoingMail:
    body = f"Subject: x\r\n\r\n{text}\r\n.\r\n..dots\r\n".encode()
    return OutgoingMail("support@acme.test", recipients or ("carla@example.test",), body, utf8)


def sender(**settings: Any) -> SmtpMailSender:
    return SmtpMailSender(NotifierSettings(smtp_hostname="test", **settings))


async def test_bytes_arrive_as_they_were_given(smtp_sink: SmtpSink) -> None:
    out = sender()
    assert await out.send(account(smtp_sink), mail()) == Accepted()
    assert smtp_sink.mails[0].content == mail().body
    await out.close()


async def test_address_beyond_ascii(smtp_sink: SmtpSink) -> None:
    out = sender()
    assert await out.send(account(smtp_sink), mail("用户@example.test", utf8=True)) == Accepted()
    assert smtp_sink.mails[0].recipients == ("用户@example.test",)
    await out.close()


async def test_password_comes_from_file_or_environment(
    guarded_sink: SmtpSink, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret-password\n")
    monkeypatch.setenv("TEST_SMTP_PASSWORD", "secret-password")
    for reference in ({"file": str(secret)}, {"env": "TEST_SMTP_PASSWORD"}):
        out = sender()
        known = account(guarded_sink, user="support@acme.test", password=reference)
        assert await out.send(known, mail()) == Accepted()
        await out.close()
    assert [m.login for m in guarded_sink.mails] == ["support@acme.test"] * 2


@pytest.mark.parametrize("problem", ["wrong", "missing", "none"])
async def test_refused_log_in_is_the_accounts_fault_and_tried_again(
    guarded_sink: SmtpSink, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SMTP_PASSWORD", "wrong")
    name = "TEST_SMTP_NOWHERE" if problem == "missing" else "TEST_SMTP_PASSWORD"
    smtp: dict[str, Any] = {} if problem == "none" else {"user": "support@acme.test", "password": {"env": name}}
    outcome = await sender().send(account(guarded_sink, **smtp), mail())
    assert isinstance(outcome, TryAgain)
    assert outcome.unreachable
    assert guarded_sink.mails == []


async def test_connection_is_used_again_and_replaced_when_the_server_dropped_it(smtp_sink: SmtpSink) -> None:
    out, to = sender(), account(smtp_sink)
    assert await out.send(to, mail()) == Accepted()
    [first] = out._idle["mail"]
    assert await out.send(to, mail()) == Accepted()
    assert out._idle["mail"] == [first]
    smtp_sink.stop()
    smtp_sink.start()
    assert await out.send(to, mail()) == Accepted(), "at once, not after a gap"
    assert len(smtp_sink.mails) == 3
    await out.close()


async def test_refused_recipients_are_told_apart(smtp_sink: SmtpSink) -> None:
    smtp_sink.answer_always("no@example.test", Reject(550, "5.1.1 unknown"))
    smtp_sink.answer_always("later@example.test", Reject(451, "4.7.1 greylisted"))
    out, to = sender(), account(smtp_sink)
    outcome = await out.send(to, mail("carla@example.test", "no@example.test", "later@example.test"))
    assert outcome == Accepted((Refusal("no@example.test", 550, "5.1.1"), Refusal("later@example.test", 451, "4.7.1")))
    refused = (Refusal("no@example.test", 550, "5.1.1"),)
    assert await out.send(to, mail("no@example.test")) == Rejected("refused", "5.1.1", refused)
    assert await out.send(to, mail("no@example.test", "later@example.test")) == TryAgain(
        "refused_for_now", code="4.7.1"
    )
    assert await out.send(to, mail()) == Accepted(), "the connection is clean after a refusal"
    await out.close()


async def test_silence_ends_with_the_timeout(smtp_sink: SmtpSink) -> None:
    smtp_sink.answer_next("carla@example.test", Hang(), DropAfterData(taken=False))
    out = sender(smtp_command_seconds=3)
    assert await out.send(account(smtp_sink), mail()) == TryAgain("no_answer")
    assert await out.send(account(smtp_sink), mail()) == TryAgain("no_answer")


async def test_mail_larger_than_the_server_says_it_takes_is_refused_before_it_is_sent() -> None:
    sink = SmtpSink(data_bytes=2000)
    sink.start()
    out = sender()
    assert await out.send(account(sink), mail(text="x" * 70 + "\r\n" * 1000)) == Rejected("too_large")
    assert await out.send(account(sink), mail()) == Accepted(), "the connection is clean afterwards"
    await out.close()
    sink.stop()


async def test_connection_that_lies_idle_is_closed(smtp_sink: SmtpSink) -> None:
    out = sender(smtp_idle_seconds=0.1)
    assert await out.send(account(smtp_sink), mail()) == Accepted()
    [connection] = out._idle["mail"]
    async with asyncio.timeout(20):
        while connection.client.is_connected:
            await asyncio.sleep(0.01)
    assert out._idle["mail"] == []
    assert await out.send(account(smtp_sink), mail()) == Accepted()
    await out.close()


# --- DKIM ------------------------------------------------------------------------------------------------------------

DKIM_RECORD = "v=DKIM1; k=rsa; p={key}"


@pytest.fixture(scope="module")
def dkim_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return the file of a private key, and its public key in base64."""
    private = tmp_path_factory.mktemp("dkim") / "private.pem"
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    public = subprocess.run(
        ["openssl", "rsa", "-in", private, "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    return str(private), base64.b64encode(public).decode()


def notification(subject: str = "A conversation") -> OutgoingMail:
    headers = [
        ("From", "Acme <support@acme.test>"),
        ("To", "ana@acme.test"),
        ("Subject", subject),
        ("List-Unsubscribe", "<https://desk.acme.test/u/x>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ]
    body = build(headers, datetime(2026, 3, 6, 14, tzinfo=UTC), "Grüße.  \n\n.dot\n")
    return OutgoingMail("support@acme.test", ("ana@acme.test",), body)


async def test_signature_is_valid_after_the_journey_and_covers_what_readers_see(
    smtp_sink: SmtpSink, dkim_key: tuple[str, str]
) -> None:
    private, public = dkim_key
    signing = {"domain": "acme.test", "selector": "s1", "key": {"file": private}}
    out = sender()
    assert await out.send(account(smtp_sink, dkim=signing), notification()) == Accepted()
    await out.close()
    asked: list[bytes] = []

    def record(name: bytes, timeout: int = 0) -> bytes:
        asked.append(name)
        return DKIM_RECORD.format(key=public).encode()

    content = smtp_sink.mails[0].content
    assert dkim.verify(content, dnsfunc=record)
    assert asked == [b"s1._domainkey.acme.test."]
    for before, after in (
        (b"Subject: A conversation", b"Subject: Another one"),
        (b"/u/x>", b"/u/y>"),
        (b"One-Click", b"Two-Clicks"),
        (b"From: Acme", b"From: Evil <e@evil.test>\r\nFrom: Acme"),
        (b"To: ana", b"Cc: eve@evil.test\r\nTo: ana"),
        (b".dot", b".bot"),
    ):
        assert before in content
        assert not dkim.verify(content.replace(before, after, 1), dnsfunc=record), after


@pytest.mark.parametrize("key", ["", "no key at all", None], ids=["empty", "no-key", "missing"])
async def test_without_its_key_nothing_leaves_unsigned(smtp_sink: SmtpSink, tmp_path: Path, key: str | None) -> None:
    file = tmp_path / "key.pem"
    if key is not None:
        file.write_text(key)
    signing = {"domain": "acme.test", "selector": "s1", "key": {"file": str(file)}}
    assert await sender().send(account(smtp_sink, dkim=signing), mail()) == TryAgain("dkim_key", unreachable=True)
    assert smtp_sink.mails == []


async def test_server_that_is_away(smtp_sink: SmtpSink) -> None:
    smtp_sink.stop()
    assert await sender().send(account(smtp_sink), mail()) == TryAgain("unreachable", unreachable=True)
