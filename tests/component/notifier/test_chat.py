"""The client for chat tools against a real receiver on loopback, and the sender with it."""

from ipaddress import ip_network

import pytest
from postroom_contracts.configuration import ChatDestination
from postroom_notifier.adapters.chat_client import HttpChat
from postroom_notifier.domain.outcomes import Accepted, Rejected, SendOutcome, TryAgain

from tests.standins.receiver import Receiver

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
