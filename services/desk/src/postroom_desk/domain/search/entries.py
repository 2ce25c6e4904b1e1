"""Entries of the index: one for each message, made of its text and of what its conversation says of itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postroom_desk.domain.search.words import words
from postroom_desk.domain.view import ConversationView, MessageView

MOST_WORDS = 3000
"""Different words of one message that can be found: more than a mail of 60 kB has."""
Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is found of one message. Words without repeats, sorted; `everything` holds those of all fields."""

    message_id: str
    conversation_id: str
    content_id: str
    inbox_id: str
    at: datetime
    kind: str
    everything: list[str]
    subject: list[str]
    sender: list[str]
    receivers: list[str]
    attachments: int


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody outside who wrote, or was written to, in one inbox."""

    inbox_id: str
    address: str
    name: str
    contact_id: str
    at: datetime

    @property
    def words(self) -> list[str]:
        return _set(self.name, self.address)


def entry(
    conversation_id: str,
    view: ConversationView,
    message: MessageView,
    content: Content,
    first: Content,
    agent: str = "",
) -> Entry | None:
    """Return the entry of a message with its content; `first` is that of the conversation's first public message.

    `agent`: the name of the agent who wrote it. None when nothing of it is left.
    """
    if message.erased or not content:
        return None
    subject = str(content.get("subject") or first.get("subject") or "")
    written = [_person(content.get("from"))] if content.get("from") else [agent]
    sent_to = [*(content.get("to") or ()), *(content.get("cc") or ())]
    receivers = [_person(r) for r in sent_to]
    if message.kind == "outgoing" and not sent_to:
        receivers.append(contact_of(first))
    files = [str(a.get("filename") or "") for a in content.get("attachments") or ()]
    heading = (subject, *written, *receivers, contact_of(first), *files)  # found whatever the length of the text
    return Entry(
        message_id=message.message_id,
        conversation_id=view.split_off.get(message.message_id, conversation_id),
        content_id=message.content_id,
        inbox_id=view.inbox_id,
        at=message.at,
        kind=message.kind,
        everything=_set(*heading, text_of(content)),
        subject=_set(subject),
        sender=_set(*written),
        receivers=_set(*receivers),
        attachments=message.attachments or len(files),
    )


def text_of(content: Content) -> str:
    """Return what is searched of a text: what was newly written; quoted parts are found where they were written."""
    return str(content.get("reply_text") or content.get("text") or "")


def contact_of(content: Content) -> str:
    """Return name and address of the customer of a conversation whose first content this is."""
    ours = content.get("kind") in ("start", "reply")
    who = next(iter(content.get("to") or ()), None) if ours else content.get("from")
    return _person(who)


def _person(who: Any) -> str:
    return f"{who.get('name') or ''} {who.get('address') or ''}" if isinstance(who, Mapping) else ""


def _set(*texts: str) -> list[str]:
    found: dict[str, None] = {}
    for text in texts:
        for word in words(text):
            found[word] = None
            if len(found) >= MOST_WORDS:
                return sorted(found)
    return sorted(found)


def people(view: ConversationView, messages: Sequence[tuple[MessageView, Content]]) -> list[Person]:
    """Return who wrote from outside, and to whom we wrote first, each address once, as they were last seen."""
    found: dict[str, Person] = {}
    for message, content in messages:
        incoming = message.kind == "incoming"
        if incoming or content.get("kind") == "start":
            who: Iterable[Any] = [content.get("from")] if incoming else content.get("to") or ()
            ids = [message.actor.id] if incoming else view.contact_ids
            for number, each in enumerate(filter(None, who)):
                contact_id = ids[min(number, len(ids) - 1)] if ids else ""
                address = str(each.get("address") or "").strip().lower()
                if address:
                    name = str(each.get("name") or "")
                    found[address] = Person(view.inbox_id, address, name, contact_id, message.at)
    return list(found.values())
