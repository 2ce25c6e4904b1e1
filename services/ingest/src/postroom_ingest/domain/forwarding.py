"""Who wrote a mail that somebody forwarded: the sender that a person would answer. Pure.

Automatic forwarding (Gmail, Microsoft 365, any server with SRS) keeps From, so nothing is to be found there. Two kinds
change it: groups that rewrite From to their own address and keep the author in another field, and people who forward by
hand, whose mail program writes the author into the text. The second is believed only of our own people, and of an agent
only when it is proven that the agent sent it.
"""

import re
from collections.abc import Collection, Iterator, Sequence

from postroom_contracts.subjects import is_forward
from postroom_contracts.thread_keys import without_plus

from postroom_ingest.domain.mail import ParsedMail
from postroom_ingest.domain.mail.addresses import Address, parse_addresses
from postroom_ingest.domain.mail.headers import split_headers
from postroom_ingest.domain.mail.reply_headings import field_kind, is_forward_separator, is_header_block

MAX_LINES = 400
"""Lines that are looked at: what stands above a forwarded mail is short."""
_MAX_LINE = 500
_BLOCK_LINES = 12
_LINK = re.compile(r"<mailto:[^>\s]*>", re.IGNORECASE)
_MAILTO = re.compile(r"mailto:", re.IGNORECASE)
_ATTACHED = frozenset({"message/rfc822", "message/global"})


def original_sender(
    mail: ParsedMail, *, inbox_addresses: Collection[str], proven_agent: bool, own_addresses: Collection[str]
) -> Address | None:
    """Return the author of a mail that was forwarded to us, None when From is the author or nobody may say otherwise.

    `inbox_addresses` and `own_addresses` (inboxes, agents, the answer address) are without plus parts, in lower case;
    `proven_agent`: From is one of our agents, and that is proven. Nobody of our own is ever returned: a forwarded text
    must not make a mail our agent's.
    """
    if mail.from_ is None:
        return None
    by_inbox = without_plus(mail.from_.email) in inbox_addresses
    if not by_inbox and not proven_agent:
        return None
    named: list[Address] = [*(_by_group(mail) if by_inbox else ()), *_by_hand(mail)]
    for found in named:
        if "@" in found.email and without_plus(found.email) not in own_addresses:
            return found
    return None


def _by_group(mail: ParsedMail) -> Iterator[Address]:
    """Yield the author of a mail whose From a group or list rewrote to the inbox's own address."""
    yield from mail.original_from
    if mail.from_ is not None and re.search(r"(?i)\bvia\b", mail.from_.name):
        name = re.split(r"(?i)\s+\(?via\b", mail.from_.name)[0].strip("'\" ")
        yield from (Address(a.email, a.name or name) for a in mail.reply_to)


def _by_hand(mail: ParsedMail) -> Iterator[Address]:
    prefixed = is_forward(mail.subject)
    lines = [line[:_MAX_LINE] for line in mail.text.split("\n", MAX_LINES)[:MAX_LINES]]
    for place, line in enumerate(lines):
        if is_forward_separator(line):
            yield from _from_block(lines[place + 1 : place + 1 + _BLOCK_LINES])
            return
        if prefixed and field_kind(line) is not None and is_header_block(lines, place):
            yield from _from_block(lines[place : place + _BLOCK_LINES])
            return
    attached = [part for part in mail.attachments if part.content_type in _ATTACHED]
    if prefixed and len(attached) == 1:
        headers, _ = split_headers(attached[0].content, 0, len(attached[0].content), [])
        yield from parse_addresses(headers.raw("from"), 1)[0]


def _from_block(lines: Sequence[str]) -> Iterator[Address]:
    """Yield the address of the From line of a quoted header, which may be wrapped; bold marks and links are not its text."""
    for n, line in enumerate(lines):
        if field_kind(line) == "from":
            value = line.replace("：", ":").partition(":")[2]
            if "@" not in value and n + 1 < len(lines) and field_kind(lines[n + 1]) is None:
                value = f"{value} {lines[n + 1].strip(' >')}"
            yield from parse_addresses(_as_header(value.replace("*", "").strip()).encode(), 1)[0]
            return


def _as_header(text: str) -> str:
    """Return `Jane [mailto:jane@a.test]` and `Jane (jane@a.test)` with a header's angle brackets, without links to itself."""
    plain = _LINK.sub("", text)
    text = _MAILTO.sub("", plain if "@" in plain else text)
    return re.sub(r"[\[(]\s*([^\s\[\]()<>@]{1,200}@[^\s\[\]()<>@]{1,255})\s*[\])]", r"<\1>", text)
