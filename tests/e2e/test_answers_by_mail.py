"""Two agents answer one notification by mail in the same second, through ingest, router, assigner and notifier.

Customers and agents have nothing but mailboxes: the company's on Dovecot, their own at the sink.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from postroom_assigner.app import Assigner
from postroom_contracts.answers import MARKER, internal_matter
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import Data, decode, new_event
from postroom_contracts.facts import MessageReceived, MessageSent, ReplyAccepted, RequestRefused
from postroom_contracts.registry import MODELS, source_of
from postroom_contracts.topics import CONFIGURATION, CONVERSATION_EVENTS, all_topics
from postroom_ingest.app import Ingest
from postroom_local.dovecot import DovecotServer
from postroom_local.mail import MailUser
from postroom_local.smtp_sink import SmtpSink
from postroom_notifier.app import Notifier
from postroom_notifier.settings import NotifierSettings
from postroom_router.app import Router
from postroom_runtime.clock import SystemClock
from postroom_runtime.kafka import Publisher, create_topics
from postroom_runtime.service import connect
from postroom_runtime.tail import read_to_end
from pydantic import SecretStr

from tests.validation import validate_record

pytestmark = pytest.mark.connected
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CUSTOMER, ANN, BEN = "carla@example.test", "ann@staff.acme.test", "ben@staff.acme.test"
SUPPORT, ANSWERS = "support@acme.test", "answers@acme.test"


def company(imap_port: int, smtp_port: int, password: Path, access: list[dict[str, Any]] | None) -> Configuration:
    def account(name: str, **extra: Any) -> dict[str, Any]:
        imap = {"host": "127.0.0.1", "port": imap_port, "tls": False, "user": f"{name}@acme.test"}
        smtp = {"host": "127.0.0.1", "port": smtp_port, "tls": "none"}
        return {
            "id": name,
            "channel": "email",
            "imap": imap | {"password": {"file": str(password)}, "poll_seconds": 1},
            "smtp": smtp,
            **extra,
        }

    return Configuration.model_validate(
        {
            "company": {
                "name": "Acme",
                "default_calendar": "always",
                "domain": "acme.test",
                "answer_address": ANSWERS,
            },
            "calendars": [{"id": "always", "time_zone": "UTC", "hours": {day: ["00:00-24:00"] for day in WEEK}}],
            "accounts": [account("support"), account("answers", internal=True)],
            "inboxes": [
                {
                    "id": "support",
                    "name": "Support",
                    "account": "support",
                    "address": SUPPORT,
                    "teams": ["care"],
                    "access": access,
                }
            ],
            "teams": [{"id": "care", "name": "Care", "members": ["ann", "ben"]}],
            "agents": [
                {"id": "ann", "first_name": "Ann", "email": ANN},
                {"id": "ben", "first_name": "Ben", "email": BEN},
            ],
            "rules": [
                {
                    "id": "both",
                    "name": "Both are told",
                    "when": {"field": "inbox", "operator": "equals", "value": "support"},
                    "then": {"watchers": ["ann", "ben"]},
                }
            ],
        }
    )


class House:
    """The company's mail server, and the sink where all that leaves it arrives."""

    def __init__(self, settings: NotifierSettings, dovecot: DovecotServer, sink: SmtpSink) -> None:
        self.settings, self.dovecot, self.sink = settings, dovecot, sink

    def write(self, to: str, sender: str, text: str, message_id: str, subject: str, answers: str = "") -> None:
        message = EmailMessage(policy=policy.SMTP)
        message["From"], message["To"], message["Subject"] = sender, to, subject
        message["Message-ID"] = f"<{message_id}>"
        if answers:
            message["In-Reply-To"] = message["References"] = answers
        message.set_content(text)
        local, _, domain = to.partition("@")
        self.dovecot.deliver(f"{local.partition('+')[0]}@{domain}", message.as_bytes())

    def mails_to(self, address: str) -> list[EmailMessage]:
        return [message_from_bytes(m.content, policy=policy.default) for m in self.sink.mails_to(address)]

    async def mail_to(self, address: str, where: Callable[[str], bool], seconds: float = 60) -> EmailMessage:
        """Return the first mail to `address` whose text fits, as soon as it is there."""
        deadline = time.monotonic() + seconds
        while True:
            for mail in self.mails_to(address):
                if where(text_of(mail)):
                    return mail
            texts = [text_of(mail) for mail in self.mails_to(address)]
            assert time.monotonic() < deadline, f"no such mail to {address}; there are {texts}"
            await asyncio.sleep(0.05)

    async def facts(self) -> list[Data]:
        """Return every fact once, in the order of the log; each record valid."""
        found: dict[tuple[str, str], Data] = {}
        async for record in read_to_end(self.settings, self.settings.topic(CONVERSATION_EVENTS.name)):
            validate_record(record)
            event = decode(dict(record.headers), record.value, MODELS)
            found[event.source, event.id] = event.data
        return list(found.values())


@pytest.fixture
async def house(
    kafka_bootstrap: str,
    mongo_uri: str,
    topic_prefix: str,
    database_prefix: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> AsyncIterator[House]:
    access = getattr(request, "param", None)
    settings = NotifierSettings(
        kafka_bootstrap=kafka_bootstrap,
        mongo_uri=SecretStr(mongo_uri),
        topic_prefix=topic_prefix,
        database_prefix=database_prefix,
        signing_keys=SecretStr("a-signing-key-of-the-tests-0001"),
        partitions=2,
        delivery_poll_seconds=0.05,
        delivery_sweep_seconds=0.2,
        desk_url="https://desk.acme.test",
    )
    (tmp_path / "password").write_text("secret\n")
    await create_topics(settings, all_topics())
    async with AsyncExitStack() as stack:
        dovecot = DovecotServer([MailUser(address, "secret") for address in (SUPPORT, ANSWERS)])
        dovecot.start()
        stack.callback(dovecot.close)
        sink = SmtpSink()
        sink.start()
        stack.callback(sink.stop)
        await _configure(settings, company(dovecot.port, sink.port, tmp_path / "password", access))
        for definition in (Router(), Assigner(), Notifier(), Ingest()):
            runtime = await connect(definition, settings)
            stack.push_async_callback(runtime.stop)
            await runtime.start()
        yield House(settings, dovecot, sink)


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""


async def _configure(settings: NotifierSettings, configuration: Configuration) -> None:
    now = SystemClock().now()
    data = ConfigurationApplied(configuration_version=1, applied_at=now, configuration=configuration)
    publisher = Publisher(settings)
    await publisher.start()
    event = new_event(data, source=source_of("desk"), cause_id="test", subject="configuration", time=now)
    await publisher.publish_events(CONFIGURATION, [event])
    await publisher.stop()


async def test_of_two_who_answer_in_the_same_second_the_customer_gets_one_mail(house: House) -> None:
    subject = "Squealing brakes"
    house.write(SUPPORT, CUSTOMER, "They squeal since Tuesday.", "q1@example.test", subject)
    await asyncio.to_thread(house.sink.wait_for, 1, 60)  # its owner is told of the first, both of the second
    house.write(SUPPORT, CUSTOMER, "And they smell.", "q2@example.test", subject, "<q1@example.test>")
    told = {who: await house.mail_to(who, lambda text: "And they smell." in text) for who in (ANN, BEN)}
    assert all(mail["Reply-To"].startswith("answers+") for mail in told.values())
    assert told[ANN]["Reply-To"] != told[BEN]["Reply-To"]
    assert all(MARKER in text_of(mail) for mail in told.values())

    for who, words in ((ANN, "Bring them in today."), (BEN, "Oil them.")) * 2:  # each is delivered a second time
        quoted = "".join(f"> {line}\n" for line in text_of(told[who]).splitlines())
        text = f"{words}\n\nOn Friday, Acme wrote:\n{quoted}"
        house.write(told[who]["Reply-To"], who, text, f"answer-of-{who}", f"Re: {subject}", told[who]["Message-ID"])

    sent = await house.mail_to(CUSTOMER, bool)
    said, _, history = text_of(sent).partition("\n\n")
    assert said in ("Bring them in today.", "Oil them.")
    assert history.rstrip().endswith("\n> And they smell."), "what is answered stands below, and nothing else"
    late = BEN if said.startswith("Bring") else ANN
    refused = await house.mail_to(late, lambda text: "NOT sent" in text)
    assert ("Oil them." if late == BEN else "Bring them in today.") in text_of(refused)

    assert (sent["From"].addresses[0].addr_spec, sent["In-Reply-To"]) == (SUPPORT, "<q2@example.test>")
    assert sent["References"] == "<q1@example.test> <q2@example.test>"
    assert internal_matter(sent.as_string()) is None
    assert not [word for word in ("ann", "ben", "staff.acme", "desk.acme") if word in sent.as_string().lower()]
    await _all_is_read(house, told[BEN]["Reply-To"])
    facts = await house.facts()
    assert [type(f) for f in facts if isinstance(f, ReplyAccepted | MessageSent)] == [ReplyAccepted, MessageSent]
    assert [(f.reason, f.via) for f in facts if isinstance(f, RequestRefused)] == [("stale", "mail")]
    assert len(house.mails_to(CUSTOMER)) == 1


ON_BEHALF = [{"agent": "ann", "rights": ["send_on_behalf"]}, {"agent": "ben", "rights": ["full_access"]}]


@pytest.mark.parametrize("house", [ON_BEHALF], indirect=True, ids=["on behalf"])
async def test_who_sends_on_behalf_is_named_as_sender_and_who_may_only_read_is_refused(house: House) -> None:
    house.write(SUPPORT, CUSTOMER, "They squeal since Tuesday.", "q1@example.test", "Squealing brakes")
    await asyncio.to_thread(house.sink.wait_for, 1, 60)
    house.write(SUPPORT, CUSTOMER, "And they smell.", "q2@example.test", "Squealing brakes", "<q1@example.test>")
    told = {who: await house.mail_to(who, lambda text: "And they smell." in text) for who in (ANN, BEN)}

    house.write(told[BEN]["Reply-To"], BEN, "Oil them.", "answer-of-ben", "Re: brakes", told[BEN]["Message-ID"])
    refused = text_of(await house.mail_to(BEN, lambda text: "NOT sent" in text))
    assert "you have no right to write to customers from this inbox" in " ".join(refused.split())
    assert "Oil them." in refused
    assert house.mails_to(CUSTOMER) == []

    house.write(told[ANN]["Reply-To"], ANN, "Bring them in.", "answer-of-ann", "Re: brakes", told[ANN]["Message-ID"])
    sent = await house.mail_to(CUSTOMER, bool)
    assert [a.addr_spec for a in sent["From"].addresses] == [SUPPORT]
    assert str(sent["Sender"]) == f"Ann <{ANN}>"


async def _all_is_read(house: House, keyed: str) -> None:
    """Put one more mail behind the repeats, in the same mailbox; return when it and the result of the reply are in the log.

    It is a stranger's who found the address: without an agent's power an ordinary, marked mail.
    """
    house.write(keyed, "stranger@example.test", "I found this address.", "s1@example.test", "Brakes")
    deadline = time.monotonic() + 60
    while True:
        names = Counter(type(fact) for fact in await house.facts())
        if names[MessageReceived] >= 3 and names[MessageSent]:
            return
        assert time.monotonic() < deadline, f"not all is in the log: {names}"
        await asyncio.sleep(0.1)
