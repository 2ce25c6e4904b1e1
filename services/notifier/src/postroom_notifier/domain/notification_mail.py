"""The mail to an agent: what happened, the customer's text, a link, and an address to which they may simply answer."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from postroom_contracts.answers import MARKER
from postroom_contracts.configuration import Configuration, MutableKind
from postroom_contracts.ids import digest
from postroom_contracts.signed_ids import answer_key, unsubscribe_token

from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.headers import base_subject, mail_address, mailbox, one_line, subject
from postroom_notifier.domain.mime import OutgoingMail, build
from postroom_notifier.domain.reply_mail import CannotBeSentError, Content
from postroom_notifier.domain.wording import headline

MUTABLE: frozenset[str] = frozenset(get_args(MutableKind))
"""Kinds that an agent may do without; the others say that a customer does not have the agent's text."""
TEXT_CHARACTERS = 50_000
"""More of a text is not mailed: the link shows all of it."""
_WEB_ADDRESS = re.compile(r"https?://[\x21-\x3b\x3d\x3f-\x7e]{1,300}")


def notification_mail(
    delivery: Delivery,
    configuration: Configuration,
    contents: Mapping[str, Content],
    *,
    desk_url: str,
    message_id: str,
    now: datetime,
    key: bytes,
) -> OutgoingMail:
    """Return the mail. `contents` are documents by the delivery's roles; an erased one may be absent.

    `now` starts the 14 days of the answer key. Raises CannotBeSentError: unknown agent, nobody to send as.
    """
    agent = configuration.agent(delivery.receiver)
    address = mail_address(agent.email) if agent else None
    if agent is None or address is None:
        raise CannotBeSentError("unknown_agent")
    sender = _sender(delivery, configuration)
    company = configuration.company
    headers = [
        ("From", mailbox(company.name, sender)),
        ("To", mailbox(f"{agent.first_name} {agent.last_name}", address)),
        ("Subject", _subject(delivery, configuration, contents)),
        ("Message-ID", f"<{message_id}>"),
        ("References", f"<{thread_id(delivery.conversation_id, delivery.receiver, company.domain)}>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    ]
    reply_to = _answer_address(delivery, configuration, now, key)
    if reply_to is not None:
        headers.append(("Reply-To", reply_to))
    mute_url = _mute_url(delivery, desk_url, key)
    headers += _list_headers(configuration, delivery, mute_url)
    text = _text(delivery, configuration, contents, desk_url, can_answer=reply_to is not None)
    if mute_url:
        text += f"\nNo more mails of this kind: {mute_url}\n"
    body = build(headers, delivery.due_at, text)
    return OutgoingMail(sender, (address,), body, utf8=not (address.isascii() and sender.isascii()))


def thread_id(conversation_id: str, agent_id: str, domain: str) -> str:
    """Return an id that no mail has: all notifications of a conversation refer to it, so mail clients show them together."""
    return f"{digest('notification-thread', conversation_id, agent_id)}@{domain}"


def _mute_url(delivery: Delivery, desk_url: str, key: bytes) -> str | None:
    """Return the one-click address under which the desk mutes this kind for this agent; None for what cannot be muted."""
    base = desk_url.rstrip("/")
    if delivery.kind not in MUTABLE or not _WEB_ADDRESS.fullmatch(base):
        return None
    return f"{base}/u/{unsubscribe_token(delivery.receiver, delivery.kind, key)}"


def _list_headers(configuration: Configuration, delivery: Delivery, mute_url: str | None) -> list[tuple[str, str]]:
    """Return List-Id (RFC 2919) and List-Unsubscribe (RFC 2369); one-click needs https (RFC 8058 section 3.1)."""
    headers = [("List-Id", f"<{delivery.kind}.notifications.{configuration.company.domain}>")]
    if mute_url is not None:
        headers.append(("List-Unsubscribe", f"<{mute_url}>"))
        if mute_url.startswith("https://"):
            headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return headers


def _sender(delivery: Delivery, configuration: Configuration) -> str:
    inbox = configuration.inbox(delivery.inbox_id or "")
    named = (
        configuration.notifications.sender or configuration.company.answer_address or (inbox.address if inbox else "")
    )
    sender = mail_address(named)
    if sender is None:
        raise CannotBeSentError("no_sender")
    return sender


def _answer_address(delivery: Delivery, configuration: Configuration, now: datetime, key: bytes) -> str | None:
    address = mail_address(configuration.company.answer_address or "")
    if address is None:
        return None
    local, _, domain = address.rpartition("@")
    plus = answer_key(delivery.conversation_id, delivery.router_sequence, delivery.receiver, now, key)
    return f"{local}+{plus}@{domain}"


def _subject(delivery: Delivery, configuration: Configuration, contents: Mapping[str, Content]) -> str:
    """The same for all notifications of a conversation: some mail clients thread by it."""
    inbox = configuration.inbox(delivery.inbox_id or "")
    base = base_subject(str(contents.get("customer", {}).get("subject") or "")) or "(no subject)"
    return subject(f"[{one_line(inbox.name, 60)}] {base}" if inbox else base)


def _text(
    delivery: Delivery,
    configuration: Configuration,
    contents: Mapping[str, Content],
    desk_url: str,
    *,
    can_answer: bool,
) -> str:
    top = [MARKER, "What you write above that line is sent to the customer.", ""] if can_answer else []
    parts = [*top, headline(delivery, configuration), *_reported(contents.get("bounce")), ""]
    if "refused" in delivery.contents:
        parts += _section("Your text", contents.get("refused"))
    if "undelivered" in delivery.contents:
        parts += _section("Your reply", contents.get("undelivered"))
    if "note" in delivery.contents:
        parts += _section("The note", contents.get("note"))
    if "colleague" in delivery.contents:
        parts += _section("Your colleague's answer", contents.get("colleague"))
    if "customer" in delivery.contents:
        customer = contents.get("customer")
        parts += _section("The customer", customer, _from_line(customer))
    parts += [f"{desk_url.rstrip('/')}/conversations/{delivery.conversation_id}", ""]
    return "\n".join(parts)


def _reported(bounce: Content | None) -> list[str]:
    """Return which address a delivery report names; it is what a stranger's server wrote."""
    recipient = ((bounce or {}).get("bounce") or {}).get("recipient")
    return [f"The report names: {one_line(str(recipient), 254)}."] if recipient else []


def _section(title: str, content: Content | None, *lines: str) -> list[str]:
    text = str((content or {}).get("text") or "").strip() if content is not None else "(erased)"
    if len(text) > TEXT_CHARACTERS:
        text = text[:TEXT_CHARACTERS] + "\n[...]"
    return [f"--- {title} ---", *(line for line in lines if line), text, ""]


def _from_line(customer: Mapping[str, Any] | None) -> str:
    sender = (customer or {}).get("from") or {}
    name, address = one_line(str(sender.get("name") or ""), 100), one_line(str(sender.get("address") or ""), 254)
    return f"From: {name} <{address}>" if name else f"From: {address}" if address else ""
