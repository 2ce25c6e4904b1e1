"""The mail to the customer. Nothing that is ours alone may be in it: only what is named here goes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from postroom_contracts.answers import internal_matter
from postroom_contracts.configuration import Agent, Configuration, Inbox
from postroom_contracts.rights import on_behalf
from postroom_contracts.templates import filled, variables_of

from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.forwarding import forwarded
from postroom_notifier.domain.headers import base_subject, mail_address, mailbox, message_ids, one_line, subject
from postroom_notifier.domain.history import Quotation, participants, quotation
from postroom_notifier.domain.markup import content_ids, html_of, plain_text, safe_html
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
    bcc: tuple[tuple[str, str], ...] = ()
    """In the envelope alone (RFC 5322 section 3.6.3)."""

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(address for _, address in (*self.to, *self.cc, *self.bcc)))


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
    recipients = recipients_of(delivery, configuration, reply, answered)
    author = configuration.agent(delivery.details.get("author"))
    text, html = _texts(reply, filled(inbox.signature, _values(author, configuration)).strip())
    _refuse_internal(configuration, text, html, plain_text(html))
    passed_on = bool(delivery.details.get("forward"))
    quoted: Quotation | None
    if passed_on:
        quoted = found = _passed_on(delivery, configuration, inbox, answered)
        files = _shown_inline(files, html + found.html)
    else:
        quoted = _quotation(delivery, configuration, inbox, answered, recipients)
        files = _shown_inline(files, html)
    if quoted is not None:
        text, html = f"{text}\n\n{quoted.text}", f"{html}<br>\n{quoted.html}"
    headers = [
        ("From", mailbox(sender_name(inbox, author, configuration), sender)),
        *_on_behalf(inbox, author, configuration),
        ("To", ", ".join(mailbox(n, a) for n, a in recipients.to)),
    ]
    if recipients.cc:
        headers.append(("Cc", ", ".join(mailbox(n, a) for n, a in recipients.cc)))
    headers += [
        ("Subject", _subject(reply, answered, "Fwd: " if passed_on else "Re: ")),
        ("Message-ID", f"<{message_id}>"),
    ]
    headers += [] if passed_on else _threading(answered)
    if delivery.details.get("automatic"):
        headers += [("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All")]
    body = build(headers, delivery.due_at, text, _document(html), files)
    wanted = tuple(delivery.remaining) if delivery.remaining else recipients.addresses
    return OutgoingMail(sender, wanted, body, utf8=not all(a.isascii() for a in recipients.addresses))


def _on_behalf(inbox: Inbox, author: Agent | None, configuration: Configuration) -> list[tuple[str, str]]:
    """Return who sends for the inbox, where the right is to send on its behalf only (RFC 5322 section 3.6.2).

    By the configuration that the reply was accepted with. Raises CannotBeSentError when they cannot be named.
    """
    if author is None or not on_behalf(configuration, inbox.id, author.id):
        return []
    address = mail_address(author.email)
    if address is None:
        raise CannotBeSentError("no_sender")
    return [("Sender", mailbox(f"{author.first_name} {author.last_name}", address))]


def _shown_inline(files: Sequence[File], html: str) -> list[File]:
    """Return the files; those that the HTML does not show are attachments."""
    shown = content_ids(html)
    return [replace(f, inline=f.inline and f.content_id in shown) for f in files]


def _passed_on(delivery: Delivery, configuration: Configuration, inbox: Inbox, original: Content | None) -> Quotation:
    """Return the message that is forwarded. Raises CannotBeSentError: it was erased, or holds our own tools."""
    if original is None:
        raise CannotBeSentError("content_erased")
    found = forwarded(
        original,
        language=configuration.company.language,
        time_zone=configuration.calendar_for(inbox.id, delivery.team_id).time_zone,
        sender=inbox.address,
    )
    _refuse_internal(configuration, found.text, plain_text(found.html))
    return found


def file_list(reply: Content) -> list[Mapping[str, Any]]:
    """Return the attachments that go out: none of an answer by mail, whose files are the agent's own signature or worse."""
    return [] if reply.get("kind") == "answer" else list(reply.get("attachments") or [])


def recipients_of(
    delivery: Delivery, configuration: Configuration, reply: Content, answered: Content | None
) -> Recipients:
    """Return whom this delivery goes to: at its sending, and when it comes back. Raises CannotBeSentError for nobody.

    `from_only` in its details: the Reply-To of the mail that is answered does not count.
    """
    asked = {**answered, "reply_to": []} if answered and delivery.details.get("from_only") else answered
    named_alone = bool(delivery.details.get("forward"))
    return choose_recipients(reply, None if named_alone else asked, own_addresses(configuration))


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
    cc = tuple((n, a) for n, a in cc if a not in addressed)
    addressed |= {address for _, address in cc}
    bcc = _usable(reply.get("bcc") or [], own) if named else ()
    return Recipients(to, cc, tuple((n, a) for n, a in bcc if a not in addressed))


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


def _subject(reply: Content, answered: Content | None, prefix: str) -> str:
    own = str(reply.get("subject") or "") if reply.get("kind") != "answer" else ""
    if own:
        return subject(own)
    base = base_subject(str((answered or {}).get("subject") or ""))
    return subject(f"{prefix}{base}") if base else prefix.strip()


def _threading(answered: Content | None) -> list[tuple[str, str]]:
    """Return In-Reply-To and References (RFC 5322 section 3.6.4)."""
    if answered is None:
        return []
    parent = message_ids([str(answered.get("external_id") or "")])
    line = message_ids([*map(str, answered.get("references") or answered.get("in_reply_to") or []), *parent])
    headers = [("In-Reply-To", parent[0])] if parent else []
    return headers + ([("References", " ".join(line))] if line else [])


def sender_name(inbox: Inbox, author: Agent | None, configuration: Configuration) -> str:
    """Return the name that customers see: the inbox's with its variables filled, else the company's."""
    nobody = author is None and any(name.startswith("agent.") for name in variables_of(inbox.sender_name))
    shown = "" if nobody else filled(inbox.sender_name, _values(author, configuration))
    return shown.strip() or configuration.company.name


def _values(author: Agent | None, configuration: Configuration) -> dict[str, str]:
    """Return what the variables stand for. Each is one line: a name cannot add lines to a signature."""
    values = {"company": configuration.company.name}
    if author is not None:
        values |= {f"agent.{field}": getattr(author, field) for field in ("first_name", "last_name", "title")}
    link = {"calendar_link": author.calendar_link} if author is not None else {}  # a cut one would lead nowhere
    return {name: one_line(value, 100) for name, value in values.items()} | link


def _texts(reply: Content, signature: str) -> tuple[str, str]:
    """Return the reply with its signature as text and as HTML; one is made from the other when there is only one."""
    markup = str(reply.get("html") or "") if reply.get("kind") != "answer" else ""
    clean = safe_html(markup) if markup else ""
    text = str(reply.get("text") or "").rstrip() or plain_text(clean)
    html = clean or f"<div>{html_of(text)}</div>"
    if not signature:
        return text, html
    # "-- " is what mail clients recognise as the start of a signature (RFC 3676 section 4.3).
    return f"{text}\n\n-- \n{signature}", f"{html}<br>\n<div>-- <br>\n{html_of(signature)}</div>"


def _document(html: str) -> str:
    return f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head><body>\n{html}\n</body></html>'


def _quotation(
    delivery: Delivery, configuration: Configuration, inbox: Inbox, answered: Content | None, recipients: Recipients
) -> Quotation | None:
    """Return the message that is answered, for those who have it already: a newcomer must not read what was not sent to them.

    One that holds our own tools (a customer who got a forwarded notification) is left out whole.
    """
    if answered is None or not inbox.quote_history:
        return None
    if not {address.lower() for address in recipients.addresses} <= participants(answered):
        return None
    zone = configuration.calendar_for(inbox.id, delivery.team_id).time_zone
    quoted = quotation(answered, language=configuration.company.language, time_zone=zone)
    if (
        quoted is None
        or _holds_internal(configuration, quoted.text)
        or _holds_internal(configuration, plain_text(quoted.html))
    ):
        return None
    return quoted


def _refuse_internal(configuration: Configuration, *texts: str) -> None:
    """The last guard: neither marker nor links of our notifications nor a keyed address may leave the house."""
    if any(_holds_internal(configuration, text) for text in texts):
        raise CannotBeSentError("internal_content")


def _holds_internal(configuration: Configuration, text: str) -> bool:
    answer_address = configuration.company.answer_address
    keyed = f"{answer_address.rpartition('@')[0]}+".lower() if answer_address else None
    return internal_matter(text) is not None or (keyed is not None and keyed in "".join(text.split()).lower())
