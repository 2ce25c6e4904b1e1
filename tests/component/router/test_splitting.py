"""After a split both conversations go on: what customers answer goes where its parent is, and nothing joins them again."""

import pytest
from postroom_contracts.commands import SplitConversation
from postroom_contracts.facts import ConversationMerged, MessageReceived
from postroom_contracts.ids import content_id, conversation_id
from postroom_contracts.inbound import InboundReceived

from tests.component.router.house import House
from tests.unit.router.build import ANN, inbound

SOURCE = conversation_id("support", "one@example.test")
TARGET = conversation_id("support", "split")


def answer(name: str, *parents: str) -> InboundReceived:
    """Return a mail that answers the last of `parents` and names all of them, as mail programs do."""
    ids = [f"{p}@example.test" for p in parents]
    return inbound(name, in_reply_to=ids[-1:], references=ids)


async def split_house() -> House:
    house = House()
    for mail in (inbound("one"), answer("two", "one")):
        await house.content.put(
            [{"_id": content_id(mail.message_id), "external_id": mail.external_id, "inbox_id": "support"}]
        )
        await house.threads(mail)
    command = SplitConversation(actor=ANN, message_id=inbound("two").message_id, new_conversation_id=TARGET)
    await house.asks(command, SOURCE, "split")
    await house.decides()
    return house


@pytest.mark.parametrize(
    ("mails", "homes"),
    [
        ([answer("three", "one", "two")], [TARGET]),
        ([answer("three", "one")], [SOURCE]),
        ([answer("three", "one", "two"), answer("four", "one", "two", "three")], [TARGET, TARGET]),
        ([answer("three", "one", "two"), answer("four", "one", "three")], [TARGET, TARGET]),
        ([answer("three", "one"), answer("four", "one", "two")], [SOURCE, TARGET]),
    ],
    ids=["to what went", "to what stayed", "further on", "references cut", "both"],
)
async def test_answers_go_where_their_parent_is(mails: list[InboundReceived], homes: list[str]) -> None:
    house = await split_house()
    for mail in mails:
        await house.threads(mail)
        await house.decides()
    placed = {e.data.message_id: e.subject for e in house.facts() if isinstance(e.data, MessageReceived)}
    assert [placed[m.message_id] for m in mails] == homes
    assert not [e for e in house.facts() if isinstance(e.data, ConversationMerged)]


async def test_a_mail_that_comes_again_changes_nothing() -> None:
    house = await split_house()
    facts = len(house.facts())
    await house.threads(answer("two", "one"), inbound("one"))
    await house.decides()
    assert len(house.facts()) == facts
