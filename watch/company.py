"""The company of the house in which alerts are provoked: two mailboxes, webhooks in and out, a team that takes by hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postroom_contracts.configuration import Configuration
from postroom_local.mail import MailUser

DOMAIN = "watch.example"
PASSWORD = "loopback-only"
WEBHOOK_SECRET = "whsec_d2F0Y2gtaG91c2Utd2ViaG9vay1zZWNyZXQ="
AGENTS = ("ann", "ben", "cho")
MAILBOXES = ("support", "club")
SUBSCRIPTIONS = ("crm", "erp")
STORED_SECRETS = ("audit-now", "audit-before")
SECRET = {"env": "WATCH_WEBHOOK_SECRET"}
ALWAYS = ["00:00-24:00"]


def address(name: str) -> str:
    return f"{name}@{DOMAIN}"


MAIL_USERS = tuple(MailUser(address(name), PASSWORD) for name in MAILBOXES)


def mailbox_of(recipient: str) -> str:
    """Return the mailbox of an inbox's address. Raises KeyError for somebody else's."""
    name, _, domain = recipient.partition("@")
    if domain != DOMAIN:
        raise KeyError(recipient)
    return address({"letters": "club"}.get(name, name))


@dataclass(frozen=True, slots=True)
class Places:
    """Where the servers of the house are."""

    imap_port: int
    smtp_port: int
    club_password: Path
    hooks: str


def configuration(places: Places, *, oauth: bool = False, by_hand: bool = True) -> Configuration:
    """Return the checked configuration.

    `oauth` adds an account that nobody has connected, and asks for a signing key that is not there;
    without `by_hand` letters are given out like all else.
    """
    imap_port, smtp_port = places.imap_port, places.smtp_port
    accounts = [
        _account("support", imap_port, smtp_port, {"env": "WATCH_MAIL_PASSWORD"}),
        _account("club", imap_port, smtp_port, {"file": str(places.club_password)}),
        {"id": "shop", "channel": "webhook", "secrets": [{"env": "WATCH_WEBHOOK_SECRET"}]},
    ]
    out = {"host": "127.0.0.1", "port": smtp_port, "tls": "none"}
    gate: dict[str, Any] = {"id": "gate", "channel": "email", "door": {}, "smtp": out}
    accounts.append(gate)
    if oauth:
        gate["dkim"] = {"domain": DOMAIN, "selector": "s", "key": {"env": "WATCH_NO_SUCH_KEY"}}
        accounts.append(_unconnected(imap_port))
    return Configuration.model_validate(
        {
            "company": {"name": "Watch", "default_calendar": "always", "domain": DOMAIN},
            "calendars": [
                {
                    "id": "always",
                    "time_zone": "UTC",
                    "hours": dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), ALWAYS),
                }
            ],
            "accounts": accounts,
            "inboxes": [
                _inbox("support", "support", "care"),
                _inbox("club", "club", "care"),
                _inbox("letters", "club", "byhand"),
                _inbox("shop", "shop", "care"),
                _inbox("gate", "gate", "care"),
            ],
            "teams": [
                {"id": "care", "name": "Care", "members": AGENTS, "assignment": "least_loaded"},
                {
                    "id": "byhand",
                    "name": "By hand",
                    "members": AGENTS,
                    "assignment": "manual" if by_hand else "round_robin",
                },
            ],
            "agents": [{"id": name, "first_name": name.title(), "email": f"{name}@staff.{DOMAIN}"} for name in AGENTS],
            "notifications": {"account": "support"},
            "webhooks": [
                *({"id": name, "url": f"{places.hooks}/{name}", "secrets": [SECRET]} for name in SUBSCRIPTIONS),
                {
                    "id": "audit",
                    "url": f"{places.hooks}/audit",
                    "secrets": [{"stored": name} for name in STORED_SECRETS],
                    "events": ["content-erased"],
                },
            ],
        }
    )


def _account(name: str, imap_port: int, smtp_port: int, password: dict[str, str]) -> dict[str, Any]:
    imap = {"host": "127.0.0.1", "port": imap_port, "tls": False, "user": address(name), "password": password}
    return {
        "id": name,
        "channel": "email",
        "imap": {**imap, "poll_seconds": 5},
        "smtp": {"host": "127.0.0.1", "port": smtp_port, "tls": "none"},
    }


def _unconnected(imap_port: int) -> dict[str, Any]:
    endpoint = "https://127.0.0.1:1"
    return {
        "id": "cloud",
        "channel": "email",
        "oauth": {
            "provider": "custom",
            "client_id": "postroom",
            "token_url": f"{endpoint}/token",
            "device_url": f"{endpoint}/device",
            "scopes": ["mail"],
        },
        "imap": {"host": "127.0.0.1", "port": imap_port, "tls": False, "user": address("cloud")},
    }


def _inbox(name: str, account: str, team: str) -> dict[str, Any]:
    return {"id": name, "name": name.title(), "account": account, "address": address(name), "teams": [team]}
