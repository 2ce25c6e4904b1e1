"""The plan of the feed: which mails are sent when, which of them belong together. The same seed gives the same plan."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

REPLIES = 0.30
CUT = 1 / 3
"""Share of replies that lost a part of the chain."""
EARLY = 0.12
"""Share of replies that are sent before the mail that they answer."""
TO_ANSWERS = 0.35
"""Share of replies that answer a mail of ours, where one has come by then."""
REPEATED = 0.05
WITHOUT_ID = 0.02
OTHER_SENDER = 0.1
CUSTOMER_DOMAIN = "customers.example"
_WRITTEN_AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_WORDS = [
    *("gear", "chain", "brake", "wheel", "order", "invoice", "delivery", "Monday", "still", "waiting", "please"),
    *("thank", "warranty", "colour", "size", "refund", "street", "number", "photo", "attached", "again", "broken"),
    *("address", "card", "parcel", "helmet", "saddle", "question", "urgent", "yesterday", "new"),
]

Chain = Literal["full", "in_reply_to", "parent"]
"""`full`: In-Reply-To and all References; `in_reply_to`: that header alone; `parent`: References with the parent alone."""


@dataclass(frozen=True, slots=True)
class Parent:
    """What a reply answers: its Message-ID and the References that it had, without angle brackets."""

    message_id: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedMail:
    """One mail. `thread` says which mails belong together, `at` when it is sent, in seconds after the start."""

    number: int
    token: str
    """Stands in its subject and nowhere else: by it the checker knows the mail again."""
    thread: int
    inbox: str
    sender: str
    at: float
    message_id: str | None
    parent: int | None = None
    chain: Chain = "full"
    to_answer: bool = False
    """It answers a mail of ours if one has come in its thread by then, else `parent`."""
    again_at: float | None = None
    """When the same bytes are delivered once more."""


def plan(seed: int, count: int, per_second: float, inboxes: Sequence[str]) -> list[PlannedMail]:
    """Return `count` mails in the order of their numbers; a parent always has the lower number."""
    chance = random.Random(seed)
    replies = _some(chance, range(max(1, count // 20), count), round(count * REPLIES))
    without_id = _some(chance, range(count), round(count * WITHOUT_ID))
    mails: list[PlannedMail] = []
    for number in range(count):
        parent = _choose_parent(chance, mails) if number in replies else None
        message_id = None if number in without_id else f"{number}.{chance.getrandbits(48):x}@{CUSTOMER_DOMAIN}"
        mails.append(_mail(chance, number, number / per_second, message_id, parent, inboxes))
    for number in _some(chance, range(count), round(count * REPEATED)):
        mails[number] = replace(mails[number], again_at=mails[number].at + chance.uniform(0.0, 12.0))
    return mails


def _some(chance: random.Random, numbers: range, count: int) -> set[int]:
    return set(chance.sample(numbers, min(count, len(numbers))))


def _choose_parent(chance: random.Random, mails: Sequence[PlannedMail]) -> PlannedMail:
    """Return a mail that can be named: mostly a recent one, whose own effects are still under way."""
    recent = chance.random() < 0.6
    while True:
        parent = chance.choice(mails[-60:] if recent else mails)
        if parent.message_id is not None:
            return parent


def _mail(
    chance: random.Random,
    number: int,
    at: float,
    message_id: str | None,
    parent: PlannedMail | None,
    inboxes: Sequence[str],
) -> PlannedMail:
    token = f"T{number:05d}x{chance.getrandbits(24):06x}"
    own = f"c{number}@{CUSTOMER_DOMAIN}"
    if parent is None:
        return PlannedMail(number, token, number, chance.choice(inboxes), own, at, message_id)
    chain: Chain = chance.choice(("in_reply_to", "parent")) if chance.random() < CUT else "full"
    early = chance.random() < EARLY
    return PlannedMail(
        number,
        token,
        parent.thread,
        parent.inbox,
        own if chance.random() < OTHER_SENDER else parent.sender,
        max(0.0, parent.at - chance.uniform(0.05, 3.0)) if early else max(at, parent.at + 0.05),
        message_id,
        parent=parent.number,
        chain=chain,
        to_answer=not early and chance.random() < TO_ANSWERS,
    )


def references_of(mails: Sequence[PlannedMail], mail: PlannedMail) -> tuple[str, ...]:
    """Return the Message-IDs of all that `mail` goes back to, oldest first."""
    found: list[str] = []
    parent = mail.parent
    while parent is not None:
        found.insert(0, mails[parent].message_id or "")
        parent = mails[parent].parent
    return tuple(found)


def planned_parent(mails: Sequence[PlannedMail], mail: PlannedMail) -> Parent | None:
    """Return what the plan says that `mail` answers; None for one that begins a thread."""
    if mail.parent is None:
        return None
    above = mails[mail.parent]
    return Parent(above.message_id or "", references_of(mails, above))


def compose(mail: PlannedMail, parent: Parent | None) -> bytes:
    """Return the bytes of a mail; the same arguments give the same bytes."""
    chance = random.Random(mail.token)
    words = " ".join(chance.sample(_WORDS, 4))
    headers = [
        ("From", f"Customer {mail.number} <{mail.sender}>"),
        ("To", mail.inbox),
        ("Subject", f"{'Re: ' if parent else ''}{words} {mail.token}"),
        ("Date", format_datetime(_WRITTEN_AT + timedelta(seconds=mail.number))),
    ]
    if mail.message_id is not None:
        headers.append(("Message-ID", f"<{mail.message_id}>"))
    if parent is not None and mail.chain != "parent":
        headers.append(("In-Reply-To", f"<{parent.message_id}>"))
    if parent is not None and mail.chain != "in_reply_to":
        named = parent.references if mail.chain == "full" else ()
        headers.append(("References", id_list((*named, parent.message_id))))
    lines = [" ".join(chance.choices(_WORDS, k=12)) for _ in range(chance.randint(3, 25))]
    return raw_mail(headers, "\n".join(["Hello,", *lines, "Regards", ""]))


def id_list(ids: Sequence[str]) -> str:
    """Return ids for a header, one to a line: the standard library would fold long ones into encoded words."""
    return "\n ".join(f"<{i}>" for i in ids)


def raw_mail(headers: Sequence[tuple[str, str]], text: str) -> bytes:
    """Return a plain text mail, its lines ended by CR LF."""
    whole = [*headers, ("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=utf-8")]
    head = "\n".join(f"{name}: {value}" for name, value in (*whole, ("Content-Transfer-Encoding", "8bit")))
    return f"{head}\n\n{text}".replace("\r\n", "\n").replace("\n", "\r\n").encode()
