"""Mail accounts, doors and the ledger."""

from watch.panels import RATE, Board, Panel, Query, consuming, one, process, quantiles

INGEST = Board(
    "ingest",
    "Ingest",
    "Mail accounts, doors and the ledger. Runbooks: mail-account, unaccounted, outbox.",
    [
        (
            "Accounts",
            [
                one(
                    "Messages",
                    "By account and outcome.",
                    "ops",
                    f"sum by (account, outcome) (rate(postroom_ingest_messages_total{RATE}))",
                    "{{account}} {{outcome}}",
                ),
                Panel(
                    "Arrival to stored",
                    "From the provider's receipt to the ledger, by account.",
                    "s",
                    quantiles("postroom_ingest_stored_seconds", "account"),
                    bad_from=60,
                ),
                one(
                    "Since the last look",
                    "How long ago each mailbox was last read to its end. Rises with the IDLE of a quiet account, up to its poll_seconds.",
                    "s",
                    "time() - max by (account) (postroom_ingest_last_success_timestamp_seconds)",
                    "{{account}}",
                    bad_from=900,
                ),
                one(
                    "Sessions",
                    "1 while some replica follows the mailbox.",
                    "short",
                    "max by (account) (postroom_ingest_session_up)",
                    "{{account}}",
                ),
                one(
                    "Log-in refused",
                    "1 while the server refuses the credentials.",
                    "short",
                    "max by (account) (postroom_ingest_login_failed)",
                    "{{account}}",
                    bad_from=1,
                ),
                one(
                    "Accounts held",
                    "By replica; together all that are configured.",
                    "short",
                    "sum by (instance) (postroom_ingest_accounts_held)",
                    "{{instance}}",
                ),
            ],
        ),
        (
            "Ledger",
            [
                Panel(
                    "Ledger difference",
                    "On the server and still unknown; found by the reconciliation and taken in (per hour); known and removed by somebody else.",
                    "short",
                    [
                        Query("max by (account) (postroom_ingest_unaccounted_messages)", "{{account}} unknown"),
                        Query(
                            f"sum by (account) (rate(postroom_ingest_recovered_messages_total{RATE})) * 3600",
                            "{{account}} taken in late",
                        ),
                        Query("max by (account) (postroom_ingest_gone_messages)", "{{account}} gone"),
                    ],
                ),
                one(
                    "Outbox",
                    "Stored messages that are not published, imported history too.",
                    "short",
                    "max(postroom_ingest_outbox_messages)",
                ),
                one(
                    "Outbox age",
                    "Since when the oldest of them waits, history left out.",
                    "s",
                    "max(postroom_ingest_outbox_oldest_seconds)",
                    bad_from=60,
                ),
            ],
        ),
        (
            "Doors",
            [
                one(
                    "Webhooks",
                    "By account and answer.",
                    "reqps",
                    f"sum by (account, outcome) (rate(postroom_ingest_webhooks_total{RATE}))",
                    "{{account}} {{outcome}}",
                ),
                one(
                    "Mail door",
                    "Connections at the SMTP and LMTP door.",
                    "short",
                    "sum by (instance) (postroom_ingest_door_connections)",
                    "{{instance}}",
                ),
                one(
                    "Mail door, bytes",
                    "Bytes of mails that it is reading or storing.",
                    "bytes",
                    "sum by (instance) (postroom_ingest_door_in_flight_bytes)",
                    "{{instance}}",
                ),
            ],
        ),
        consuming("ingest"),
        process("ingest", http=True),
    ],
)
