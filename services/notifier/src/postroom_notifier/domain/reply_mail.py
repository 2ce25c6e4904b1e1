"""The mail to the customer. Nothing that is ours alone may be in it: only what is named here goes out."""

import html as html_escape
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postroom_contracts.answers import internal_matter
from postroom_contracts.configuration import Configuration, Inbox

from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.headers import base_subject, mail_address, mailbox, message_ids, subject
from postroom_notifier.domain.mime import File, OutgoingMail, build

Content = Mapping[str, Any]


class CannotBeSentError(Exception):
    """This delivery can never be sent; `reason` is the code in `MessageFailed.reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Recipients:
    """Who gets it: ready header values and bare addresses, in the order given."""

    to: tuple[tuple[str, str], ...]
    cc: tuple[tuple[str, str], ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(address for _, address in (*self.to, *self.cc)))


def reply_mail(
    delivery: Delivery,
    configuration: Configuration,
    reply: Content,
    answered: Content | None,
    files: Sequence[File],
    message_id: str,
) -> OutgoingMail:
    """Return the mail of a reply. Raises CannotBeSentError: unknown inbox, nobody to send to, internal content."""
    if delivery.details.get("erased"):
        raise CannotBeSentError("content_erased")
    inbox = configuration.inbox(delivery.inbox_id or "")
    sender = mail_address(inbox.address) if inbox else None
    if inbox is None or sender is None:
        raise CannotBeSentError("unknown_inbox")
    recipients = choose_recipients(reply, answered, own_addresses(configuration))
    text, html = _with_signature(reply, inbox)
    _refuse_internal(configuration, text, html or "")
    shown = inbox.sender_name or configuration.company.name
    headers = [("From", mailbox(shown, sender)), ("To", ", ".join(mailbox(n, a) for n, a in recipients.to))]
    if recipients.cc:
        headers.append(("Cc", ", ".join(mailbox(n, a) for n, a in recipients.cc)))
    headers += [("Subject", _subject(reply, answered)), ("Message-ID", f"<{message_id}>")]
    headers += _threading(answered)
    if delivery.details.get("automatic"):
        headers.append(("Auto-Submitted", "auto-replied"))
    body = build(headers, delivery.due_at, text, html, files)
    wanted = tuple(delivery.remaining) if delivery.remaining else recipients.addresses
    return OutgoingMail(sender, wanted, body, utf8=not all(a.isascii() for a in recipients.addresses))


def file_list(reply: Content) -> list[Mapping[str, Any]]:
    """Return the attachments that go out: none of an answer by mail, whose files are the agent's own signature or worse."""
    return [] if reply.get("kind") == "answer" else list(reply.get("attachments") or [])


def choose_recipients(reply: Content, answered: Content | None, own: frozenset[str]) -> Recipients:
    """Return To and Cc: those named in the reply, else Reply-To, else From of the mail that is answered.

    Our own addresses are left out: mail to ourselves would come back as a customer's. What is no address is left out too.
    An answer by mail names nobody (its own To is our keyed address). Raises CannotBeSentError when nobody is left.
    """
    named = reply.get("kind") != "answer"
    candidates: list[Sequence[Mapping[str, Any]]] = [reply.get("to") or []] if named else []
    if answered is not None:
        candidates += [answered.get("reply_to") or [], [answered["from"]] if answered.get("from") else []]
    to = next((chosen for chosen in (_usable(c, own) for c in candidates) if chosen), ())
    if not to:
        raise CannotBeSentError("no_recipient")
    addressed = {address for _, address in to}
    cc = _usable(reply.get("cc") or [], own) if named else ()
    return Recipients(to, tuple((n, a) for n, a in cc if a not in addressed))


def _usable(addresses: Sequence[Mapping[str, Any]], own: frozenset[str]) -> tuple[tuple[str, str], ...]:
    found: dict[str, tuple[str, str]] = {}
    for item in addresses:
        address = mail_address(str(item.get("address") or ""))
        if address is not None and plain(address) not in own:
            found.setdefault(address.lower(), (str(item.get("name") or ""), address))
    return tuple(found.values())


def plain(address: str) -> str:
    """Return the address in lower case without its plus part, for comparing."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def own_addresses(configuration: Configuration) -> frozenset[str]:
    """Return every address at which we receive, in the form of `plain`."""
    ours = [a for inbox in configuration.inboxes for a in (inbox.address, *inbox.aliases)]
    ours += [a for a in (configuration.company.answer_address, configuration.notifications.sender) if a]
    return frozenset(plain(a) for a in ours)


def _subject(reply: Content, answered: Content | None) -> str:
    own = str(reply.get("subject") or "") if reply.get("kind") != "answer" else ""
    if own:
        return subject(own)
    base = base_subject(str((answered or {}).get("subject") or ""))
    return subject(f"Re: {base}") if base else "Re:"


def _threading(answered: Content | None) -> list[tuple[str, str]]:
    """Return In-Reply-To and References (RFC 5322 section 3.6.4)."""
    if answered is None:
        return []
    parent = message_ids([str(answered.get("external_id") or "")])
    line = message_ids([*map(str, answered.get("references") or answered.get("in_reply_to") or []), *parent])
    headers = [("In-Reply-To", parent[0])] if parent else []
    return headers + ([("References", " ".join(line))] if line else [])


def _with_signature(reply: Content, inbox: Inbox) -> tuple[str, str | None]:
    text = str(reply.get("text") or "").rstrip()
    html = reply.get("html") if reply.get("kind") != "answer" else None
    signature = inbox.signature.strip()
    if not signature:
        return text, html
    # "-- " is what mail clients recognise as the start of a signature (RFC 3676 section 4.3).
    text = f"{text}\n\n-- \n{signature}"
    if html is not None:
        html = f"{html}<p>-- <br>{html_escape.escape(signature).replace(chr(10), '<br>')}</p>"
    return text, html


def _refuse_internal(configuration: Configuration, *texts: str) -> None:
    """The last guard: neither marker nor link of our notifications nor a keyed address may leave the house."""
    answer_address = configuration.company.answer_address
    keyed = f"{answer_address.rpartition('@')[0]}+".lower() if answer_address else None
    for text in texts:
        if internal_matter(text) or (keyed is not None and keyed in text.lower()):
            raise CannotBeSentError("internal_content")
