"""The decide step: what the conversations' fold asks of this service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from postroom_contracts.commands import (
    AbsorbConversation,
    AcceptMessage,
    EraseContact,
    MergeConversations,
    OpenSplit,
    SendReply,
    SplitConversation,
    StartConversation,
)
from postroom_contracts.events import Data
from postroom_contracts.facts import ContentErased, ConversationAbsorbed, ReplyCancelled
from postroom_contracts.ids import content_id
from postroom_contracts.thread_keys import claim_id, normalised_address, normalised_message_id
from postroom_contracts.values import Channel
from postroom_runtime.clock import Clock
from postroom_runtime.content_store import ContentStore
from postroom_runtime.documents import Decision, Document, Emit
from postroom_runtime.errors import ConflictError
from postroom_runtime.fold import QuietDecider
from postroom_runtime.records import Incoming
from postroom_runtime.steps import reach

from postroom_router.adapters.claims import ClaimStore
from postroom_router.adapters.contacts import ContactStore, Known
from postroom_router.adapters.erasures import Erasure, Erasures, asked_of
from postroom_router.adapters.merges import MergeForest
from postroom_router.companies import Companies
from postroom_router.domain.accept import addresses_of, reply_addresses_of
from postroom_router.domain.company import Company
from postroom_router.domain.conversation import Conversation
from postroom_router.domain.decide import decide
from postroom_router.domain.erasing import PEOPLE, ledger_of, redacted
from postroom_router.domain.outcome import Asked, Outcome, World, contact_key
from postroom_router.domain.threading import EVERY_INBOX

Documents = Mapping[str, Document[Conversation]]
TEXT_FIELDS = (*PEOPLE, "forwarded_by", "bounce", "attachments")
"""Of content documents, what decides whether they go."""


class Targets(Protocol):
    async def existing(self, conversation_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the conversations that a message or an agent has opened."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """What was prepared for a batch. `asked`: erasures of whole persons; `splitting`: the conversations that are split."""

    world: World
    now: datetime
    asked: Sequence[Erasure] = ()
    splitting: frozenset[str] = field(default_factory=frozenset)


class ConversationDecider(QuietDecider[Conversation, Batch]):
    """Loads in at most two queries what an ordinary batch needs; merges and erasures, which are rare, cost more."""

    def __init__(
        self,
        *,
        companies: Companies,
        contacts: ContactStore,
        merges: MergeForest,
        targets: Targets,
        content: ContentStore,
        claims: ClaimStore,
        clock: Clock,
        keys: Sequence[bytes],
        erasures: Erasures,
    ) -> None:
        self._companies = companies
        self._contacts = contacts
        self._merges = merges
        self._targets = targets
        self._content = content
        self._claims = claims
        self._clock = clock
        self._keys = tuple(keys)
        self._erasures = erasures

    async def prepare(self, batch: Sequence[Incoming], documents: Documents) -> Batch:
        company = self._companies.latest()
        now = self._clock.now()
        commands = [(i.key, i.event.data) for i in batch if i.event is not None]
        for _, command in commands:
            if isinstance(command, SendReply | StartConversation):
                self._companies.at(command.configuration_version)  # made with a newer one than ours: wait for it
        named = _named(batch, documents, company, now)
        targets = [c.target_id for _, c in commands if isinstance(c, MergeConversations)]
        absorbed = [i for _, c in commands if isinstance(c, AbsorbConversation | OpenSplit) for i in c.contact_ids]
        known = await self._contacts.known(named, now) if named else Known({})
        _alone(batch, known)
        erased = await self._of_erased(commands, documents, known)
        world = World(
            company=company,
            contacts=known.ids,
            addresses=await self._contacts.addresses(absorbed) if absorbed else {},
            merged=await self._merges.chains(targets) if targets else {},
            targets=await self._targets.existing(targets) if targets else frozenset(),
            keys=self._keys,
            erased=known.erased,
            **erased,
        )
        splitting = frozenset(key for key, c in commands if isinstance(c, SplitConversation))
        return Batch(world, now, list(asked_of(batch)), splitting)

    async def _of_erased(
        self, commands: Sequence[tuple[str, Data]], documents: Documents, known: Known
    ) -> dict[str, Any]:
        """Return what decisions on erased people need: nothing where nobody is erased, which is nearly always."""
        concerned = {key for key, c in commands if isinstance(c, EraseContact) and c.contact_id != key}
        came_late = [c.inbound.message_id for _, c in commands if known.erased and isinstance(c, AcceptMessage)]
        if not concerned and not came_late:
            return {}
        states = [state for key in concerned if (state := documents[key].state) is not None]
        messages = [*came_late, *(m for state in states for m in state.messages)]
        texts = [content_id(m, kind) for m in messages for kind in ("content", "answer")]
        late = {contact: key.partition(":")[2] for key, contact in known.ids.items() if contact in known.erased}
        asked = {c.contact_id for _, c in commands if isinstance(c, EraseContact)}
        return {
            "texts": await self._content.get(texts, TEXT_FIELDS),
            "erased_addresses": {**late, **await self._erasures.addresses(asked)},
        }

    def decide(self, state: Conversation | None, incoming: Incoming, context: Batch) -> Decision[Conversation] | None:
        event = incoming.the_event
        asked = Asked(incoming.key, event.id, min(event.time, context.now))
        found = decide(state, event.data, asked, context.world)
        return None if found is None else Decision(found.state, _emits(found, asked))

    async def before_save(self, documents: Sequence[Document[Conversation]], context: Batch) -> None:
        """Take the edge of every merge, so that no circle can come about; take who is erased out of what stays.

        The latter before the document forgets the address, so that a crash in between only repeats it.
        """
        await self._redact(documents, context.world)
        for document in documents:
            state, before = document.state, document.before
            if state is None or state.merged_into is None or (before is not None and before.merged_into is not None):
                continue
            await self._merges.take(document.id, state.merged_into)

    async def after_save(self, documents: Sequence[Document[Conversation]], context: Batch) -> None:
        """Delete what was erased, also when a crash had cut this off and the record comes again."""
        for erasure in context.asked:
            await self._erasures.ask(erasure)
        for document in documents:
            if document.state is not None and document.state.erased:
                await self._erase(document.state, context.now)
            if document.id in context.splitting and document.state is not None and document.state.moved:
                await self._lead_over(document.state)

    async def _lead_over(self, state: Conversation) -> None:
        """Let the claims of mails that were split off lead to their new conversation, for all that answers them."""
        found = await self._content.get((content_id(m) for m in state.moved), ("external_id", "inbox_id"))
        led: dict[str, str] = {}
        for message_id, target in state.moved.items():
            document = found.get(content_id(message_id), {})
            ledger_id = state.messages.get(message_id, "").partition("/")[2]
            key = normalised_message_id(str(document.get("external_id") or "")) or ledger_id
            scopes = (str(document.get("inbox_id") or state.inbox_id), EVERY_INBOX)
            led |= {claim_id(scope, key): target for scope in scopes}
        rows = await self._claims.load(led)
        await self._claims.move({i: replace(row, leads_to=led[i], split=True) for i, row in rows.items()})

    async def _redact(self, documents: Sequence[Document[Conversation]], world: World) -> None:
        changes: dict[str, dict[str, Any]] = {}
        for document in documents if world.texts else ():
            state, before = document.state, document.before
            if state is None or not state.erased:
                continue
            known = {c: a for c, a in (before.participants if before else {}).items() if a}
            known |= dict(world.erased_addresses)
            addresses = [known[c] for c in state.erased if c in known] + [known[c] for c in world.erased if c in known]
            for name in (content_id(m) for m in state.messages if m not in state.erased_messages):
                for address in addresses:
                    changed = changes.setdefault(name, {})
                    changed |= redacted({**world.texts.get(name, {}), **changed}, address)
        await self._content.redact({name: change for name, change in changes.items() if change})

    async def _erase(self, state: Conversation, now: datetime) -> None:
        """Delete texts, raw mail and attachments; whenever the conversation is touched again, for what came back late."""
        texts = [content_id(m, kind) for m in state.erased_messages for kind in ("content", "answer")]
        raw = [content_id(ledger, "raw") for m in state.erased_messages if (ledger := ledger_of(state, m))]
        found = await self._content.get(texts, ("attachments",))
        kept = await self._content.get(
            (content_id(m) for m in state.messages if found and m not in state.erased_messages), ("attachments",)
        )
        staying = {a["blob_id"] for document in kept.values() for a in document.get("attachments") or ()}
        attached = [a["blob_id"] for document in found.values() for a in document.get("attachments") or ()]
        await self._content.delete([*(b for b in attached if b not in staying), *raw])
        reach("erasing.blobs_deleted")
        await self._content.delete(texts)  # last: they name the attachments
        await self._contacts.bury(state.erased, now)


def _emits(found: Outcome, asked: Asked) -> list[Emit]:
    facts = [Emit(fact, discriminator=_discriminator(fact, asked)) for fact in found.facts]
    return [*facts, *(Emit(p.command, key=p.key, id=p.request_id) for p in found.commands)]


def _discriminator(fact: Data, asked: Asked) -> str:
    """One cause can make several of these: one for each conversation, or for each one absorbed."""
    if isinstance(fact, ContentErased):
        return asked.conversation_id
    if isinstance(fact, ReplyCancelled):
        return fact.message_id
    return fact.source_id if isinstance(fact, ConversationAbsorbed) else ""


def _named(batch: Sequence[Incoming], documents: Documents, company: Company, now: datetime) -> dict[str, datetime]:
    """Return the contact keys of everybody whom a decision of this batch may name, with when what names them came in."""
    found: dict[str, datetime] = {}
    opening: dict[str, Channel] = {}
    for incoming in batch:
        if incoming.event is None:
            continue
        command, state = incoming.event.data, documents[incoming.key].state
        if isinstance(command, AcceptMessage):
            inbound = command.inbound
            opening.setdefault(incoming.key, inbound.channel)
            if state is not None and inbound.message_id in state.messages:
                continue
            at, channel = inbound.ingested_at, inbound.channel
            addresses = [*addresses_of(inbound, company), *reply_addresses_of(inbound, company)]
        elif isinstance(command, StartConversation | SendReply):
            if isinstance(command, StartConversation):
                opening.setdefault(incoming.key, command.channel)
            at = min(incoming.event.time, now)
            channel = state.channel if state is not None and state.exists else opening.get(incoming.key, Channel.EMAIL)
            named = (normalised_address(a.address) for a in (*command.to, *command.cc, *command.bcc))
            addresses = [a for a in named if a not in company.own_addresses]
        else:
            continue
        for address in addresses:
            key = contact_key(channel, address)
            found[key] = min(found.get(key, at), at)
    return found


def _alone(batch: Sequence[Incoming], known: Known) -> None:
    """Raise ConflictError, so that records are decided one by one, where somebody is erased in a batch of several.

    What is erased of a conversation is found in what was stored before, and one key may name somebody who was erased and,
    a moment later, somebody new.
    """
    erasing = any(i.event is not None and isinstance(i.event.data, EraseContact) for i in batch)
    if len(batch) > 1 and (known.erased or erasing):
        raise ConflictError("somebody was erased: one by one")
