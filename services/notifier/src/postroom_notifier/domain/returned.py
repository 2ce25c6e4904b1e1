"""What a failure says of an address, and who is told of it. Source of the codes: RFC 3463 section 3, RFC 5321 section 4.2."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from postroom_contracts.configuration import Configuration
from postroom_contracts.ids import derived_id

from postroom_notifier.domain.delivery import Delivery, RefusedAddress

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_NOT_THE_ADDRESS = re.compile(r"5\.1\.[78]|5\.2\.3|5\.3\.4|5\.[67]\.\d{1,3}")
"""Permanent, but about our sender, the size, the content or a policy."""
_BASIC = frozenset({"521", "550", "551", "553", "556"})
"""At RCPT and without an enhanced code: no such mailbox, or a host that takes no mail (RFC 7504)."""
SILENT = frozenset({"content_erased"})
"""Failures that nobody is told of: the person was erased, so there is nothing to be done."""


def address_is_bad(code: str | None) -> bool:
    """Say whether a status code says that the address itself cannot be reached for good: 5.x.x alone, and not all of them."""
    if code is None:
        return False
    if _ENHANCED.fullmatch(code):
        return code.startswith("5.") and not _NOT_THE_ADDRESS.fullmatch(code)
    return code in _BASIC


def whom_it_is_about(recipients: Sequence[str], reported: str | None) -> str | None:
    """Return which of a mail's recipients a bounce speaks of; None when that cannot be told.

    A bounce may name an address behind ours (a forwarded one): that says which it is only if there was just one.
    A recipient that the mail did not have is never believed: a bounce can be forged.
    """
    wanted = (reported or "").strip().lower()
    found = next((r for r in recipients if r.lower() == wanted), None)
    return found or (recipients[0] if len(recipients) == 1 else None)


def undelivered(
    about: Delivery, configuration: Configuration, account_id: str | None, now: datetime, **details: Any
) -> Delivery | None:
    """Return the notification to the author of a reply that did not get through; None when there is nobody to tell.

    `details`: `reason` and `code`. The same failure gives the same id.
    """
    author = configuration.agent(about.details.get("author"))
    if not about.is_reply or author is None or not author.enabled or details.get("reason") in SILENT:
        return None
    return Delivery(
        id=derived_id("delivery", about.id, "undelivered", author.id),
        kind="undelivered",
        receiver=author.id,
        conversation_id=about.conversation_id,
        order_key=f"{author.id}/{about.conversation_id}",
        number=about.number,
        due_at=now,
        next_at=now,
        cause_id=about.cause_id,
        cause_at=about.cause_at,
        correlation_id=about.correlation_id,
        traceparent=about.traceparent,
        message_id=about.message_id,
        inbox_id=about.inbox_id,
        account_id=account_id,
        team_id=about.team_id,
        configuration_version=about.configuration_version,
        router_sequence=about.router_sequence,
        contents=undelivered_contents(about.contents),
        details=details,
        refused=about.refused,
    )


def undelivered_contents(contents: Mapping[str, str]) -> dict[str, str]:
    """Return the roles of the notification: the reply that failed, and the message that it answers."""
    roles = {"reply": "undelivered", "answers": "customer"}
    return {roles[role]: content for role, content in contents.items() if role in roles}


def with_refused(known: Sequence[RefusedAddress] | None, more: Sequence[RefusedAddress]) -> list[RefusedAddress] | None:
    """Return all recipients refused for good so far, each once; None for none."""
    found = {r.address: r for r in (*(known or ()), *more)}
    return list(found.values()) or None
