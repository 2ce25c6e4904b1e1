"""The fold that makes the figures."""

from watch.panels import RATE, Board, consuming, one, process

ANALYTICS = Board(
    "analytics",
    "Analytics",
    "The fold that makes the figures. Runbook: lag. The figures themselves: Business.",
    [
        (
            "Figures",
            [
                one(
                    "Conversations counted",
                    "Opened conversations that reached the rollups, a minute.",
                    "short",
                    f'sum(rate(postroom_conversations_total{{cut="all"}}{RATE})) * 60',
                    width=12,
                ),
                one(
                    "Behind by",
                    "Age of the oldest event that is in no figure yet.",
                    "s",
                    'max(postroom_group_lag_seconds{group="analytics"})',
                    width=12,
                    bad_from=60,
                ),
            ],
        ),
        consuming("analytics"),
        process("analytics", http=True, publishes=False),
    ],
)
