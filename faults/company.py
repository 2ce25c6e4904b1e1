"""The company of a fault run: several inboxes over two accounts, an account for agents' answers, shifts at all hours."""

from postroom_contracts.configuration import Configuration
from postroom_local.mail import MailUser

DOMAIN = "faults.example"
ANSWERS = f"answers@{DOMAIN}"
PASSWORD_VARIABLE = "FAULTS_MAIL_PASSWORD"
PASSWORD = "loopback-only"
INBOXES = {"support": "shop", "orders": "shop", "club": "club", "returns": "club"}
AGENTS = tuple(f"agent{n}" for n in range(1, 9))
CAPACITY = 3000
"""More than all conversations of a run: nobody has to wait."""
ALWAYS = ["00:00-24:00"]


def address(name: str) -> str:
    return f"{name}@{DOMAIN}"


INBOX_ADDRESSES = tuple(address(name) for name in INBOXES)
MAILBOX_OF = {address(inbox): address(account) for inbox, account in INBOXES.items()} | {ANSWERS: ANSWERS}
"""Which mailbox an address is delivered to."""
MAIL_USERS = tuple(MailUser(box, PASSWORD) for box in dict.fromkeys(MAILBOX_OF.values()))


def mailbox_of(recipient: str) -> str | None:
    """Return the mailbox of one of the company's addresses, plus part or not; None: it is somebody else's."""
    local, _, domain = recipient.lower().rpartition("@")
    return MAILBOX_OF.get(f"{local.partition('+')[0]}@{domain}")


def configuration(imap_port: int, smtp_port: int) -> Configuration:
    """Return the checked configuration."""
    return Configuration.model_validate(
        {
            "company": {
                "name": "Fault",
                "default_calendar": "always",
                "domain": DOMAIN,
                "answer_address": ANSWERS,
            },
            "calendars": [
                {
                    "id": "always",
                    "time_zone": "UTC",
                    "hours": dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), ALWAYS),
                }
            ],
            "accounts": [_account(name, imap_port, smtp_port) for name in ("shop", "club", "answers")],
            "inboxes": [
                {
                    "id": name,
                    "name": name.capitalize(),
                    "account": account,
                    "address": address(name),
                    "teams": ["north", "south"]
                    if account == "shop"
                    else ["south"],  # refunds of the shop go to the south
                    "policy": "standard",
                    "signature": "The company",
                }
                for name, account in INBOXES.items()
            ],
            "teams": [
                {"id": "north", "name": "North", "members": AGENTS[:5], "assignment": "least_loaded"},
                {"id": "south", "name": "South", "members": AGENTS[3:], "assignment": "round_robin"},
            ],
            "agents": [
                {"id": name, "first_name": name.capitalize(), "email": address(name), "capacity": CAPACITY}
                for name in AGENTS
            ],
            # Longer than a run: whether a deadline is missed would depend on how long a killed service was away.
            "policies": [{"id": "standard", "first_response_seconds": 14400, "next_response_seconds": 28800}],
            "tags": [{"id": "refund", "name": "Refund"}],
            "rules": [
                {
                    "id": "refunds",
                    "when": {"field": "subject", "operator": "contains", "value": "refund"},
                    "then": {"add_tags": ["refund"], "priority": "high", "team": "south"},
                }
            ],
            "notifications": {"account": "answers"},
        }
    )


def _account(name: str, imap_port: int, smtp_port: int) -> dict[str, object]:
    server = {"host": "127.0.0.1", "user": address(name), "password": {"env": PASSWORD_VARIABLE}}
    return {
        "id": name,
        "channel": "email",
        "internal": name == "answers",
        "imap": {**server, "port": imap_port, "tls": False, "poll_seconds": 5},
        "smtp": {"host": "127.0.0.1", "port": smtp_port, "tls": "none"},
    }
