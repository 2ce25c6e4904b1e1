"""Technical series of the notifier, declared once."""

from prometheus_client import Counter, Gauge, Histogram

DELIVERIES = Counter("postroom_deliveries", "Attempts by what became of them.", ["kind", "outcome"])
"""outcome: accepted, failed, again, put_back, skipped, skipped_too_old."""
SKIPPED = Counter("postroom_deliveries_skipped", "Deliveries that were not to leave, by reason.", ["kind", "reason"])
"""reason: automatic (a machine wrote what it answers), loop_limit, receiver_limit, undeliverable."""
TOO_OLD = Counter(
    "postroom_deliveries_skipped_too_old",
    "Deliveries whose cause was too old when it was read; alert on any.",
    ["kind"],
)
UNDONE = Gauge("postroom_deliveries_undone", "Deliveries that are due and not done.")
OLDEST_SECONDS = Gauge("postroom_delivery_oldest_due_seconds", "How long the oldest due delivery has waited.")
SEND_SECONDS = Histogram(
    "postroom_send_seconds",
    "Time of one mail from taking a connection to the server's answer.",
    ["outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
HANDOFF_SECONDS = Histogram(
    "postroom_handoff_seconds",
    "Time from a delivery being due to the server's first acceptance.",
    ["kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600),
)
IN_FLIGHT = Gauge("postroom_sends_in_flight", "Mails that are being sent or marked.")
REPUBLISHED = Counter("postroom_delivery_results_swept", "Results that the sweep had to report.")
ACCOUNTS_WAITING = Gauge("postroom_smtp_accounts_waiting", "Accounts whose server did not take connections.")
ACCOUNT_REFUSED = Gauge(
    "postroom_smtp_account_refused",
    "1 while the server of this account refuses its log-in or its signing key is missing; its mail waits.",
    ["account"],
)
