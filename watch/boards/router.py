"""Threads and decisions."""

from watch.panels import RATE, Board, Panel, Query, consuming, one, process, quantiles

ROUTER = Board(
    "router",
    "Router",
    "Threads and decisions. Runbooks: lag, dead-letters, timers.",
    [
        (
            "Messages",
            [
                Panel(
                    "Taken in to routed",
                    "Until the message is told to all. Promised: 99.5 % within 5 s.",
                    "s",
                    quantiles("postroom_routed_seconds"),
                    bad_from=5,
                ),
                one(
                    "Thread step",
                    "Inbound records by what became of them.",
                    "ops",
                    f"sum by (outcome) (rate(postroom_router_messages_total{RATE}))",
                    "{{outcome}}",
                ),
                one(
                    "Merges",
                    "Merges that the thread step found to be due, a minute.",
                    "short",
                    f"sum(rate(postroom_router_merges_proposed_total{RATE})) * 60",
                ),
                Panel(
                    "Decisions unpublished",
                    "Records that follow from saved decisions, and the age of the oldest in seconds.",
                    "short",
                    [
                        Query('sum(postroom_fold_pending_records{service="router"})', "records"),
                        Query('max(postroom_fold_pending_seconds{service="router"})', "seconds"),
                    ],
                ),
                one(
                    "Timers overdue",
                    "Snoozes that are over and not yet ended.",
                    "short",
                    'max(postroom_timers_overdue{service="router"})',
                ),
                one(
                    "Timers late by",
                    "The oldest of them. Held back for up to 5 minutes while the router lags.",
                    "s",
                    'max(postroom_timer_overdue_seconds{service="router"})',
                    bad_from=420,
                ),
            ],
        ),
        consuming("router-.*"),
        process("router"),
    ],
)
