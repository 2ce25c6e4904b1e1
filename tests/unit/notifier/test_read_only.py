"""Read-only mode sends nothing, says what it would have sent, and sends nothing later either."""

import pytest
from postroom_contracts.configuration import MailAccount
from postroom_notifier.adapters.read_only import ReadOnlyMailSender
from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import Rejected


async def test_mail_is_said_and_fails_for_good(capsys: pytest.CaptureFixture[str]) -> None:
    body = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from us\r\n\r\nread-only: would do more\r\n"
    mail = OutgoingMail("support@acme.test", ("carla@example.test", "ben@example.test"), body)
    account = MailAccount.model_validate({"id": "mail", "smtp": {"host": "x"}})
    assert await ReadOnlyMailSender().send(account, mail) == Rejected("read_only")
    said = "read-only: would send by account mail to carla@example.test, ben@example.test: Grüße from us\n"
    assert capsys.readouterr().out == said
