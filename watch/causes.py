"""Alerts on causes: what is wrong, whether or not an objective suffers yet.

A gauge that every replica shows alike (it is counted in MongoDB, or seen from outside) is taken by `max`, one that each
shows of itself keeps its labels where they say where to look.
"""

from watch.model import Alert

SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")
_PROBE = 'postroom_build_info{service="probe"}'
_MISSING = " or ".join(
    [
        *(f'absent(postroom_build_info{{service="{name}"}})' for name in SERVICES),
        # Not every house has a probe: it is missed where there was one an hour ago.
        f"(max by (service) (max_over_time({_PROBE}[1h])) unless max by (service) ({_PROBE}))",
    ]
)

PROCESSES = (
    Alert(
        "PostroomServiceMissing",
        _MISSING,
        "page",
        "service",
        "No process of {{ $labels.service }} is seen",
        "Prometheus reaches none of its /metrics: what it does stands still, or nobody sees whether it does.",
        "2m",
    ),
    Alert(
        "PostroomServiceNotStarted",
        # Over some minutes: a process that ends and is started again is not seen all the time.
        'max by (service) (max_over_time(postroom_ready{condition="started"}[5m])) == 0',
        "page",
        "service",
        "No process of {{ $labels.service }} gets through its start",
        "It waits for Kafka, MongoDB, topics or configuration, or ends and begins again: what it does stands still.",
        "3m",
    ),
    Alert(
        "PostroomServiceNotReady",
        'min by (service, instance, condition) (postroom_ready{condition!~"started|not_draining"}) == 0',
        "page",
        "service",
        "{{ $labels.service }} at {{ $labels.instance }} is not ready: {{ $labels.condition }}",
        "A condition of /readyz is not met.",
        "2m",
    ),
    Alert(
        "PostroomEventLoopBlocked",
        "sum by (service, instance) (rate(postroom_event_loop_delay_seconds_sum[5m]))"
        " / (sum by (service, instance) (rate(postroom_event_loop_delay_seconds_count[5m])) > 0) > 0.25",
        "ticket",
        "event-loop",
        "{{ $labels.service }} at {{ $labels.instance }} is held up by its own work",
        "Its event loop calls back {{ $value | humanizeDuration }} late on average.",
        "5m",
    ),
    Alert(
        "PostroomMongoDown",
        "min by (service) (postroom_mongo_writable) == 0",
        "page",
        "servers",
        "{{ $labels.service }} finds no MongoDB server that takes writes",
        "None answers, or those that do have no primary. Nothing is parked; all that needs it waits.",
        "1m",
    ),
    Alert(
        "PostroomMongoMemberDown",
        "min by (server) (postroom_mongo_up) == 0",
        "ticket",
        "servers",
        "MongoDB {{ $labels.server }} is not reached",
        "Its heartbeat is not answered. The other members carry on as long as they are a majority.",
        "5m",
    ),
    Alert(
        "PostroomKafkaDown",
        "min by (service) (postroom_kafka_up) == 0",
        "page",
        "servers",
        "{{ $labels.service }} does not reach Kafka",
        "Mail is taken in and kept; nothing moves on.",
        "1m",
    ),
)

UPKEEP = (
    Alert(
        "PostroomConfigurationBehind",
        "min by (instance) (postroom_configuration_version > 0) < scalar(max(postroom_configuration_version))",
        "ticket",
        "configuration",
        "{{ $labels.instance }} still uses version {{ $value }} of the configuration",
        "Others use a newer one. It cannot read the new one, or does not follow the topic.",
        "5m",
    ),
    Alert(
        "PostroomSecretsMissing",
        "max by (instance) (postroom_secrets_missing) > 0",
        "page",
        "secrets",
        "{{ $labels.instance }} lacks {{ $value }} secrets that the configuration names",
        "What needs them does not work: accounts do not log in, webhooks cannot be signed.",
        "2m",
    ),
    Alert(
        "PostroomSecretsOld",
        "max(postroom_secrets_old) > 0",
        "info",
        "secrets",
        "{{ $value }} secrets were set longer ago than POSTROOM_SECRET_REMINDER_DAYS",
        "A reminder: set them anew.",
        "10m",
    ),
)

CONSUMERS = (
    Alert(
        "PostroomConsumerLagging",
        "max by (group) (postroom_group_lag_seconds) > $age(300)",
        "page",
        "lag",
        "The group {{ $labels.group }} is behind by {{ $value | humanizeDuration }}",
        "Its oldest uncommitted record is that old, whoever runs.",
        "2m",
    ),
    Alert(
        "PostroomConsumerWaiting",
        "max by (group, instance) (postroom_consumer_waiting) == 1",
        "ticket",
        "lag",
        "{{ $labels.group }} at {{ $labels.instance }} waits for Kafka or MongoDB",
        "It probes and goes on by itself.",
        "1m",
    ),
    Alert(
        "PostroomBreakerOpen",
        "max by (group, instance) (postroom_consumer_stopped) == 1",
        "page",
        "breaker",
        "{{ $labels.group }} at {{ $labels.instance }} has stopped itself",
        "More than half of its last 50 records failed for a reason of ours.",
    ),
    Alert(
        "PostroomDeadLetters",
        'sum by (group, reason) (increase(postroom_dead_letters_total{reason!="held"}[10m])) > 0',
        "ticket",
        "dead-letters",
        "{{ $labels.group }} parked records: {{ $labels.reason }}",
        "They stand on its -dlq topic until somebody replays or discards them.",
    ),
    Alert(
        "PostroomDeadLettersExpire",
        "max by (group) (postroom_dead_letters_oldest_seconds) > $age(2160000)",
        "ticket",
        "dead-letters",
        "A dead letter of {{ $labels.group }} has waited for {{ $value | humanizeDuration }}",
        "After 30 days Kafka deletes it: replay or discard it before.",
    ),
    Alert(
        "PostroomEventGap",
        "max by (service) (postroom_event_gap_oldest_seconds) > $age(60)",
        "ticket",
        "event-gap",
        "{{ $labels.service }} has waited for an event that is missing for {{ $value | humanizeDuration }}",
        "A conversation stands still for it: what came later is kept until the missing one comes.",
    ),
    Alert(
        "PostroomKeysHeld",
        "max by (group) (postroom_holds) > 0",
        "ticket",
        "dead-letters",
        "{{ $value }} conversations stand still in {{ $labels.group }}",
        "A record of each failed for a reason of ours; later ones wait behind it.",
        "10m",
    ),
    Alert(
        "PostroomDecisionsUnpublished",
        "max by (service, instance) (postroom_fold_pending_seconds) > $age(240)",
        "page",
        "outbox",
        "{{ $labels.service }} has decided and cannot publish",
        "What follows from saved decisions has waited for {{ $value | humanizeDuration }}.",
    ),
    Alert(
        "PostroomTimersOverdue",
        "max by (service) (postroom_timer_overdue_seconds) > $age(420)",
        "ticket",
        "timers",
        "Timers of {{ $labels.service }} are late by {{ $value | humanizeDuration }}",
        "Snoozes and deadlines end late.",
        "1m",
    ),
    Alert(
        "PostroomQueueOld",
        "max by (team) (postroom_oldest_unassigned_seconds) > $age(900)",
        "info",
        "queue",
        "A conversation of team {{ $labels.team }} has waited for an owner for {{ $value | humanizeDuration }}",
        "Nobody is on duty, or all are full.",
    ),
)

MAIL_IN = (
    Alert(
        "PostroomOutboxOld",
        "max(postroom_ingest_outbox_oldest_seconds) > $age(240)",
        "page",
        "outbox",
        "Stored messages wait to be published for {{ $value | humanizeDuration }}",
        "They are safe, and nobody sees them yet.",
        "1m",
    ),
    Alert(
        "PostroomMailLoginFailed",
        "max by (account) (postroom_ingest_login_failed) == 1",
        "ticket",
        "mail-account",
        "The mail server of {{ $labels.account }} refuses our log-in",
        "Its mail waits on its server until a person acts.",
    ),
    Alert(
        "PostroomMailSessionDown",
        "max by (account) (postroom_ingest_session_up) == 0",
        "ticket",
        "mail-account",
        "The mailbox of {{ $labels.account }} is not read",
        "No replica has a session that follows it.",
        "5m",
    ),
    Alert(
        "PostroomMailAccountSilent",
        "time() - max by (account) (postroom_ingest_last_success_timestamp_seconds) > $age(900)",
        "page",
        "mail-account",
        "The mailbox of {{ $labels.account }} was last read {{ $value | humanizeDuration }} ago",
        "New mail of this account is not taken in.",
    ),
    Alert(
        "PostroomAccountsUnheld",
        "sum(postroom_ingest_accounts_held) < max(postroom_ingest_accounts)",
        "page",
        "mail-account",
        "Only {{ $value }} accounts are held by a process",
        "The mail of the others is not read, and nothing of theirs is published again.",
        "2m",
    ),
    Alert(
        "PostroomOauthGrantRefused",
        "max by (account) (postroom_oauth_grant_refused) == 1",
        "ticket",
        "mail-account",
        "The provider of {{ $labels.account }} takes its grant no more",
        "`postroom ingest connect {{ $labels.account }}` mends it.",
        "1m",
    ),
    Alert(
        "PostroomLedgerDifference",
        "max by (account) (postroom_ingest_unaccounted_messages) > 0"
        " or sum by (account) (increase(postroom_ingest_recovered_messages_total[30m])) > 0",
        "ticket",
        "unaccounted",
        "Mails of {{ $labels.account }} on the server were not in the ledger",
        "The reconciliation takes them in; that it had to is worth a look.",
    ),
    Alert(
        "PostroomMailsGone",
        "max by (account) (delta(postroom_ingest_gone_messages[30m])) > 0",
        "info",
        "unaccounted",
        "Mails of {{ $labels.account }} that we know were removed from the server by somebody else",
        "They are safe here. Somebody tidies the mailbox, or a rule of the server does.",
    ),
    Alert(
        "PostroomMailsQuarantined",
        'sum by (account) (increase(postroom_ingest_messages_total{outcome="quarantined"}[30m])) > 0',
        "ticket",
        "unaccounted",
        "Our code failed on mails of {{ $labels.account }}; they are kept whole under a note",
        "Somebody must read the original mails, and the fault wants mending.",
    ),
)

MAIL_OUT = (
    Alert(
        "PostroomDeliveriesStuck",
        "max(postroom_delivery_oldest_due_seconds) > $age(300)",
        "page",
        "deliveries",
        "A mail has been due for {{ $value | humanizeDuration }}",
        "Replies or notifications do not leave.",
        "2m",
    ),
    Alert(
        "PostroomSmtpAccountWaiting",
        "max(postroom_smtp_accounts_waiting) > 0",
        "ticket",
        "deliveries",
        "{{ $value }} mail servers do not take our mail",
        "They refuse connections or log-ins; their mail waits.",
        "5m",
    ),
    Alert(
        "PostroomDeliveriesFailing",
        'sum by (kind) (increase(postroom_deliveries_total{outcome="failed"}[15m])) > 0',
        "ticket",
        "deliveries",
        "Mails of kind {{ $labels.kind }} were refused for good",
        "The conversation shows it; an author is told.",
    ),
    Alert(
        "PostroomDeliveriesTooOld",
        "sum by (kind) (increase(postroom_deliveries_skipped_too_old_total[15m])) > 0",
        "ticket",
        "deliveries",
        "Mails of kind {{ $labels.kind }} were not sent because their cause was too old",
        "The notifier had been behind for days.",
    ),
    Alert(
        "PostroomResultsUntold",
        "max(postroom_delivery_results_oldest_seconds) > $age(240)",
        "ticket",
        "outbox",
        "Results of mails wait to be told for {{ $value | humanizeDuration }}",
        "Mails leave, and nobody learns of it.",
        "1m",
    ),
)

WEBHOOKS = (
    Alert(
        "PostroomWebhooksLate",
        "max(postroom_webhook_ours_oldest_due_seconds) > $age(300)",
        "page",
        "webhooks",
        "A webhook to a receiver that is well has been due for {{ $value | humanizeDuration }}",
        "Other systems do not learn of events, and it is not they who keep us waiting.",
        "2m",
    ),
    Alert(
        "PostroomWebhookDisabled",
        'max(postroom_webhook_subscriptions{state="disabled"}) > 0',
        "ticket",
        "webhooks",
        "{{ $value }} webhook subscriptions are disabled",
        "Their receivers took nothing for five days; nothing more is sent to them.",
    ),
)

PROBE = (
    Alert(
        "PostroomProbeFailing",
        'sum by (account) (increase(postroom_probe_mails_total{outcome!="seen"}[10m])) > 1.5',
        "page",
        "probe",
        "Probes through {{ $labels.account }} do not arrive",
        "A mail that was sent through this account was not seen at the desk, twice within ten minutes.",
    ),
    Alert(
        "PostroomProbeSilent",
        "time() - max by (account) (postroom_probe_last_success_timestamp_seconds) > $age(900)",
        "page",
        "probe",
        "No probe through {{ $labels.account }} has arrived for {{ $value | humanizeDuration }}",
        "The whole way of a mail is cut somewhere, or the probe itself hangs.",
    ),
)

GROUPS: dict[str, tuple[Alert, ...]] = {
    "postroom-processes": PROCESSES,
    "postroom-upkeep": UPKEEP,
    "postroom-consumers": CONSUMERS,
    "postroom-mail-in": MAIL_IN,
    "postroom-mail-out": MAIL_OUT,
    "postroom-webhooks": WEBHOOKS,
    "postroom-probe": PROBE,
}
