"""The company's configuration, laid around the moment of the start: one team on duty, one about to be, one out of hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from postroom_demo.hours import closed_around, open_around
from postroom_demo.people import ANSWER_ADDRESS, AUTHSERV_ID, COMPANY_DOMAIN, GONE, INBOXES, PEOPLE, InboxPlan, Person

DRAINS_AFTER_SECONDS = 40
"""When, after the start, the shift of sales begins: what waited until then is seen to drain."""
SHIFT_HOURS = 8
HISTORY_TAG = "generated-history"
LISBON, TOKYO = "Europe/Lisbon", "Asia/Tokyo"


@dataclass(frozen=True, slots=True)
class MailPorts:
    """Where the demo's mail can be had, on loopback: SMTP at the mail front, IMAP at the mail server."""

    smtp: int
    imap: int


def configuration(start: datetime, mail: MailPorts, secret_files: Mapping[str, Path]) -> dict[str, Any]:
    """Return the configuration as YAML's data. `start` is aware; `secret_files` is address -> file with its password.

    At `start`, and for hours around it: workshop (Lisbon) is on duty; sales (Tokyo) is open, its people begin
    DRAINS_AFTER_SECONDS later; accounts (Lisbon) is closed, and so is its business clock.
    """
    return {
        "company": {
            "name": "Velo",
            "language": "en",
            "domain": COMPANY_DOMAIN,
            "answer_address": ANSWER_ADDRESS,
            "default_calendar": "workshop-hours",
        },
        "calendars": [
            {"id": "workshop-hours", "time_zone": LISBON, "hours": open_around(start, LISBON)},
            {"id": "sales-hours", "time_zone": TOKYO, "hours": open_around(start, TOKYO)},
            {"id": "accounts-hours", "time_zone": LISBON, "hours": closed_around(start, LISBON)},
        ],
        "accounts": [_account(f"{i.id}-mail", i.address, mail, secret_files) for i in INBOXES]
        + [_account("answers-mail", ANSWER_ADDRESS, mail, secret_files)],
        "inboxes": [_inbox(inbox) for inbox in INBOXES],
        "teams": [_team(inbox) for inbox in INBOXES],
        "agents": [_agent(person, start) for person in PEOPLE],
        "policies": [
            {
                "id": "standard",
                "first_response_seconds": 3600,
                "next_response_seconds": 7200,
                "resolution_seconds": 28800,
            },
            {"id": "urgent", "first_response_seconds": 900, "next_response_seconds": 1800},
        ],
        "tags": _tags(),
        "rules": _rules(),
        "notifications": {"account": "answers-mail"},
    }


def _account(name: str, address: str, mail: MailPorts, files: Mapping[str, Path]) -> dict[str, Any]:
    credentials = {"host": "127.0.0.1", "user": address, "password": {"file": str(files[address])}}
    return {
        "id": name,
        "channel": "email",
        "imap": {**credentials, "port": mail.imap, "tls": False, "poll_seconds": 5, "first_days": 3650},
        "smtp": {**credentials, "port": mail.smtp, "tls": "none"},
        "trusted_authserv_ids": [AUTHSERV_ID],
    }


def _inbox(inbox: InboxPlan) -> dict[str, Any]:
    return {
        "id": inbox.id,
        "name": inbox.name,
        "account": f"{inbox.id}-mail",
        "address": inbox.address,
        "teams": [inbox.team],
        "policy": "standard",
        "sender_name": f"Velo {inbox.name}",
        "signature": f"Velo {inbox.name}\nRua das Flores 12, Lisbon",
    }


def _team(inbox: InboxPlan) -> dict[str, Any]:
    assignment = "round_robin" if inbox.id == "sales" else "least_loaded"
    return {
        "id": inbox.team,
        "name": inbox.team_name,
        "members": list(inbox.members),
        "assignment": assignment,
        "calendar": f"{inbox.team}-hours",
    }


def _agent(person: Person, start: datetime) -> dict[str, Any]:
    agent: dict[str, Any] = {
        "id": person.id,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "title": person.title,
        "email": person.address,
        "languages": list(person.languages),
        "calendar": f"{next(i.team for i in INBOXES if person.id in i.members)}-hours",
    }
    if person.id in _team_of("sales"):
        begins = start + timedelta(seconds=DRAINS_AFTER_SECONDS)
        ends = start + timedelta(hours=SHIFT_HOURS)
        agent["shifts"] = [{"start_at": begins.isoformat(), "end_at": ends.isoformat()}]
    return agent


def _team_of(inbox_id: str) -> tuple[str, ...]:
    return next(inbox.members for inbox in INBOXES if inbox.id == inbox_id)


def _tags() -> list[dict[str, str]]:
    return [
        {"id": "support", "name": "Support", "color": "#0ea5e9"},
        {"id": "sales", "name": "Sales", "color": "#22c55e"},
        {"id": "billing", "name": "Billing", "color": "#a855f7"},
        {"id": "warranty", "name": "Warranty", "color": "#ef4444"},
        {"id": "gears", "name": "Gears", "color": "#64748b"},
        {"id": "order", "name": "Order", "color": "#14b8a6"},
        {"id": "with-file", "name": "With a file", "color": "#f59e0b"},
        {"id": HISTORY_TAG, "name": "Generated history", "color": "#94a3b8"},
    ]


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "id": "gears",
            "name": "Gears and brakes",
            "when": {"field": "subject", "operator": "matches", "value": _GEARS},
            "then": {"add_tags": ["gears"]},
        },
        {
            "id": "warranty",
            "name": "Warranty goes first",
            "when": {"field": "subject", "operator": "matches", "value": _WARRANTY},
            "then": {"add_tags": ["warranty"], "priority": "high", "policy": "urgent", "watchers": ["ines"]},
        },
        {
            "id": "orders",
            "name": "Questions about an order",
            "when": {
                "all": [
                    {"field": "inbox", "operator": "in", "value": ["support", "sales"]},
                    {"field": "body", "operator": "matches", "value": r"\bV-\d{5}\b"},
                ]
            },
            "then": {"add_tags": ["order"]},
        },
        {
            "id": "files",
            "name": "With an attachment",
            "when": {"field": "has_attachment", "operator": "equals", "value": True},
            "then": {"add_tags": ["with-file"]},
        },
        {
            "id": "regular-customer",
            "name": "Mira looks after this customer",
            "when": {"field": "sender", "operator": "equals", "value": GONE.address},
            "then": {"agent": "mira"},
        },
    ]


_GEARS = r"(?i)gear|brake|schaltung|bremse|vitesse|frein|cambio|freno|frenos|przerzutk|hamul"
_WARRANTY = r"(?i)warranty|garanti|garanzia|garant|gwarancj"
