"""The decide step: what the conversations' fold asks of this service."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

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
from postroom_runtime.fold import QuietDecider
from postroom_runtime.records import Incoming

from postroom_router.adapters.claims import ClaimStore
from postroom_router.adapters.contacts import ContactStore
from postroom_router.adapters.merges import MergeForest
from postroom_router.companies import Companies
from postroom_router.domain.accept import addresses_of, reply_addresses_of
from postroom_router.domain.company import Company
from postroom_router.domain.conversation import Conversation, written_by
from postroom_router.domain.decide import decide
from postroom_router.domain.outcome import Asked, Outcome, World, contact_key
from postroom_router.domain.threading import EVERY_INBOX

Documents = Mapping[str, Document[Conversation]]


class Targets(Protocol):
    async def existing(self, conversation_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the conversations that a message or an agent has opened."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """What was prepared for a batch. `erasing`: the conversations from which somebody is erased; `splitting`: those split."""

    world: World
    now: datetime
    erasing: frozenset[str] = field(default_factory=frozenset)
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
    ) -> None:
        self._companies = companies
        self._contacts = contacts
        self._merges = merges
        self._targets = targets
        self._content = content
        self._claims = claims
        self._clock = clock
        self._keys = tuple(keys)

    async def prepare(self, batch: Sequence[Incoming], documents: Documents) -> Batch:
        company = self._companies.latest()
        now = self._clock.now()
        commands = [(i.key, i.event.data) for i in batch if i.event is not None]
        for _, command in commands:
            if isinstance(command, SendReply | StartConversation):
                self._companies.at(command.configuration_version)  # made with a newer one than ours: wait for it
        keys = list(_contact_keys(commands, documents, company))
        targets = [c.target_id for _, c in commands if isinstance(c, MergeConversations)]
        absorbed = [i for _, c in commands if isinstance(c, AbsorbConversation | OpenSplit) for i in c.contact_ids]
        world = World(
            company=company,
            contacts=await self._contacts.ids(keys, now) if keys else {},
            addresses=await self._contacts.addresses(absorbed) if absorbed else {},
            merged=await self._merges.chains(targets) if targets else {},
            targets=await self._targets.existing(targets) if targets else frozenset(),
            keys=self._keys,
        )
        erasing = frozenset(key for key, c in commands if isinstance(c, EraseContact))
        return Batch(world, now, erasing, frozenset(key for key, c in commands if isinstance(c, SplitConversation)))

    def decide(self, state: Conversation | None, incoming: Incoming, context: Batch) -> Decision[Conversation] | None:
        event = incoming.the_event
        asked = Asked(incoming.key, event.id, min(event.time, context.now))
        found = decide(state, event.data, asked, context.world)
        return None if found is None else Decision(found.state, _emits(found, asked))

    async def before_save(self, documents: Sequence[Document[Conversation]], context: Batch) -> None:  # noqa: ARG002
        """Take the edge of every merge, so that no circle can come about."""
        for document in documents:
            state, before = document.state, document.before
            if state is None or state.merged_into is None or (before is not None and before.merged_into is not None):
                continue
            await self._merges.take(document.id, state.merged_into)

    async def after_save(self, documents: Sequence[Document[Conversation]], context: Batch) -> None:
        """Delete what was erased, also when a crash had cut this off and the record comes again."""
        for document in documents:
            if document.id in context.erasing and document.state is not None and document.state.erased:
                await self._erase(document.state)
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

    async def _erase(self, state: Conversation) -> None:
        written = [w for contact_id in state.erased for w in written_by(state, contact_id)]
        texts = [content_id(m, kind) for m, _ in written for kind in ("content", "answer")]
        raw = [content_id(ledger_id, "raw") for _, ledger_id in written]
        found = await self._content.get(texts)
        attached = [a["blob_id"] for document in found.values() for a in document.get("attachments") or ()]
        await self._content.delete([*attached, *raw])
        await self._content.delete(texts)  # last: they name the attachments
        await self._contacts.erase(state.erased)


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


def _contact_keys(commands: Sequence[tuple[str, Data]], documents: Documents, company: Company) -> Iterator[str]:
    """Yield the contact keys of everybody whom a decision of this batch may name."""
    opening: dict[str, Channel] = {}
    for key, command in commands:
        state = documents[key].state
        if isinstance(command, AcceptMessage):
            inbound = command.inbound
            opening.setdefault(key, inbound.channel)
            if state is None or inbound.message_id not in state.messages:
                named_in = (*addresses_of(inbound, company), *reply_addresses_of(inbound, company))
                yield from (contact_key(inbound.channel, a) for a in named_in)
        elif isinstance(command, StartConversation | SendReply):
            if isinstance(command, StartConversation):
                opening.setdefault(key, command.channel)
            channel = state.channel if state is not None and state.exists else opening.get(key, Channel.EMAIL)
            named = (normalised_address(a.address) for a in (*command.to, *command.cc, *command.bcc))
            yield from (contact_key(channel, a) for a in named if a not in company.own_addresses)
