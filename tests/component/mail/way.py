"""The way of one mail from its bytes to what the router decides: ingest's domain and the whole router, in memory."""

from typing import Any

from postroom_contracts.configuration import MailAccount
from postroom_contracts.facts import Fact, MessageReceived
from postroom_contracts.ids import conversation_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import answer_key, signed_message_id
from postroom_contracts.topics import CONVERSATION_COMMANDS
from postroom_ingest.domain.inbound import mail_intake
from postroom_ingest.domain.mail import parse_mail

from tests.component.router.house import House
from tests.unit.router.build import KEYS, at, configuration

ACCOUNT = {"id": "mail", "smtp": {"host": "127.0.0.1"}, "trusted_authserv_ids": ["mx.acme.test"]}
CONVERSATION = conversation_id("support", "one@example.test")
"""What Cleo's first mail opens in `Way.begin`."""
OURS = signed_message_id(CONVERSATION, "delivery-1", "acme.test", KEYS[0])
"""The Message-ID of our reply in it."""
FORGED = signed_message_id(CONVERSATION, "delivery-1", "acme.test", b"a key that is not one of ours")


def key_of(agent: str, minutes: float = 0) -> str:
    return f"answers+{answer_key(CONVERSATION, 1, agent, at(minutes), KEYS[0])}@acme.test"


class Way:
    """`send` hands mails over and decides them; `facts` are all that were made."""

    def __init__(self, account: dict[str, Any] | None = None) -> None:
        self.house = House()
        self.configuration = configuration()
        self.account = MailAccount.model_validate({**ACCOUNT, **(account or {})})
        self._mails = 0

    async def begin(self) -> None:
        await self.send(
            "From: Cleo <cleo@example.test>\nTo: support@acme.test\nMessage-ID: <one@example.test>\nSubject: Parcel"
        )

    def records(self, head: str, text: str = "Hello", minutes: float = 1) -> list[InboundReceived]:
        """Return what ingest makes of a mail. `{n}` in the head becomes a number of its own."""
        self._mails += 1
        raw = f"{head.replace('{n}', str(self._mails))}\n\n{text}\n".replace("\n", "\r\n").encode()
        intake = mail_intake(
            parse_mail(raw),
            raw,
            account=self.account,
            configuration=self.configuration,
            received_at=at(minutes),
            now=at(minutes),
        )
        return [event.data for event in intake.events if isinstance(event.data, InboundReceived)]

    async def send(self, head: str, text: str = "Hello", minutes: float = 1) -> list[Fact]:
        """Return the facts that the mail made."""
        before = len(self.house.facts())
        await self.house.threads(*self.records(head, text, minutes))
        await self.house.decides()
        return [event.data for event in self.house.facts()[before:] if isinstance(event.data, Fact)]

    async def received(self, head: str, text: str = "Hello", minutes: float = 1) -> MessageReceived:
        (fact,) = await self.send(head, text, minutes)
        assert isinstance(fact, MessageReceived), fact
        return fact

    def home(self, message_id: str) -> str:
        """Return the conversation in which a message stands."""
        found = [e.key for e in self.house.facts() if getattr(e.data, "message_id", None) == message_id]
        return self.house.final(found[0])

    @property
    def commands(self) -> list[str]:
        return [type(event.data).__name__ for event in self.house.log.events(CONVERSATION_COMMANDS)]
