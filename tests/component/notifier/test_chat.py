"""The client for chat tools against a real receiver on loopback, and the sender with it."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from postroom_contracts.configuration import ChatDestination, ConfigurationApplied
from postroom_notifier.adapters.chat_client import HttpChat
from postroom_notifier.domain.follow import Surroundings, follow
from postroom_notifier.domain.outcomes import Accepted, Rejected, SendOutcome, TryAgain

from tests.component.notifier.test_sender import Office
from tests.standins.receiver import Receiver
from tests.unit.notifier.company import FRIDAY, Facts, configuration, contents

ROOM = ChatDestination.model_validate({"id": "room", "url": {"env": "ROOM"}})
LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Accepted()), (404, Rejected("http_404")), (429, TryAgain("http_429")), (302, TryAgain("http_302"))],
)
async def test_an_answer_says_what_becomes_of_it(
    status: int, outcome: SendOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Receiver(answer=lambda _: status, location="http://127.0.0.1:1/") as receiver:
        monkeypatch.setenv("ROOM", receiver.url())
        chat = HttpChat(5, LOOPBACK)
        assert await chat.post(ROOM, b'{"text": "hello"}') == outcome
        await chat.close()
        assert [r.event for r in receiver.received] == [{"text": "hello"}]


async def test_nothing_goes_to_addresses_of_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver() as receiver:
        monkeypatch.setenv("ROOM", receiver.url())
        chat = HttpChat(5)
        assert await chat.post(ROOM, b"{}") == Rejected("forbidden_address")
        monkeypatch.delenv("ROOM")
        assert await chat.post(ROOM, b"{}") == TryAgain("secret", unreachable=True)
        await chat.close()
        assert receiver.received == []


class Room:
    """Port ChatClient: keeps what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def post(self, destination: ChatDestination, body: bytes) -> SendOutcome:
        assert destination.id == "room"
        self.bodies.append(body)
        return Accepted()

    async def close(self) -> None: ...


async def test_the_sender_sends_to_the_room_beside_the_mail_and_reports_both() -> None:
    office, room = Office(), Room()
    await office.content.put(contents())
    config = configuration(chat=[{"id": "room", "url": {"env": "ROOM"}}])
    applied = ConfigurationApplied(configuration_version=2, applied_at=FRIDAY, configuration=config)
    office.sender.composer.configurations.add(applied)
    office.sender.chat = room
    facts = Facts(start=datetime.now(UTC) - timedelta(seconds=1))
    around = Surroundings(facts.now, lambda _version: config, 2, {}, timedelta(hours=72))
    state = follow(follow(None, facts.received(), around), facts.assigned("ana"), around)
    await office.deliveries.add(state.due)
    async with office.open():
        await office.until(lambda: len(office.reported()) == 2)
    assert {d.kind: d.state for d in office.reported()} == {"chat": "accepted", "assigned": "accepted"}
    assert len(office.mail.mails) == 1
    [body] = room.bodies
    assert b"Ana Ruiz has a new conversation" in body
