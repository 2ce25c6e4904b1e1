"""Technical series of the notifier, declared once."""

from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from postroom_notifier.domain.delivery import DeliveryKind

DELIVERIES = Counter("postroom_deliveries", "Attempts by what became of them.", ["kind", "outcome"])
"""outcome: accepted, failed, again, put_back, skipped, skipped_too_old."""
SKIPPED = Counter("postroom_deliveries_skipped", "Deliveries that were not to leave, by reason.", ["kind", "reason"])
"""reason: automatic (a machine wrote what it answers), loop_limit, receiver_limit, undeliverable."""
TOO_OLD = Counter(
    "postroom_deliveries_skipped_too_old",
    "Deliveries whose cause was too old when it was read; alert on any.",
    ["kind"],
)
for _kind in get_args(DeliveryKind):  # a counter that begins with its first event shows no increase
    TOO_OLD.labels(_kind)
    DELIVERIES.labels(_kind, "failed")
    for _reason in ("automatic", "loop_limit", "receiver_limit", "undeliverable"):
        SKIPPED.labels(_kind, _reason)
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
RESULTS = Gauge("postroom_delivery_results_pending", "Results of deliveries that are not yet told as events.")
RESULTS_SECONDS = Gauge(
    "postroom_delivery_results_oldest_seconds", "How long the oldest of these results has waited to be told."
)
REPUBLISHED = Counter("postroom_delivery_results_swept", "Results that the sweep had to report.")
ACCOUNTS_WAITING = Gauge("postroom_smtp_accounts_waiting", "Accounts whose server did not take connections.")
ACCOUNT_REFUSED = Gauge(
    "postroom_smtp_account_refused",
    "1 while the server of this account refuses its log-in or its signing key is missing; its mail waits.",
    ["account"],
)

WEBHOOKS = Counter("postroom_webhooks", "Attempts to deliver a webhook by what became of it.", ["outcome"])
"""outcome: delivered, again, dead."""
for _outcome in ("delivered", "again", "dead"):
    WEBHOOKS.labels(_outcome)
WEBHOOK_SECONDS = Histogram(
    "postroom_webhook_seconds",
    "Time of one request to a receiver.",
    ["outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
)
WEBHOOK_HANDOFF_SECONDS = Histogram(
    "postroom_webhook_handoff_seconds",
    "Time from an event's being due to a receiver until it took it, at the first attempt.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
WEBHOOKS_UNDONE = Gauge("postroom_webhooks_undone", "Webhooks that are not delivered yet and not given up.")
WEBHOOK_OLDEST_SECONDS = Gauge("postroom_webhook_oldest_due_seconds", "How long the oldest due webhook has waited.")
WEBHOOK_OURS_SECONDS = Gauge(
    "postroom_webhook_ours_oldest_due_seconds",
    "The same of receivers that take what they get within a second: what is late to them is late because of us.",
)
WEBHOOKS_DEAD = Gauge(
    "postroom_webhook_dead_letters",
    "Webhooks that were given up; they can be tried anew for 30 days (at most 10,000 are counted).",
)
WEBHOOK_SUBSCRIPTIONS = Gauge(
    "postroom_webhook_subscriptions", "Subscriptions of the configuration by how their receivers do.", ["state"]
)
"""state: ok, failing, disabled (after five days of failure), off (by the configuration)."""
WEBHOOKS_DISABLED = Counter(
    "postroom_webhook_subscriptions_disabled", "Subscriptions disabled after five days of failure."
)
