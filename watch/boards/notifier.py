"""Mail that leaves."""

from watch.panels import RATE, Board, Panel, Query, consuming, one, process, quantiles

NOTIFIER = Board(
    "notifier",
    "Notifier",
    "Replies, notifications, webhooks and what became of them. Runbooks: deliveries, webhooks, outbox.",
    [
        (
            "Mail",
            [
                one(
                    "Attempts",
                    "By kind and outcome.",
                    "ops",
                    f"sum by (kind, outcome) (rate(postroom_deliveries_total{RATE}))",
                    "{{kind}} {{outcome}}",
                ),
                one("Due", "Deliveries that are due and not done.", "short", "max(postroom_deliveries_undone)"),
                one(
                    "Oldest due",
                    "How long the oldest has waited.",
                    "s",
                    "max(postroom_delivery_oldest_due_seconds)",
                    bad_from=120,
                ),
                Panel(
                    "Due to accepted",
                    "By kind; the 99th percentile is promised to stay under 60 s.",
                    "s",
                    quantiles("postroom_handoff_seconds", "kind"),
                    bad_from=60,
                ),
                Panel(
                    "One send",
                    "From taking a connection to the server's answer, by outcome.",
                    "s",
                    quantiles("postroom_send_seconds", "outcome"),
                ),
                one(
                    "In flight",
                    "Mails that are being sent or marked; at most POSTROOM_SMTP_SENDS.",
                    "short",
                    "sum by (instance) (postroom_sends_in_flight)",
                    "{{instance}}",
                ),
                one(
                    "Servers that take nothing",
                    "Accounts whose server does not take connections.",
                    "short",
                    "max(postroom_smtp_accounts_waiting)",
                    bad_from=1,
                ),
                one(
                    "Accounts refused",
                    "1 while the log-in is refused or the signing key is missing.",
                    "short",
                    "max by (account) (postroom_smtp_account_refused)",
                    "{{account}}",
                    bad_from=1,
                ),
                one(
                    "Skipped",
                    "Deliveries that were not to leave, a minute, by reason.",
                    "short",
                    f"sum by (reason) (rate(postroom_deliveries_skipped_total{RATE})) * 60",
                    "{{reason}}",
                ),
                one(
                    "Results untold",
                    "Results that are not yet events.",
                    "short",
                    "max(postroom_delivery_results_pending)",
                    width=12,
                ),
                one(
                    "Results untold since",
                    "The oldest of them.",
                    "s",
                    "max(postroom_delivery_results_oldest_seconds)",
                    width=12,
                    bad_from=60,
                ),
            ],
        ),
        (
            "Webhooks",
            [
                one(
                    "Webhook attempts",
                    "By outcome: delivered, to be tried again, given up.",
                    "ops",
                    f"sum by (outcome) (rate(postroom_webhooks_total{RATE}))",
                    "{{outcome}}",
                ),
                Panel(
                    "Event to receiver",
                    "From an event's being due until it was taken, at the first attempt.",
                    "s",
                    quantiles("postroom_webhook_handoff_seconds"),
                ),
                Panel(
                    "One request",
                    "Until the receiver's answer, by whether it took the event. At most 15 s.",
                    "s",
                    quantiles("postroom_webhook_seconds", "outcome"),
                ),
                one(
                    "Webhooks undone",
                    "Neither delivered nor given up.",
                    "short",
                    "max(postroom_webhooks_undone)",
                    width=6,
                ),
                Panel(
                    "Oldest webhook due",
                    "How long the oldest has waited; ours: to receivers that take what they get within a second.",
                    "s",
                    [
                        Query("max(postroom_webhook_oldest_due_seconds)", "all"),
                        Query("max(postroom_webhook_ours_oldest_due_seconds)", "ours"),
                    ],
                    width=6,
                    bad_from=300,
                ),
                one(
                    "Subscriptions",
                    "By how their receivers do. A disabled one took nothing for five days.",
                    "short",
                    "max by (state) (postroom_webhook_subscriptions)",
                    "{{state}}",
                    width=6,
                ),
                one(
                    "Webhook dead letters",
                    "Given up; they can be tried anew for 30 days.",
                    "short",
                    "max(postroom_webhook_dead_letters)",
                    width=6,
                ),
            ],
        ),
        consuming("notifier|webhooks"),
        process("notifier"),
    ],
)
