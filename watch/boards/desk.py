"""The agents' door."""

from watch.panels import Board, consuming, one, process

DESK = Board(
    "desk",
    "Desk",
    "The agents' door. Runbooks: service, lag, slo.",
    [
        (
            "Requests",
            [
                one(
                    "Errors of ours",
                    "Share of requests answered with 5xx. Promised: under 0.1 %.",
                    "percentunit",
                    'postroom:slo_errors:ratio_rate5m{slo="desk"}',
                    "errors",
                    bad_from=0.001,
                ),
                one(
                    "Live streams",
                    "Pages that follow live.",
                    "short",
                    "sum by (instance) (postroom_desk_streams)",
                    "{{instance}}",
                ),
                one(
                    "Open requests",
                    "Being answered now, live streams among them.",
                    "short",
                    'sum by (instance) (postroom_http_requests_open{service="desk"})',
                    "{{instance}}",
                ),
            ],
        ),
        consuming("desk"),
        process("desk", http=True),
    ],
)
