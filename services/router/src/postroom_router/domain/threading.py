"""Which conversation a message belongs to: pure, from the ids that it names and the claims on them.

A claim says which conversation a message id of an inbox leads to, also before that message has come: a reply whose
parent is still on its way claims the parent's id too, so that the parent joins it.

Every message has one *home row*: the claim on its own id (in chat-like channels on sender and episode). Its home is what
that row said when it was made, for ever, so that a message that comes again goes to the same queue, where it is known.
What a row leads to now may change, after a merge that was published before: then merged conversations pass on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from postroom_contracts.ids import conversation_id, digest
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import SignedMessageId, read_signed_message_id
from postroom_contracts.thread_keys import claim_id, normalised_address, normalised_message_id
from postroom_contracts.values import Channel

MAX_LINKS = 50
"""Parents that are looked at: In-Reply-To first, then the newest References."""


@dataclass(frozen=True, slots=True)
class Row:
    """A claim. `home`: the conversation that it was made for. `leads_to`: the one that it leads to now.

    `born` is the age of that conversation in milliseconds since 1970, by which the oldest wins; 0 where only a signed id
    tells of it: it stood before we wrote that id.
    """

    home: str
    leads_to: str
    born: int


@dataclass(frozen=True, slots=True)
class Names:
    """What one message says about its place. `own` is its home row; `decided` what a signed id of ours says."""

    own: str
    links: Sequence[str]
    proposal: str
    born: int
    decided: str | None

    @property
    def claims(self) -> list[str]:
        return [self.own, *self.links]


@dataclass(frozen=True, slots=True)
class Merge:
    """`source` is to be merged into `target`."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a message goes, and which conversations turned out to be one."""

    home: str
    merges: tuple[Merge, ...] = ()


def names_of(inbound: InboundReceived, keys: Sequence[bytes]) -> Names:
    """Return what `inbound` says about its place. `keys` are the signing keys."""
    message_key = normalised_message_id(inbound.external_id or "") or inbound.ledger_id
    mail = inbound.channel is Channel.EMAIL
    own = claim_id(inbound.inbox_id, message_key if mail else chat_key(inbound))
    signed = signed_id(inbound, keys)
    return Names(
        own=own,
        links=_links(inbound, own) if mail and signed is None else (),
        proposal=conversation_id(inbound.inbox_id, message_key),
        born=int(inbound.ingested_at.timestamp() * 1000),
        decided=signed.conversation_id if signed else None,
    )


def chat_key(inbound: InboundReceived) -> str:
    """Return what holds a conversation together in channels without message ids: the sender, and the episode if given.

    A webhook's episode is the sending system's own name of the thread (an order, a ticket): it may have several people.
    """
    if inbound.channel is Channel.WEBHOOK and inbound.episode:
        return digest("episode", inbound.episode)
    return digest("chat", inbound.channel.value, normalised_address(inbound.sender.address), inbound.episode or "")


def signed_id(inbound: InboundReceived, keys: Sequence[bytes]) -> SignedMessageId | None:
    """Return the first Message-ID that we signed among those that the message answers or is about; newest first."""
    about = [inbound.about_external_id] if inbound.about_external_id else []
    for value in (*about, *inbound.in_reply_to, *reversed(inbound.references)):
        if value.count(".") > 1 and (found := read_signed_message_id(value, keys)):
            return found
    return None


def _links(inbound: InboundReceived, own: str) -> Sequence[str]:
    about = [inbound.about_external_id] if inbound.about_external_id else []
    named = (*about, *inbound.in_reply_to, *reversed(inbound.references))
    if not named:
        return ()
    keys = dict.fromkeys(key for value in named if (key := normalised_message_id(value)))
    ids = (claim_id(inbound.inbox_id, key) for key in list(keys)[:MAX_LINKS])
    return [i for i in ids if i != own]


@dataclass(slots=True)
class Placing:
    """Places the messages of one batch, each as if it stood alone, over the rows that were found.

    `made` are the rows that have to be inserted, as they were made; `moved` those that lead elsewhere, to be written only
    after the merges were published: who died in between must find them as they were, and merge again.
    """

    rows: dict[str, Row]
    made: dict[str, Row] = field(default_factory=dict)
    moved: dict[str, Row] = field(default_factory=dict)

    def place(self, names: Names) -> Placed:
        """Return where a message goes. If its claims lead to several conversations, the oldest takes the others in."""
        found = [self.rows[claim] for claim in names.claims if claim in self.rows]
        candidates = {row.leads_to: row.born for row in found}
        if names.decided is not None:
            candidates[names.decided] = 0
        if not candidates:
            candidates[names.proposal] = names.born
        winner = _oldest(candidates.items())
        for claim in names.claims:
            self._lead(claim, *winner)
        merges = tuple(Merge(source, winner[0]) for source in candidates if source != winner[0])
        return Placed(self.rows[names.own].home, merges)

    def _lead(self, claim: str, conversation: str, born: int) -> None:
        row = self.rows.get(claim)
        if row is None:
            self.rows[claim] = self.made[claim] = Row(conversation, conversation, born)
        elif row.leads_to != conversation:
            self.rows[claim] = self.moved[claim] = replace(row, leads_to=conversation, born=born)

    def lost(self, names: Names, placed: Placed, others: Mapping[str, Row]) -> Placed:
        """Return `placed` corrected by rows that somebody else made between our reading and our writing.

        Ours may have been read meanwhile, so both conversations count: they are merged, the oldest wins.
        """
        merges = list(placed.merges)
        for claim in names.claims:
            if claim not in others or claim not in self.made:
                continue
            ours, theirs = self.made[claim], others[claim]
            if ours.leads_to != theirs.leads_to:
                pair = ((ours.leads_to, ours.born), (theirs.leads_to, theirs.born))
                winner, born = _oldest(pair)
                merges.append(Merge(next(c for c, _ in pair if c != winner), winner))
                if theirs.leads_to != winner:
                    self.moved[claim] = replace(theirs, leads_to=winner, born=born)
        home = others[names.own].home if names.own in others and names.own in self.made else placed.home
        return Placed(home, tuple(dict.fromkeys(merges)))


def _oldest(conversations: Iterable[tuple[str, int]]) -> tuple[str, int]:
    return min(conversations, key=lambda found: (found[1], found[0]))
