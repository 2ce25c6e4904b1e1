"""The SMTP sink answers as it is told, recipient by recipient."""

import smtplib
import threading
import time
from collections.abc import Iterator

import pytest
from postroom_local.smtp_sink import Accept, DropAfterData, Hang, Reject, SmtpSink

pytestmark = pytest.mark.connected
TO = "customer@example.test"
MAIL = b"Subject: Answer\r\n\r\nTurn it left.\r\n"


@pytest.fixture
def guarded_sink() -> Iterator[SmtpSink]:
    sink = SmtpSink(users={"ana": "secret"})
    sink.start()
    yield sink
    sink.stop()


def send(sink: SmtpSink, *recipients: str, timeout: float = 10.0) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=timeout) as smtp:
        smtp.sendmail("support@acme.test", list(recipients or (TO,)), MAIL)


def test_a_mail_is_kept_with_its_envelope(smtp_sink: SmtpSink) -> None:
    send(smtp_sink, TO, "second@example.test")
    (mail,) = smtp_sink.wait_for(1)
    assert (mail.sender, mail.recipients) == ("support@acme.test", (TO, "second@example.test"))
    assert mail.content == MAIL
    assert smtp_sink.mails_to("second@example.test") == [mail]
    assert smtp_sink.mails_to("third@example.test") == []


def test_one_recipient_is_refused_the_other_served(smtp_sink: SmtpSink) -> None:
    smtp_sink.answer_next(TO, Reject(550, "no such user"))
    send(smtp_sink, TO, "second@example.test")
    (mail,) = smtp_sink.wait_for(1)
    assert mail.recipients == ("second@example.test",)
    send(smtp_sink)
    assert len(smtp_sink.mails_to(TO)) == 1


@pytest.mark.parametrize("code", [451, 552], ids=["for now", "for good"])
def test_refused_after_data_is_not_taken(smtp_sink: SmtpSink, code: int) -> None:
    smtp_sink.answer_always(TO, Reject(code, at_data=True))
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(smtp_sink)
    assert caught.value.smtp_code == code
    assert smtp_sink.mails == []


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not taken"])
def test_dropped_before_the_answer(smtp_sink: SmtpSink, taken: bool) -> None:
    smtp_sink.answer_next(TO, DropAfterData(taken=taken))
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(smtp_sink)
    assert len(smtp_sink.mails) == int(taken)


def test_hanging_outlasts_the_sender_and_takes_nothing(smtp_sink: SmtpSink) -> None:
    smtp_sink.answer_next(TO, Hang())
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        send(smtp_sink, timeout=0.5)
    assert smtp_sink.mails == []


def test_a_delayed_answer_does_not_hold_up_others(smtp_sink: SmtpSink) -> None:
    smtp_sink.answer_next(TO, Accept(delay_seconds=2.0))
    slow = threading.Thread(target=send, args=(smtp_sink,))
    began_at = time.monotonic()
    slow.start()
    send(smtp_sink, "second@example.test")
    slow.join(20)
    assert time.monotonic() - began_at >= 2.0
    assert [mail.recipients[0] for mail in smtp_sink.mails] == ["second@example.test", TO]


def test_a_failing_delivery_is_refused_for_now() -> None:
    def full_disk(_recipient: str, _content: bytes) -> None:
        raise OSError

    sink = SmtpSink(deliver=full_disk)
    sink.start()
    try:
        with pytest.raises(smtplib.SMTPDataError) as caught:
            send(sink)
    finally:
        sink.stop()
    assert caught.value.smtp_code == 451
    assert sink.mails == []


def test_stop_cuts_open_sessions_and_start_takes_the_same_port(smtp_sink: SmtpSink) -> None:
    session = smtplib.SMTP("127.0.0.1", smtp_sink.port, timeout=10)
    smtp_sink.stop()
    with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
        session.noop()
    session.close()
    with pytest.raises(OSError, match="refused"):
        send(smtp_sink)
    smtp_sink.start()
    send(smtp_sink)
    assert len(smtp_sink.mails) == 1


def test_with_users_mail_needs_the_right_login(guarded_sink: SmtpSink) -> None:
    with pytest.raises(smtplib.SMTPSenderRefused):
        send(guarded_sink)
    with smtplib.SMTP("127.0.0.1", guarded_sink.port, timeout=10) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login("ana", "wrong")
        smtp.login("ana", "secret")
        smtp.sendmail("support@acme.test", [TO], MAIL)
    assert len(guarded_sink.mails) == 1
