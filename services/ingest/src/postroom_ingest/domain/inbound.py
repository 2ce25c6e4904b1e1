"""From a raw message to what is stored and published: pure.

One raw mail makes one ledger entry, one content document and one inbound record per inbox addressed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from postroom_contracts import ids
from postroom_contracts.answers import MARKER, internal_matter
from postroom_contracts.configuration import Configuration, Inbox, MailAccount
from postroom_contracts.events import Event, new_event
from postroom_contracts.inbound import Authentication, InboundReceived
from postroom_contracts.registry import source_of
from postroom_contracts.signed_ids import looks_like_answer_key
from postroom_contracts.thread_keys import normalised_address, plus_part, without_plus
from postroom_contracts.values import Address, Attachment, Channel, ContentReference, MessageKind

from postroom_ingest.domain.envelope import Envelope, forwarding_addresses
from postroom_ingest.domain.fitting import fitted, text_of_record
from postroom_ingest.domain.mail import ParsedMail, dmarc_result, parse_mail
from postroom_ingest.domain.mail import model as mail_model
from postroom_ingest.domain.mail.addresses import Address as MailAddress
from postroom_ingest.domain.mail.bounced import original_references
from postroom_ingest.domain.mail.reply_text import above_marker, visible_reply
from postroom_ingest.domain.mail.safe_html import sanitise_html
from postroom_ingest.domain.probes import is_probe
from postroom_ingest.domain.senders import author_of, sender_of

SOURCE = source_of("ingest")
MAX_ADDRESSES = 100
"""Recipients that a record carries; all of them stand in the raw mail."""
MAX_REFERENCES = 50
"""As in `parse_mail`; the newest count."""
UNKNOWN_SENDER = "unknown@invalid"
"""Stands where a mail names nobody: RFC 6761 keeps `invalid` for that."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What one raw message becomes. Everything in `documents` and `blobs` is stored before a record is published."""

    ledger_id: str
    key: str
    """Of the records: account and sender, normalised."""
    events: list[Event] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    ignored: str | None = None
    """Why nothing is published, if so."""
    quarantined: str | None = None
    """Why its text is a note of ours over the raw mail, if so."""


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def ledger_scope(configuration: Configuration, account: MailAccount, envelope: Envelope | None) -> str:
    """Return within what the same mail is one mail: the account, at the door the inbox, or everything (`company.copies`).

    At the door the envelope says for whom a mail is, and the same mail may come once for each inbox.
    """
    if configuration.company.copies == "first_inbox":
        return "*"
    return f"{account.id}/{envelope.inbox.id}" if envelope and envelope.inbox else account.id


def ledger_id(account_id: str, external_id: str | None, content_sha256: str) -> str:
    """Return the id under which a message of an account is known: the same mail delivered twice has the same."""
    return ids.digest("ledger", account_id, external_id or "", content_sha256)


def partition_key(account_id: str, sender: str) -> str:
    return f"{account_id}|{normalised_address(sender)}"


def inboxes_of(configuration: Configuration, account_id: str, recipients: Sequence[str]) -> list[Inbox]:
    """Return the inboxes of the account that are addressed; the account's first one when none is.

    An account that serves no inbox (one for agents' answers alone) gives its mail to the first inbox of all.
    """
    own = [inbox for inbox in configuration.inboxes if inbox.account == account_id]
    addressed = {without_plus(recipient) for recipient in recipients}
    found = [i for i in own if addressed & {without_plus(a) for a in (i.address, *i.aliases)}]
    return found or own[:1] or list(configuration.inboxes[:1])


def _is_answer(configuration: Configuration, recipients: Sequence[str]) -> bool:
    """Say whether the mail went to the answer address with something that has the form of a key."""
    answer = configuration.company.answer_address
    if not answer:
        return False
    wanted = without_plus(answer)
    return any(without_plus(r) == wanted and looks_like_answer_key(plus_part(r) or "") for r in recipients)


def _kind(mail: ParsedMail) -> MessageKind:
    if mail.dsn is not None or mail.auto == "bounce":
        return "bounce"
    return "auto_reply" if mail.auto in ("auto-reply", "auto-generated") else "message"


def _address(found: MailAddress | None) -> Address:
    return Address(address=found.email, name=found.name) if found else Address(address=UNKNOWN_SENDER)


def _addresses(found: Sequence[MailAddress]) -> list[Address]:
    return [_address(a) for a in found[:MAX_ADDRESSES]]


def _attachments(mail: ParsedMail, ledger: str) -> tuple[list[Attachment], dict[str, bytes]]:
    made: list[Attachment] = []
    blobs: dict[str, bytes] = {}
    for n, part in enumerate(mail.attachments):
        blob_id = ids.content_id(ledger, f"attachment-{n}")
        blobs[blob_id] = part.content
        made.append(_attachment(part, blob_id))
    return made, blobs


def _attachment(part: mail_model.Attachment, blob_id: str) -> Attachment:
    return Attachment(
        filename=part.filename,
        content_type=part.content_type,
        body_bytes=part.size_bytes,
        sha256=part.sha256,
        blob_id=blob_id,
        content_id=part.content_id,
        inline=part.disposition == "inline",
    )


def answer_text(text: str) -> tuple[str, str | None]:
    """Return what an agent newly wrote in an answer by mail, and why it cannot be used, if so.

    Everything above the marker line is taken where the marker is found; else what the splitter calls visible. A text
    that still holds the marker, a link to a conversation or a keyed address is refused: internal matter would leave the house.
    """
    above = above_marker(text, MARKER)
    reply = visible_reply(text if above is None else above)
    own = reply.visible.strip()
    if above is not None and not own:
        own = above.strip() if not reply.only_quoted else ""
    elif reply.only_quoted:
        own = ""
    if not own:
        return "", "empty"
    return own, internal_matter(own)


def mail_intake(
    mail: ParsedMail,
    raw: bytes,
    *,
    account: MailAccount,
    configuration: Configuration,
    received_at: datetime | None,
    now: datetime,
    imported: bool = False,
    envelope: Envelope | None = None,
    probe_keys: Sequence[bytes] = (),
) -> Intake:
    """Return what a mail becomes. `received_at` is the server's INTERNALDATE; later than `now` it counts as now.

    `probe_keys`: signing keys, by which probes of ours are known.

    `envelope` is given by the door alone: it decides the inbox, which headers else do.
    """
    probe = is_probe(mail, raw, now, probe_keys)
    imported = imported or probe
    mail = fitted(mail)
    ledger = ledger_id(ledger_scope(configuration, account, envelope), mail.message_id, mail.content_sha256)
    named = [*mail.delivered_to, *forwarding_addresses(mail.x_original_to), *(a.email for a in (*mail.to, *mail.cc))]
    recipients = [*(envelope.recipients if envelope else ()), *named]
    answered = not imported and _is_answer(configuration, recipients)  # an old answer must not be sent once more
    proof = Authentication(
        dmarc=dmarc_result(mail, account.trusted_authserv_ids) or "none", internal_account=account.internal
    )
    original = None if answered else author_of(mail, configuration, proof)
    forwarder = sender_of(mail)
    sender = original or forwarder
    attachments, blobs = _attachments(mail, ledger)
    raw_id = ids.content_id(ledger, "raw")
    text, truncated = text_of_record(mail.text)
    common: dict[str, Any] = {
        "ledger_id": ledger,
        "account_id": account.id,
        "channel": Channel.EMAIL,
        "message_kind": _kind(mail),
        "automatic": mail.auto,
        "imported": imported,
        "probe": probe,
        "external_id": mail.message_id,
        "in_reply_to": [mail.in_reply_to] if mail.in_reply_to else [],
        "references": _references(mail),
        "sender": _address(sender),
        "forwarded_by": _address(forwarder) if original else None,
        "reply_to": [] if original else _addresses(mail.reply_to),
        "to": _addresses(mail.to),
        "cc": _addresses(mail.cc),
        "envelope_recipients": list(dict.fromkeys(recipients))[:MAX_ADDRESSES],
        "subject": mail.subject[:2000],
        "text": text,
        "text_truncated": truncated,
        "body_bytes": len(raw),
        "attachments": attachments,
        "authentication": Authentication() if original else proof,
        "received_at": min(received_at or now, now),
        "ingested_at": now,
        **_delivery_report(mail),
    }
    intake = Intake(ledger, partition_key(account.id, sender.email if sender else ""), blobs={raw_id: raw, **blobs})
    content = _content(mail, text_sha256(mail.text), attachments, raw_id, common)
    addressed = [envelope.inbox] if envelope and envelope.inbox else inboxes_of(configuration, account.id, recipients)
    alone = configuration.company.copies == "first_inbox"
    for inbox in addressed[:1] if alone else addressed:
        message = ids.message_id(ledger, "*" if alone else inbox.id)
        _add_record(intake, inbox, message, common, content, answered, now)
    return intake


def _references(mail: ParsedMail) -> list[str]:
    """Return what the mail refers to; of a bounce also what the mail referred to that is attached to it."""
    more = original_references(mail) if _kind(mail) == "bounce" else ()
    return list(dict.fromkeys([*more, *mail.references]))[-MAX_REFERENCES:]


def _add_record(
    intake: Intake,
    inbox: Inbox,
    message: str,
    common: dict[str, Any],
    content: dict[str, Any],
    answered: bool,
    now: datetime,
) -> None:
    document = {**content, "_id": ids.content_id(message), "inbox_id": inbox.id}
    extra: dict[str, Any] = {}
    intake.documents.append(document)
    if answered:
        own, problem = answer_text(content["text"])
        answer = {
            "_id": ids.content_id(message, "answer"),
            "kind": "answer",
            "inbox_id": inbox.id,
            "text": own,
            "sha256": text_sha256(own),
        }
        intake.documents.append(answer)
        extra = {
            "answer": ContentReference(content_id=answer["_id"], sha256=answer["sha256"]),
            "answer_problem": problem,
        }
    record = InboundReceived(
        message_id=message,
        inbox_id=inbox.id,
        source_of_contact=inbox.source_of_contact or inbox.id,
        content=ContentReference(content_id=document["_id"], sha256=content["sha256"]),
        **common,
        **extra,
    )
    intake.events.append(new_event(record, source=SOURCE, cause_id=message, subject=inbox.id, time=now, key=intake.key))


def _content(
    mail: ParsedMail, sha256: str, attachments: Sequence[Attachment], raw_id: str, common: dict[str, Any]
) -> dict[str, Any]:
    """Return the content document of docs/architecture/pipeline.md, without its id.

    Its HTML is safe already, so that whoever shows it has bounded work. Only a reply is split: a first mail is all newly
    written (None), and splitting costs ten times the parsing.
    """
    return {
        "kind": "message",
        "text": mail.text,
        "html": sanitise_html(mail.html) if mail.html is not None else None,
        "reply_text": visible_reply(mail.text).visible if mail.in_reply_to or mail.references else None,
        "sha256": sha256,
        "subject": mail.subject[:2000],
        "from": common["sender"].model_dump(),
        "forwarded_by": common["forwarded_by"].model_dump() if common["forwarded_by"] else None,
        "reply_to": [a.model_dump() for a in common["reply_to"]],
        "to": [a.model_dump() for a in common["to"]],
        "cc": [a.model_dump() for a in common["cc"]],
        "external_id": mail.message_id,
        "in_reply_to": common["in_reply_to"],
        "references": common["references"],
        "attachments": [a.model_dump() for a in attachments],
        "raw_blob_id": raw_id,
        "received_at": common["received_at"],
        "warnings": list(mail.warnings)[:50],
        **({"bounce": {"recipient": mail.dsn.recipient, "status": mail.dsn.status}} if mail.dsn else {}),
    }


def _delivery_report(mail: ParsedMail) -> dict[str, Any]:
    """Return what a bounce says of our message (RFC 3464); where it names no id, its references may."""
    if _kind(mail) != "bounce":
        return {}
    dsn = mail.dsn
    about = (
        (dsn.original_message_id if dsn else None)
        or mail.in_reply_to
        or (mail.references[-1] if mail.references else None)
    )
    actions = {"failed": "failed", "delayed": "delayed", "delivered": "delivered"}
    return {
        "delivery_status": actions.get((dsn.action or "failed").lower() if dsn else "failed", "failed"),
        "delivery_status_code": dsn.status if dsn else None,
        "about_external_id": about,
    }


def note_intake(
    raw: bytes,
    note: str,
    head: ParsedMail,
    *,
    account: MailAccount,
    configuration: Configuration,
    received_at: datetime | None,
    now: datetime,
    imported: bool = False,
    envelope: Envelope | None = None,
) -> Intake:
    """Return what a mail becomes that is too large to be read: its headers, a note in place of the text, the raw part."""
    whole = hashlib.sha256(raw).hexdigest()  # of mails whose head is not read either, else all would be one
    noted = replace(
        head, text=note, html=None, attachments=(), content_sha256=text_sha256(note + head.content_sha256 + whole)
    )
    return mail_intake(
        noted,
        raw,
        account=account,
        configuration=configuration,
        received_at=received_at,
        now=now,
        imported=imported,
        envelope=envelope,
    )


def unreadable_intake(
    raw: bytes,
    error: Exception,
    *,
    account: MailAccount,
    configuration: Configuration,
    received_at: datetime | None,
    now: datetime,
    imported: bool = False,
    envelope: Envelope | None = None,
) -> Intake:
    """Return what a mail becomes on which our own code raised `error`: kept whole under a note, and marked as quarantined."""
    noted = note_intake(
        raw,
        "[This mail could not be read. It is kept as it came, as the original mail.]",
        parse_mail(b""),
        account=account,
        configuration=configuration,
        received_at=received_at,
        now=now,
        imported=imported,
        envelope=envelope,
    )
    return replace(noted, quarantined=type(error).__name__)
