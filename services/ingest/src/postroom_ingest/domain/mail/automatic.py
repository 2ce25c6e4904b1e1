"""Whether a machine wrote a mail, and what a bounce says.

Source: RFC 3834 sections 3 and 5, RFC 3464 (delivery reports), RFC 8098 (read receipts), RFC 2919 and RFC 2369
(lists), Microsoft's [MS-OXCMAIL] X-Auto-Response-Suppress; the other X- fields are those that responders write.
"""

import re
from collections.abc import Iterator

from postroom_ingest.domain.mail.headers import Headers, split_headers, unfold
from postroom_ingest.domain.mail.model import Automatic, Dsn
from postroom_ingest.domain.mail.structure import Part

_REPLY_FIELDS = (
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-autoreply-from",
    "x-mail-autoreply",
    "x-auto-reply-from",
)
_LIST_FIELDS = ("list-id", "list-post", "list-unsubscribe", "list-help", "list-subscribe", "x-mailing-list", "x-list")
_MACHINES = re.compile(r"(?i)^(?:mailer[-_]?daemon|postmaster|mail[-_]?daemon|bounces?)(?:[+@=-]|$)")
_REPLY_SUBJECT = re.compile(r"(?i)^(?:auto(?:matic)?[- ]?(?:reply|response|antwort)|automatische antwort|out of (?:the )?office|"
                            r"abwesenheit|réponse automatique|respuesta automática|risposta automatica|abwesend)")  # fmt: skip
_ID = re.compile(r"<([^<>\s]{1,990})>")


def classify(headers: Headers, root: Part, sender: str, dsn: Dsn | None) -> Automatic | None:
    """Return what kind of automatic mail it is; None means that a person may have written it."""
    report = root.parameters.get("report-type", "").lower() if root.content_type == "multipart/report" else ""
    if dsn is not None or report == "delivery-status" or headers.raw("x-failed-recipients"):
        return "bounce"
    submitted = headers.plain("auto-submitted").lower().split(";")[0].split("(")[0].strip()
    null_path = headers.plain("return-path").replace(" ", "") == "<>"
    if null_path and submitted != "auto-replied" and _MACHINES.match(sender):
        return "bounce"
    precedence = headers.plain("precedence").lower()
    if _is_reply(headers, submitted, precedence) or report == "disposition-notification":
        return "auto-reply"
    if submitted.startswith("auto-"):  # its author says so; fields of a list only say how it came (RFC 3834 section 5)
        return "auto-generated"
    if any(headers.raw(name) for name in _LIST_FIELDS) or precedence == "list":
        return "list"
    if submitted not in {"", "no"} or null_path or report or precedence in {"bulk", "junk"}:
        return "auto-generated"
    suppress = headers.plain("x-auto-response-suppress").lower()
    return "auto-generated" if suppress not in {"", "none"} else None


def _is_reply(headers: Headers, submitted: str, precedence: str) -> bool:
    if submitted.startswith("auto-replied") or precedence in {"auto_reply", "auto-reply", "autoreply"}:
        return True
    if any(headers.plain(name).lower() not in {"", "no", "false"} for name in _REPLY_FIELDS):
        return True
    machine = submitted.startswith("auto") or headers.raw("x-auto-response-suppress")
    return bool(machine) and bool(_REPLY_SUBJECT.match(headers.plain("subject")))


def read_dsn(root: Part) -> Dsn | None:
    """Return what the delivery report among the parts says, None when there is none."""
    status = next((part for part in _walk(root) if part.content_type in _STATUS_TYPES), None)
    if status is None:
        return None
    blocks = list(_blocks(status.body))
    chosen = next((block for block in blocks if "failed" in block.plain("action").lower()), None)
    chosen = chosen or next((block for block in blocks if block.raw("final-recipient") or block.raw("action")), None)
    if chosen is None:
        return None
    code = re.search(r"\b[245]\.\d{1,3}\.\d{1,3}\b", chosen.plain("status"))
    return Dsn(
        recipient=_typed(chosen, "final-recipient") or _typed(chosen, "original-recipient"),
        action=chosen.plain("action").lower().split(" ")[0] or None,
        status=code[0] if code else None,
        diagnostic=_typed(chosen, "diagnostic-code"),
        original_message_id=_original_id(root, blocks),
    )


_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_ORIGINALS = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "text/rfc822-header"}
)


def _walk(root: Part) -> Iterator[Part]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(part.children))


def _blocks(body: bytes) -> Iterator[Headers]:
    position = 0
    while position < len(body):
        headers, following = split_headers(body, position, len(body), [])
        if headers.fields:
            yield headers
        position = max(following, position + 1)


def _typed(block: Headers, name: str) -> str | None:
    """Return the value behind its type (`rfc822; a@b`). RFC 3464 section 2.1.2."""
    kind, semicolon, value = block.plain(name).partition(";")
    return (value if semicolon else kind).strip().strip("<>") or None


def _original_id(root: Part, blocks: list[Headers]) -> str | None:
    for part in _walk(root):
        if part.content_type in _ORIGINALS:
            inner, _ = split_headers(part.raw, part.start, part.stop, [])
            found = _ID.search(unfold(inner.raw("message-id")))
            if found:
                return found[1]
    for block in blocks:
        found = _ID.search(block.plain("x-original-message-id") or block.plain("original-envelope-id"))
        if found:
            return found[1]
    return None
