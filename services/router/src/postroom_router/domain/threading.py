"""Which conversation a message belongs to: pure, from the ids that it names and the claims on them.

A claim says which conversation a message id of an inbox leads to, also before that message has come: a reply whose
parent is still on its way claims the parent's id too, so that the parent joins it.

Every message has one *home row*: the claim on its own id (in chat-like channels on sender and episode). Its home is what
that row said when it was made, for ever, so that a message that comes again goes to the same queue, where it is known.
What a row leads to now may change, after a merge that was published before: then merged conversations pass on.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from postroom_contracts.ids import conversation_id, digest
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import SignedMessageId, read_signed_message_id
from postroom_contracts.subjects import normalised_subject
from postroom_contracts.thread_keys import claim_id, normalised_address, normalised_message_id
from postroom_contracts.values import Channel

from postroom_router.domain.company import Company

EVERY_INBOX = "*"
"""Stands for the inbox in claims that hold for all of them (`company.copies: first_inbox`); no inbox can have this id."""
MAX_PEOPLE = 20
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
    people: tuple[int, ...] = ()
    """Who wrote the mail of this id, and to whom outside the company: `person`. Empty: it has not come, or is no mail."""
    split: bool = False
    """A split led it elsewhere, or its mail answers one that was: it ties no conversations together again."""
    awaited_by: int = 0
    """Who wrote the first mail that named this id before it had come: `person`; 0: nobody, or nobody knows any more."""
    apart: bool = False
    """Made by a mail that was led there by an id alone, whoever wrote it: it leads there, and ties nothing else to it."""


@dataclass(frozen=True, slots=True)
class Names:
    """What one message says about its place. `own` is its home row; `decided` what a signed id of ours says."""

    own: str
    links: Sequence[str]
    proposal: str
    born: int
    decided: str | None
    people: tuple[int, ...] = ()
    """As in `Row`, the sender first."""
    own_subject: str | None = None
    """Row of this message's subject, sender and day, in inboxes that group by subject."""
    like: Sequence[str] = ()
    """Such rows of the days before that count, the newest first. They bring no conversations together."""

    @property
    def asked(self) -> list[str]:
        """The rows that are looked at; a row may stand here twice."""
        return [*self.claims, *self.like, self.own_subject] if self.own_subject else self.claims

    @property
    def claims(self) -> list[str]:
        return [self.own, *self.links]

    def may_join(self, row: Row) -> bool:
        """Say whether the message's sender wrote or got the mail of a row, which may also still be awaited.

        Knowing an id is not a right: who has it from elsewhere brings no conversations together and leads nobody away.
        """
        return not self.people or not row.people or self.people[0] in row.people

    def may_tie(self, row: Row) -> bool:
        """Say whether the message brings what the row leads to together with what else it answers.

        Else a stranger would answer a mail whose id they know, and then their own answer and a conversation of theirs.
        """
        return not row.apart and self.may_join(row)

    def is_awaited_by_a_stranger(self, row: Row) -> bool:
        """Say whether the message's own row was made by somebody who neither wrote nor got it: an id can be foretold."""
        return bool(self.people and row.awaited_by) and row.awaited_by not in self.people


@dataclass(frozen=True, slots=True)
class Merge:
    """`source` is to be merged into `target`. `apart`: who takes part in it does not in the other by that."""

    source: str
    target: str
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a message goes, and which conversations turned out to be one."""

    home: str
    merges: tuple[Merge, ...] = ()


def names_of(inbound: InboundReceived, keys: Sequence[bytes], company: Company | None = None) -> Names:
    """Return what `inbound` says about its place. `keys` are the signing keys; `company` says what an inbox wants."""
    message_key = normalised_message_id(inbound.external_id or "") or inbound.ledger_id
    mail = inbound.channel is Channel.EMAIL
    shared = mail and company is not None and company.configuration.company.copies == "first_inbox"
    own = claim_id(EVERY_INBOX if shared else inbound.inbox_id, message_key if mail else chat_key(inbound))
    signed = signed_id(inbound, keys)
    scopes = (EVERY_INBOX, inbound.inbox_id) if shared else (inbound.inbox_id,)
    links = _links(inbound, own, scopes) if mail and signed is None else ()
    if shared:  # what came before copies were made one has its row under its inbox
        links = (claim_id(inbound.inbox_id, message_key), *links)
    days = _days(inbound, company)
    alike = subject_rows(inbound, days) if days else []
    return Names(
        own=own,
        links=links,
        proposal=conversation_id(inbound.inbox_id, message_key),
        born=int(inbound.ingested_at.timestamp() * 1000),
        decided=signed.conversation_id if signed else None,
        own_subject=alike[0] if alike else None,
        people=_people(inbound, company) if mail else (),
        like=() if inbound.in_reply_to or inbound.references else alike,
    )


@lru_cache(maxsize=4096)
def person(address: str) -> int:
    """Return 63 bits that stand for a mail address: enough that nobody finds another with the same."""
    return int.from_bytes(hashlib.sha256(normalised_address(address).encode()).digest()[:8], "big") >> 1


def _people(inbound: InboundReceived, company: Company | None) -> tuple[int, ...]:
    """Return the sender and those outside the company to whom a mail went, at most 20."""
    ours = company.own_addresses if company else frozenset()
    named = (normalised_address(a.address) for a in (*inbound.to, *inbound.cc))
    others = [a for a in named if a not in ours]
    return tuple(dict.fromkeys(person(a) for a in (inbound.sender.address, *others[: MAX_PEOPLE - 1])))


def _days(inbound: InboundReceived, company: Company | None) -> int:
    """Return over how many days the inbox groups by subject; 0: it does not, or a machine wrote this."""
    inbox = company.inboxes.get(inbound.inbox_id) if company else None
    if inbox is None or inbound.channel is not Channel.EMAIL or inbound.message_kind != "message" or inbound.automatic:
        return 0
    return inbox.group_by_subject_days or 0


def subject_rows(inbound: InboundReceived, days: int) -> list[str]:
    """Return the rows of subject, sender and day for the day of `inbound` (UTC) and those before it, the newest first.

    Empty without a subject: everybody has that one.
    """
    subject = normalised_subject(inbound.subject)
    if not subject:
        return []
    day = inbound.received_at.date().toordinal()
    sender = normalised_address(inbound.sender.address)
    return [digest("subject", inbound.inbox_id, sender, subject, str(day - n)) for n in range(days + 1)]


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


def _links(inbound: InboundReceived, own: str, scopes: Sequence[str]) -> Sequence[str]:
    about = [inbound.about_external_id] if inbound.about_external_id else []
    named = (*about, *inbound.in_reply_to, *reversed(inbound.references))
    if not named:
        return ()
    keys = dict.fromkeys(key for value in named if (key := normalised_message_id(value)))
    ids = (claim_id(scope, key) for key in list(keys)[:MAX_LINKS] for scope in scopes)
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
        own = self.rows.get(names.own)
        if own is not None and not names.may_join(own):  # its id was taken: by chance, or by who knew it
            return Placed(names.decided or own.home)
        if own is not None and names.is_awaited_by_a_stranger(own):
            return self._at_last(own, names)
        parent = self._split_parent(names)
        if own is not None and (own.split or parent is not None):
            return Placed(own.home)  # it has its place, and split conversations are not tied together again
        if parent is not None:
            return self._behind(parent, names)
        candidates = self._candidates(names)
        others = self._of_others(names)
        winner = (others.leads_to, others.born) if others is not None else _oldest(candidates.items())
        apart = others is not None or names.decided is not None
        for claim in names.claims:
            self._lead(claim, winner, names, apart)
        if names.own_subject is not None and names.own_subject not in self.rows:
            self._lead(names.own_subject, winner, names, apart)
        merges = tuple(Merge(source, winner[0], apart) for source in candidates if source != winner[0])
        return Placed(self.rows[names.own].home, merges)

    def _at_last(self, own: Row, names: Names) -> Placed:
        """Place a mail whose id a stranger had named before it came: as if it had come first.

        Its home is what it proposes itself, so that a repeat finds it again; the stranger's conversation goes into its own,
        as the stranger's answer would have, without their people.
        """
        home = names.proposal
        if own.people:  # it came before, and everything is tied
            return Placed(home)
        parent, others = self._split_parent(names), self._of_others(names)
        candidates = {home: names.born} | ({} if parent is not None else self._joinable(names))
        leader = parent or others
        winner = (leader.leads_to, leader.born) if leader is not None else _oldest(candidates.items())
        apart = others is not None or names.decided is not None
        if parent is None:
            for claim in names.links:
                self._lead(claim, winner, names, apart)
        row = replace(
            own, leads_to=winner[0], born=winner[1], people=names.people, split=parent is not None, apart=apart
        )
        self.rows[names.own] = self.moved[names.own] = row
        merges = [Merge(source, winner[0], apart) for source in candidates if source != winner[0]]
        if own.leads_to not in {winner[0], *candidates}:
            merges.append(Merge(own.leads_to, winner[0], apart=True))
        return Placed(home, tuple(merges))

    def _joinable(self, names: Names) -> dict[str, int]:
        """Return the conversations, with their age, of what the message answers as one who takes part in them."""
        links = [self.rows[claim] for claim in names.links if claim in self.rows]
        found = {row.leads_to: row.born for row in links if names.may_tie(row)}
        return found if names.decided is None else found | {names.decided: 0}

    def _split_parent(self, names: Names) -> Row | None:
        """Return the row of the nearest mail that is answered, if people split any of those it names apart."""
        rows = [self.rows[c] for c in names.links if c in self.rows and names.may_join(self.rows[c])]
        return rows[0] if any(row.split for row in rows) else None

    def _behind(self, parent: Row, names: Names) -> Placed:
        """Place a message where its parent is. The mails before it stand in both conversations' threads: none is led away."""
        for claim in names.claims:
            if claim not in self.rows:
                people = names.people if claim == names.own else ()
                row = Row(parent.leads_to, parent.leads_to, parent.born, people, split=True)
                self.rows[claim] = self.made[claim] = row
        return Placed(self.rows[names.own].home)

    def _candidates(self, names: Names) -> dict[str, int]:
        """Return the conversations, with their age, that the message ties together as one who takes part in them."""
        found = [self.rows[claim] for claim in names.claims if claim in self.rows]
        candidates = {row.leads_to: row.born for row in found if names.may_tie(row)}
        if names.decided is not None:
            candidates[names.decided] = 0
        if candidates or any(claim in self.rows for claim in names.links):
            return candidates
        if (own := self.rows.get(names.own)) is not None:  # it comes again
            return {own.leads_to: own.born}
        return self._like(names) or {names.proposal: names.born}

    def _of_others(self, names: Names) -> Row | None:
        """Return the row of the nearest mail that is answered by somebody who did not get it; None if any was got.

        The answer, and with it what came before as an answer to it, goes to that conversation and not the other way.
        """
        rows = [self.rows[claim] for claim in names.links if claim in self.rows]
        if not rows and names.decided is None and (like := self._like_row(names)) is not None:
            rows = [like]
        return rows[0] if rows and not any(names.may_tie(row) for row in rows) else None

    def _like(self, names: Names) -> dict[str, int]:
        """Return the conversation of the same subject and sender, the latest one; empty when there is none."""
        row = self._like_row(names)
        return {row.leads_to: row.born} if row else {}

    def _like_row(self, names: Names) -> Row | None:
        return next((self.rows[claim] for claim in names.like if claim in self.rows), None)

    def _lead(self, claim: str, winner: tuple[str, int], names: Names, apart: bool) -> None:
        conversation, born = winner
        row = self.rows.get(claim)
        if row is None:
            people = names.people if claim == names.own else ()
            awaited_by = names.people[0] if names.people and claim in names.links else 0
            row = Row(conversation, conversation, born, people, awaited_by=awaited_by, apart=apart)
            self.rows[claim] = self.made[claim] = row
        elif row.leads_to != conversation and (names.may_tie(row) or claim == names.own):
            moved = replace(row, leads_to=conversation, born=born, apart=row.apart or (apart and claim == names.own))
            self.rows[claim] = self.moved[claim] = moved

    def lost(self, names: Names, placed: Placed, others: Mapping[str, Row]) -> Placed:
        """Return `placed` corrected by rows that somebody else made between our reading and our writing.

        Ours may have been read meanwhile, so both conversations count: they are merged, the oldest wins.
        """
        merges = list(placed.merges)
        own = others.get(names.own) if names.own in self.made else None
        foretold = own is not None and not own.split and names.is_awaited_by_a_stranger(own)
        for claim in names.claims:
            if claim not in others or claim not in self.made or (foretold and claim == names.own):
                continue
            ours, theirs = self.made[claim], others[claim]
            if not names.may_join(theirs) or (theirs.apart and claim != names.own):
                if claim != names.own and ours.leads_to == self._root(names) != theirs.leads_to:
                    merges.append(Merge(ours.leads_to, theirs.leads_to, apart=True))
            elif theirs.apart and ours.leads_to != theirs.leads_to:  # the same mail, placed by who knew more
                merges.append(Merge(ours.leads_to, theirs.leads_to, apart=True))
            elif ours.leads_to != theirs.leads_to:
                pair = ((ours.leads_to, ours.born), (theirs.leads_to, theirs.born))
                winner, born = _oldest(pair)
                merges.append(Merge(next(c for c, _ in pair if c != winner), winner))
                if theirs.leads_to != winner:
                    self.moved[claim] = replace(theirs, leads_to=winner, born=born)
        home = placed.home
        if own is not None and foretold:
            again = self._at_last(own, names)
            return Placed(again.home, tuple(dict.fromkeys([*merges, *again.merges])))
        if own is not None:
            home = own.home if names.may_join(own) else names.decided or own.home
        return Placed(home, tuple(dict.fromkeys(merges)))

    def _root(self, names: Names) -> str:
        """Return the conversation that the message opened, or that was opened by an answer to it that came before."""
        return names.proposal if names.own in self.made else self.rows[names.own].home


def _oldest(conversations: Iterable[tuple[str, int]]) -> tuple[str, int]:
    return min(conversations, key=lambda found: (found[1], found[0]))
