"""Erasing a person: which texts go, which addresses are taken out of what stays, and that nothing late brings them back.

Where nobody else takes part, all that was written goes, whoever wrote it: it is about this person. Where others do, what
they wrote and what was written to them stays theirs. No number changes: the facts stay, and one says what is gone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from postroom_contracts.commands import AcceptMessage, AddNote, Command, EraseContact, SendReply, StartConversation
from postroom_contracts.events import Data
from postroom_contracts.facts import ContentErased
from postroom_contracts.ids import content_id
from postroom_contracts.thread_keys import normalised_address

from postroom_router.domain.conversation import Conversation, written_by
from postroom_router.domain.outcome import Asked, Outcome, Passed, World, outcome, refused

Content = Mapping[str, Any]
PEOPLE = ("to", "cc", "bcc", "reply_to")
"""Fields of a content document that list people; `from` and `forwarded_by` name one."""
_OURS = "/"
"""How the author of a reply of ours begins in `Conversation.messages`."""


def erase(state: Conversation, request: EraseContact, asked: Asked, world: World) -> Outcome:
    """Return the conversation without this person. One that was merged erases its own part and passes the request on.

    Asked of the contact itself it changes nothing here: the erasure is carried on from there (`erasure.py`). Asked again
    it names the same messages again: a text that could not be deleted the first time is deleted now.
    """
    contact_id = request.contact_id
    if asked.conversation_id == contact_id:
        return Outcome(state)
    onward = [Passed(state.merged_into, request, asked.request_id)] if state.merged_into else []
    if not written_by(state, contact_id) and contact_id not in state.participants:
        return Outcome(state, commands=onward) if onward else refused(state, request, asked, "not_found")
    everything = request.whole or is_alone(state, contact_id)
    gone = list(state.messages) if everything else _concerning(state, contact_id, world)
    after = outcome(
        state,
        _fact(state, contact_id, gone, world),
        commands=onward,
        participants=_without(state.participants, contact_id),
        erased=list(dict.fromkeys([*state.erased, contact_id])),
        erased_messages=list(dict.fromkeys([*state.erased_messages, *gone])),
        scheduled={m: s for m, s in state.scheduled.items() if m not in gone},
    )
    if not everything:
        return after
    return replace(after, state=after.state.model_copy(update={"erased_whole_at": asked.at}))


def after_late(before: Conversation, found: Outcome, command: Data, asked: Asked, world: World) -> Outcome:
    """Return an outcome in which nothing of a person stands who was erased after this command was asked for.

    What comes late still counts (its facts are as they would have been), and its text goes at once.
    """
    state = found.state
    gone_people = [*world.erased, *state.erased]
    late = [m for m in state.messages if m not in before.messages and _is_late(state, m, command, asked, world)]
    if any(state.participants.get(c) for c in gone_people):
        people = {c: "" if c in gone_people else a for c, a in state.participants.items()}
        found = replace(found, state=state.model_copy(update={"participants": people}))
    if not late:
        return found
    fact = _fact(found.state, _about(found.state, late[0], gone_people), late, world)
    known = dict.fromkeys([*found.state.erased, fact.contact_id])
    after = outcome(found.state, fact, erased=list(known), erased_messages=[*found.state.erased_messages, *late])
    return replace(found, state=after.state, facts=[*found.facts, fact])


def _about(state: Conversation, message_id: str, gone_people: list[str]) -> str:
    author = state.messages[message_id].partition("/")[0]
    return author if author in gone_people else gone_people[-1]


def _is_late(state: Conversation, message_id: str, command: Data, asked: Asked, world: World) -> bool:
    if state.messages[message_id].partition("/")[0] in (*world.erased, *state.erased):
        return True
    if isinstance(command, SendReply | StartConversation) and _is_to_erased_alone(state, command, world):
        return True
    was_whole = state.erased_whole_at is not None and asked.at <= state.erased_whole_at
    by_machine = isinstance(command, AcceptMessage) and message_id in state.machine_messages
    return was_whole and (by_machine or isinstance(command, SendReply | AddNote))


def _is_to_erased_alone(state: Conversation, command: SendReply | StartConversation, world: World) -> bool:
    channel = command.channel if isinstance(command, StartConversation) else state.channel
    addresses = (normalised_address(a.address) for a in (*command.to, *command.cc, *command.bcc))
    named = [world.contact_id(channel, a) for a in addresses if a not in world.company.own_addresses]
    return bool(named) and world.erased.issuperset(named)


def is_alone(state: Conversation, contact_id: str) -> bool:
    """Say whether nobody else from outside takes part: who only got something forwarded, and machines, do not count."""
    wrote = {author.partition("/")[0] for m, author in state.messages.items() if m not in state.machine_messages}
    there = {c for c, address in state.participants.items() if address and c not in state.third_parties}
    return not (there | wrote) - {contact_id, "", *state.erased}


def _concerning(state: Conversation, contact_id: str, world: World) -> list[str]:
    """Return, where others take part, what the person wrote, what came back from them, and what went to them alone."""
    address = world.erased_addresses.get(contact_id) or state.participants.get(contact_id) or ""
    own = {m for m, _ in written_by(state, contact_id)}
    gone, answered = [], ""
    for message_id, author in state.messages.items():
        content = world.texts.get(content_id(message_id), {})
        if message_id in own or (address and _is_of(message_id, author, content, state, address)):
            gone.append(message_id)
        elif author.startswith(_OURS) and not content.get("to") and answered == contact_id:
            gone.append(message_id)  # it named nobody: it went to whoever wrote before it
        if author.partition("/")[0] and message_id not in state.machine_messages:
            answered = author.partition("/")[0]
    return gone


def _is_of(message_id: str, author: str, content: Content, state: Conversation, address: str) -> bool:
    if message_id in state.machine_messages:
        return normalised_address(str((content.get("bounce") or {}).get("recipient") or "")) == address
    if not author.startswith(_OURS):
        return False
    named = {normalised_address(str(p.get("address") or "")) for f in PEOPLE[:3] for p in content.get(f) or ()}
    return named == {address}


def _fact(state: Conversation, contact_id: str, gone: list[str], world: World) -> ContentErased:
    """Return the fact. An attachment that a message which stays has, too, stays with it."""
    ledger_ids = [ledger for m in gone if (ledger := ledger_of(state, m))]
    kept = {b for m in state.messages if m not in gone for b in _blobs(world, m)}
    blobs = dict.fromkeys(b for m in gone for b in _blobs(world, m) if b not in kept)
    return ContentErased(
        contact_id=contact_id,
        message_ids=gone,
        ledger_ids=list(dict.fromkeys(ledger_ids)),
        blob_ids=list(blobs),
    )


def ledger_of(state: Conversation, message_id: str) -> str:
    """Return the ledger id of a message that came in; of others nothing."""
    author, _, ledger_id = state.messages.get(message_id, "").partition("/")
    return ledger_id if author else ""


def _blobs(world: World, message_id: str) -> Iterator[str]:
    for kind in ("content", "answer"):
        for attached in world.texts.get(content_id(message_id, kind), {}).get("attachments") or ():
            yield attached["blob_id"]


def _without(participants: Mapping[str, str], contact_id: str) -> dict[str, str]:
    return {c: "" if c == contact_id else a for c, a in participants.items()}


def redacted(content: Content, address: str) -> dict[str, Any]:
    """Return the fields of a content document that change when this address is taken out of its people."""
    changes: dict[str, Any] = {}
    for name in PEOPLE:
        people = content.get(name) or []
        left = [p for p in people if normalised_address(str(p.get("address") or "")) != address]
        if len(left) != len(people):
            changes[name] = left
    if normalised_address(str((content.get("forwarded_by") or {}).get("address") or "")) == address:
        changes["forwarded_by"] = None
    return changes


def is_decided_late(state: Conversation | None, command: Data, world: World) -> bool:
    """Say whether `after_late` has anything to look at; for nearly all commands it has not."""
    return bool(world.erased or (state is not None and state.erased)) and isinstance(command, Command)
