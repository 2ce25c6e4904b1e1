"""The whole at one look."""

from watch.panels import RATE, Board, Panel, Query, one, quantiles, stat

HOUSE = Board(
    "house",
    "House",
    "The whole at one look: does mail flow, how far behind is whom, what waits. Begin here.",
    [
        (
            "Now",
            [
                stat(
                    "Services seen",
                    "Different services that Prometheus reaches; six are the whole.",
                    "short",
                    'count(count by (service) (postroom_build_info{service!="probe"}))',
                ),
                stat(
                    "Greatest lag",
                    "Age of the oldest uncommitted record of any group.",
                    "s",
                    "max(postroom_group_lag_seconds)",
                    60,
                ),
                stat(
                    "Outbox age",
                    "Oldest stored message that is not published.",
                    "s",
                    "max(postroom_ingest_outbox_oldest_seconds)",
                    60,
                ),
                stat(
                    "Oldest mail due",
                    "How long the oldest due mail has waited.",
                    "s",
                    "max(postroom_delivery_oldest_due_seconds)",
                    120,
                ),
                stat(
                    "Keys on hold",
                    "Conversations that stand still behind a parked record.",
                    "short",
                    "sum(max by (group) (postroom_holds))",
                    1,
                ),
                stat(
                    "Mailboxes read",
                    "Accounts that some replica follows.",
                    "short",
                    "sum(max by (account) (postroom_ingest_session_up))",
                ),
            ],
        ),
        (
            "Flow",
            [
                one(
                    "Messages taken in",
                    "By what became of them in ingest.",
                    "ops",
                    f"sum by (outcome) (rate(postroom_ingest_messages_total{RATE}))",
                    "{{outcome}}",
                ),
                one(
                    "Facts published",
                    "What happens in conversations, by type.",
                    "ops",
                    f'sum by (type) (rate(postroom_published_records_total{{topic=~".*conversation-events"}}{RATE}))',
                    "{{type}}",
                ),
                one(
                    "Mails that leave",
                    "Attempts by outcome.",
                    "ops",
                    f"sum by (outcome) (rate(postroom_deliveries_total{RATE}))",
                    "{{outcome}}",
                ),
                Panel(
                    "From taken in to routed",
                    "Until the message is in a conversation and told to all. Promised: 99.5 % within 5 s.",
                    "s",
                    quantiles("postroom_routed_seconds"),
                    bad_from=5,
                ),
                Panel(
                    "From arrival to stored",
                    "From the provider's receipt to the ledger. Promised: 99.9 % within 60 s.",
                    "s",
                    quantiles("postroom_ingest_stored_seconds"),
                    bad_from=60,
                ),
                Panel(
                    "From due to sent",
                    "Until the mail server has accepted it. Promised: 99 % within 60 s.",
                    "s",
                    quantiles("postroom_handoff_seconds"),
                    bad_from=60,
                ),
            ],
        ),
        (
            "Behind",
            [
                one(
                    "Lag by group",
                    "Age of the oldest uncommitted record, seen from outside: also of a group that nobody runs.",
                    "s",
                    "max by (group) (postroom_group_lag_seconds)",
                    "{{group}}",
                    width=12,
                    bad_from=60,
                ),
                one(
                    "Records behind by group",
                    "Uncommitted records.",
                    "short",
                    "max by (group) (postroom_group_lag_records)",
                    "{{group}}",
                    width=12,
                ),
                Panel(
                    "What waits",
                    "Stored messages that are not published, mails that are due, results that are not told, conversations without an owner.",
                    "short",
                    [
                        Query("max(postroom_ingest_outbox_messages)", "outbox of ingest"),
                        Query("max(postroom_deliveries_undone)", "mails due"),
                        Query("max(postroom_delivery_results_pending)", "results untold"),
                        Query("sum(max by (team) (postroom_unassigned_conversations))", "without an owner"),
                        Query("sum(postroom_fold_pending_records)", "decisions unpublished"),
                    ],
                ),
                Panel(
                    "Since when it waits",
                    "The age of the oldest of each.",
                    "s",
                    [
                        Query("max(postroom_ingest_outbox_oldest_seconds)", "outbox of ingest"),
                        Query("max(postroom_delivery_oldest_due_seconds)", "mails due"),
                        Query("max(postroom_delivery_results_oldest_seconds)", "results untold"),
                        Query("max(postroom_fold_pending_seconds)", "decisions unpublished"),
                        Query("max(postroom_timer_overdue_seconds)", "timers"),
                    ],
                ),
                one(
                    "Parked a minute",
                    "Records on dead-letter topics, by group.",
                    "short",
                    f'sum by (group) (rate(postroom_dead_letters_total{{reason!="held"}}{RATE})) * 60',
                    "{{group}}",
                ),
            ],
        ),
        (
            "Probe",
            [
                one(
                    "Probe time, p90",
                    "From a probe's being sent until it was stored and published, routed, seen at the desk.",
                    "s",
                    f"histogram_quantile(0.9, sum by (le, stage) (rate(postroom_probe_seconds_bucket{RATE})))",
                    "{{stage}}",
                    bad_from=60,
                ),
                one(
                    "Probes",
                    "Probes a minute by account and what became of them.",
                    "short",
                    f"sum by (account, outcome) (rate(postroom_probe_mails_total{RATE})) * 60",
                    "{{account}} {{outcome}}",
                ),
                one(
                    "Since the last one seen",
                    "How long ago the last probe that arrived was sent.",
                    "s",
                    "time() - max by (account) (postroom_probe_last_success_timestamp_seconds)",
                    "{{account}}",
                    bad_from=900,
                ),
            ],
        ),
        (
            "Promises",
            [
                one(
                    "Error budget burning, one hour",
                    "Share of bad events in the last hour over what the objective allows. 1: just used up in 30 days; 14: within two days.",
                    "short",
                    "postroom:slo_errors:ratio_rate1h / on (slo) postroom:slo_error_budget:ratio",
                    "{{slo}}",
                    width=12,
                    bad_from=14.4,
                ),
                one(
                    "MongoDB",
                    "1 while all services reach it.",
                    "short",
                    "min(postroom_mongo_up)",
                    "MongoDB",
                    width=6,
                ),
                one("Kafka", "1 while all services reach it.", "short", "min(postroom_kafka_up)", "Kafka", width=6),
            ],
        ),
    ],
)
