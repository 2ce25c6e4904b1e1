"""What a bounce says: delivery reports, and the letters that servers write in their own words. Linear, never raises.

Source: RFC 3464 and RFC 6533 (reports), RFC 3463 (codes), Bernstein's QSBMF (qmail), and the words of Exim, Sendmail,
Exchange, Domino, GroupWise, Gmail and Yahoo, which are matched by what they have in common.
"""

import re
from collections.abc import Iterator

from postroom_ingest.domain.mail.addresses import parse_addresses
from postroom_ingest.domain.mail.headers import Headers, decode_words, split_headers, unfold
from postroom_ingest.domain.mail.model import Dsn
from postroom_ingest.domain.mail.structure import Part, Reading, decode_body

_MACHINES = re.compile(
    r"(?i)^(?:mailer[-_.]?daemon|postmaster|mail[-_.]?daemon|bounces?|mail[-_.]?delivery(?:[-_.]?(?:subsystem|system))?|"
    r"microsoftexchange[0-9a-f]{20,40})(?:[+@=-]|$)"
)
_ID = re.compile(r"<([^<>\s]{1,990})>")
_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_SMTP = re.compile(r"(?m)(?:^|[\s(:>#])([45]\d\d)(?:[ -]|$)")
_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_ORIGINALS = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "text/rfc822-header"}
)


def is_machine(address: str) -> bool:
    """Say whether the address is that of a mail server itself."""
    return _MACHINES.match(address) is not None


def read_dsn(root: Part, sender: str) -> Dsn | None:
    """Return what the delivery report among the parts says, None when there is none."""
    if not ("report" in root.content_type or root.content_type in _STATUS_TYPES or is_bounce(root.headers, sender)):
        return None
    status = next((part for part in _walk(root) if part.content_type in _STATUS_TYPES), None)
    if status is None:
        return None
    blocks = list(_blocks(decode_body(status, [])))
    chosen = next((block for block in blocks if "failed" in block.plain("action").lower()), None)
    chosen = chosen or next((block for block in blocks if block.raw("final-recipient") or block.raw("action")), None)
    if chosen is None:
        return None
    diagnostic = _typed(chosen, "diagnostic-code")
    code = _CODE.search(chosen.plain("status")) or _CODE.search(diagnostic or "")
    return Dsn(
        recipient=_address(_typed(chosen, "final-recipient")) or _address(_typed(chosen, "original-recipient")),
        action=chosen.plain("action").lower().split(" ")[0] or None,
        status=code[1] if code else None,
        diagnostic=diagnostic,
        original_message_id=_original_id(root, blocks),
    )


def is_bounce(headers: Headers, sender: str) -> bool:
    """Say whether a server sent it back: by its sender and path, never by words that anybody may write."""
    return is_machine(sender.replace(" ", "-")) or bool(headers.raw("x-failed-recipients"))


_PERMANENT = re.compile(
    r"(?i)permanent(?:ly)? (?:error|failure|fatal)|failed permanently|could not be delivered|was ?n[o't]{1,2} delivered|"
    r"not delivered to|did not reach|undeliverable|unable to deliver|delivery (?:has )?failed|failure notice|returned mail|"
    r"not (?:be )?delivered|n't able to deliver|delivery failure|konnte nicht zugestellt|unzustellbar|n'a pas pu être|"
    r"no se ha podido entregar"
)
_DELAYED = re.compile(
    r"(?i)\bdelayed\b|warning: message|still being retried|will (?:be retried|keep trying|retry)|has not yet been delivered|"
    r"delivery (?:status notification )?\(?delay|temporary failure|do not need to resend|could not be delivered for"
)
_COPY = re.compile(
    r"(?im)^[ \t>*=-]{0,40}(?:(?:below this line|this) is a copy of (?:the|your) (?:message|original)|"
    r"original message(?: headers)?|original message follows|unsent message follows|message headers? follow|"
    r"copy of (?:the )?message|returned message|undelivered message|included (?:is )?a copy|ursprüngliche nachricht)"
    r"[^\n]{0,80}$"
)
_ADDRESS = r"[^\s<>\"'()]{1,250}@[^\s<>\"'(),;:]{1,250}"
_RECIPIENTS = (
    re.compile(r"(?m)^[ \t]*<([^<>\s]{1,250}@[^<>\s]{1,250})>(?:: |:$|[ \t]*$)"),  # qmail, Postfix, Sendmail, Yahoo
    re.compile(
        r"(?im)(?:following (?:address(?:es|\(es\))?|recipients?(?:\(s\))?)|delivered to|undeliverable to|"
        rf"deliver(?:y)?(?: your message)? to)[^\n]{{0,200}}(?:\n[ \t>]*){{1,3}}[\"'<(]?({_ADDRESS})"
    ),
    re.compile(rf"(?i)(?:delivered to|recipient|deliver to|mailbox|user|addressee|reach)[:\s'\"<(]{{1,5}}({_ADDRESS})"),
    re.compile(r"(?i)rcpt to:[ \t]?<([^<>\s]{1,250}@[^<>\s]{1,250})>"),
    re.compile(rf"(?m)^[ \t]{{1,8}}<?({_ADDRESS})>?[ \t]*(?:\(|$|on )"),
)
_REASONS = (
    (
        "5.1.1",
        re.compile(
            r"(?i)user (?:is )?unknown|unknown (?:user|recipient|address|mailbox)|not listed in|invalid recipient|"
            r"no such (?:user|recipient|mailbox|address|person)|address (?:was )?n[o']t found|address couldn't be found|"
            r"recipient name is not recognized|mailbox (?:not found|unavailable|does not exist)|does(?: not|n't) exist|"
            r"does not like recipient|no mailbox here"
        ),
    ),
    (
        "5.2.2",
        re.compile(
            r"(?i)over ?quota|quota exceeded|mailbox (?:is )?full|exceeds allowed size|mailbox has exceeded|exceeded storage"
        ),
    ),
    (
        "5.1.2",
        re.compile(
            r"(?i)host (?:unknown|not found)|unrout(?:e)?able|domain (?:not found|does not exist)|couldn't find any host|"
            r"no such domain"
        ),
    ),
    ("5.7.1", re.compile(r"(?i)relay(?:ing)? (?:access )?denied|blocked|not authorized|spam|policy|permission")),
)
"""Only for servers that give no enhanced code: the one that RFC 3463 has for what they say."""
_MAX_TEXT = 64 * 1024


def read_letter(root: Part, headers: Headers, sender: str, text: str) -> Dsn | None:
    """Return what a bounce in a server's own words says; None when it names nobody, or no server sent it."""
    if (
        not is_bounce(headers, sender)
        or root.parameters.get("report-type", "delivery-status").lower() != "delivery-status"
    ):
        return None
    text = text[:_MAX_TEXT]
    copy = _COPY.search(text)
    said = text[: copy.start()] if copy else text
    subject = decode_words(headers.plain("subject"))
    failed = parse_addresses(headers.raw("x-failed-recipients"), 1)[0]
    flat = f"{subject}\n{' '.join(said.split())}"
    permanent, delayed = _PERMANENT.search(flat), _DELAYED.search(flat)
    if not (failed or permanent or delayed):
        return None
    recipient = failed[0].email if failed else _recipient(said)
    action = "delayed" if delayed else "failed"
    status, diagnostic = _reason(said, recipient, delayed=action == "delayed")
    return Dsn(
        recipient, action, status, diagnostic, _original_id(root, []) or _id_in(text[copy.start() :] if copy else said)
    )


def _recipient(said: str) -> str | None:
    for pattern in _RECIPIENTS:
        found = pattern.search(said)
        if found:
            return found[1].strip(".")
    return None


def _reason(said: str, recipient: str | None, *, delayed: bool) -> tuple[str | None, str | None]:
    """Return the status code and the line that says why, from where the recipient is named on."""
    start = max(0, said.find(recipient)) if recipient else 0
    for place in (start, 0):
        found = _CODE.search(said, place) or _SMTP.search(said, place)
        if found:
            code = found[1] if "." in found[1] else _named_reason(said[place:]) or f"{found[1][0]}.0.0"
            return code, _line(said, found.start(1))
    named = _named_reason(said[start:])
    return (named or "5.0.0", None) if not delayed else ("4.0.0", None)


def _named_reason(part: str) -> str | None:
    return next((code for code, words in _REASONS if words.search(part)), None)


def _line(text: str, place: int) -> str:
    start, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
    return " ".join(text[start : end if end >= 0 else len(text)].split())[:500]


_ID_FIELD = re.compile(r"(?im)^[ \t>]{0,10}message-id:\s{0,3}<([^<>\s]{1,990})>")


def _id_in(text: str) -> str | None:
    found = _ID_FIELD.search(text)
    return found[1] if found else None


def _walk(root: Part) -> Iterator[Part]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(part.children))


_MOST_BLOCKS = 200


def _blocks(body: bytes) -> Iterator[Headers]:
    position = 0
    for _ in range(_MOST_BLOCKS):
        if position >= len(body):
            return
        headers, following = split_headers(body, position, len(body), [])
        if headers.fields:
            yield headers
        position = max(following, position + 1)


def _typed(block: Headers, name: str) -> str | None:
    """Return the value behind its type (`rfc822; a@b`). RFC 3464 section 2.1.2."""
    kind, semicolon, value = block.plain(name).partition(";")
    return (value if semicolon else kind).strip().strip("<>") or None


def _address(text: str | None) -> str | None:
    return text.strip(" <>") or None if text else None


def _original_id(root: Part, blocks: list[Headers]) -> str | None:
    for part in _walk(root):
        if part.content_type in _ORIGINALS:
            body = decode_body(part, Reading().warnings)
            inner, _ = split_headers(body, 0, min(len(body), 256 * 1024), [])
            found = _ID.search(unfold(inner.raw("message-id")))
            if found:
                return found[1]
    for block in blocks:
        found = _ID.search(block.plain("x-original-message-id") or block.plain("original-envelope-id"))
        if found:
            return found[1]
    return None
