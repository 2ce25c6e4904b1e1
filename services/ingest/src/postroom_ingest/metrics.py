"""Series of ingest."""

from contextlib import suppress

from postroom_runtime.metrics import OAUTH_EXPIRES, OAUTH_REFUSED
from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("postroom_ingest_messages", "Messages by what became of them.", ["account", "outcome"])
"""outcome: stored, duplicate, ignored, quarantined (kept whole under a note, because our code failed on it; alert on any)."""
SESSION = Gauge(
    "postroom_ingest_session_up", "1 while this process follows every folder of the account's mailbox.", ["account"]
)
LOGIN_FAILED = Gauge(
    "postroom_ingest_login_failed", "1 while the server refuses the account's credentials.", ["account"]
)
LAST_SUCCESS = Gauge(
    "postroom_ingest_last_success_timestamp_seconds",
    "When that folder of the account's mailbox was read to its end which was read longest ago; before, when it was taken on.",
    ["account"],
)
UNACCOUNTED = Gauge(
    "postroom_ingest_unaccounted_messages", "Mails on the server that the ledger does not know.", ["account"]
)
RECOVERED = Counter(
    "postroom_ingest_recovered_messages",
    "Mails that the reconciliation found on the server, unknown to the ledger; all that could be read were then taken in.",
    ["account"],
)
GONE = Gauge(
    "postroom_ingest_gone_messages",
    "Mails that the ledger knows and that lie on the server no more, though we neither moved nor deleted them.",
    ["account"],
)
STORED_SECONDS = Histogram(
    "postroom_ingest_stored_seconds",
    "Time from a message's arrival at its provider to its being stored here; imported history and repeats are left out.",
    ["account"],
    buckets=(0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600),
)
OUTBOX_SECONDS = Gauge(
    "postroom_ingest_outbox_oldest_seconds", "How long the oldest stored message has waited to be published."
)
OUTBOX = Gauge("postroom_ingest_outbox_messages", "Stored messages that are not yet published.")
ACCOUNTS = Gauge("postroom_ingest_accounts", "Accounts of the configuration, each to be held by one process.")
ACCOUNTS_HELD = Gauge("postroom_ingest_accounts_held", "Accounts that this process holds a lease of.")
WEBHOOKS = Counter("postroom_ingest_webhooks", "Webhook requests by answer.", ["account", "outcome"])
DOOR = Counter(
    "postroom_ingest_door_answers",
    "What the SMTP and LMTP door answered: stored, unavailable (4xx at the end of a mail), busy (a guard), unknown_recipient, "
    "too_large, turned_away (a host that may not come or too many connections), timed_out.",
    ["protocol", "outcome"],
)
DOOR_CONNECTIONS = Gauge("postroom_ingest_door_connections", "Connections at the door of this process.")
DOOR_BYTES = Gauge("postroom_ingest_door_in_flight_bytes", "Bytes of mails that the door is reading or storing.")


def forget(account_id: str) -> None:
    """Show an account no more that this process does not hold any longer: its holder shows it, or it was taken out."""
    for gauge in (SESSION, LOGIN_FAILED, LAST_SUCCESS, UNACCOUNTED, GONE, OAUTH_REFUSED, OAUTH_EXPIRES):
        with suppress(KeyError):
            gauge.remove(account_id)
