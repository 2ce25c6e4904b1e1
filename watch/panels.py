"""What a dashboard is made of, and the rows that many share. A panel says in a sentence what its picture means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and the name of its lines."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """`unit` is Grafana's; `bad_from`: the value from which it is red."""

    title: str
    description: str
    unit: str
    queries: Sequence[Query]
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 8
    height: int = 8
    bad_from: float | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: rows of panels under titles."""

    name: str
    title: str
    description: str
    rows: Sequence[tuple[str, Sequence[Panel]]]


def one(title: str, description: str, unit: str, expr: str, legend: str = "", **more: float) -> Panel:
    """Return a panel of one query."""
    return Panel(title, description, unit, [Query(expr, legend or title)], **more)  # type: ignore[arg-type]


def stat(title: str, description: str, unit: str, expr: str, bad_from: float | None = None) -> Panel:
    """Return a panel of one number."""
    return Panel(title, description, unit, [Query(expr, title)], "stat", 4, 4, bad_from)


def quantiles(metric: str, by: str = "", where: str = "") -> list[Query]:
    """Return the 50th, 90th and 99th percentile of a histogram; `by` names labels that keep lines apart."""
    names, legend = (f", {by}", "{{" + by + "}} ") if by else ("", "")
    return [
        Query(f"histogram_quantile(0.{q}, sum by (le{names}) (rate({metric}_bucket{where}{RATE})))", f"{legend}p{q}")
        for q in (50, 90, 99)
    ]


def consuming(groups: str) -> tuple[str, list[Panel]]:
    """Return the row that every service has which consumes. `groups` is a regular expression."""
    of = f'{{group=~"{groups}"}}'
    return (
        "Consuming",
        [
            one(
                "Lag",
                "Age of the oldest uncommitted record per partition, as its own member sees it. Rises when it is stuck.",
                "s",
                f"max by (group, topic, partition) (postroom_consumer_lag_seconds{of})",
                "{{group}} {{topic}}/{{partition}}",
            ),
            one(
                "Records waiting",
                "Uncommitted records per topic.",
                "short",
                f"sum by (group, topic) (postroom_consumer_lag_records{of})",
                "{{group}} {{topic}}",
            ),
            one(
                "Records by outcome",
                "What became of the records. Parked and held ones are for a person to look at.",
                "ops",
                f"sum by (group, outcome) (rate(postroom_records_total{of}{RATE}))",
                "{{group}} {{outcome}}",
            ),
            Panel(
                "Batch time",
                "From a batch's arrival to its commit. Long times with small batches mean a slow MongoDB or Kafka.",
                "s",
                quantiles("postroom_batch_seconds", "group", of),
            ),
            Panel(
                "Batch size",
                "Records per batch. Full batches (200) mean more work than one member does.",
                "short",
                quantiles("postroom_batch_records", "group", of),
            ),
            Panel(
                "Trouble",
                "Batches tried again, records parked, keys on hold, waiting (1), stopped (1). All lie at 0 on a good day.",
                "short",
                [
                    Query(
                        f"sum by (group, reason) (rate(postroom_retries_total{of}{RATE})) * 60",
                        "{{group}} retries a minute, {{reason}}",
                    ),
                    Query(
                        f"sum by (group, reason) (rate(postroom_dead_letters_total{of}{RATE})) * 60",
                        "{{group}} parked a minute, {{reason}}",
                    ),
                    Query(f"max by (group) (postroom_holds{of})", "{{group}} held"),
                    Query(f"max by (group) (postroom_consumer_waiting{of})", "{{group}} waiting"),
                    Query(f"max by (group) (postroom_consumer_stopped{of})", "{{group}} stopped"),
                ],
            ),
        ],
    )


def process(service: str, *, http: bool = False, publishes: bool = True) -> tuple[str, list[Panel]]:
    """Return the row of the processes of a service: what they cost, how their clients fare."""
    of = f'{{service="{service}"}}'
    build = f" * on (job, instance) group_left (service) postroom_build_info{of}"
    panels = [
        one(
            "Processor",
            "Cores used by each process.",
            "short",
            f"rate(process_cpu_seconds_total{RATE}){build}",
            "{{instance}}",
            width=6,
        ),
        one("Memory", "Resident memory.", "bytes", f"process_resident_memory_bytes{build}", "{{instance}}", width=6),
        one(
            "Event loop delay",
            "How late the loop calls back on average. Above 250 ms the process is held up by its own work.",
            "s",
            f"sum by (instance) (rate(postroom_event_loop_delay_seconds_sum{of}{RATE}))"
            f" / sum by (instance) (rate(postroom_event_loop_delay_seconds_count{of}{RATE}))",
            "{{instance}}",
            width=6,
            bad_from=0.25,
        ),
        Panel(
            "MongoDB and Kafka",
            "1 while the servers answer.",
            "short",
            [
                Query(f"min by (server) (postroom_mongo_up{of})", "MongoDB {{server}}"),
                Query(f"min(postroom_mongo_writable{of})", "MongoDB takes writes"),
                Query(f"min(postroom_kafka_up{of})", "Kafka"),
            ],
            width=6,
        ),
        Panel(
            "Answer times of the servers",
            "The last heartbeat of MongoDB, the last look at Kafka's offsets.",
            "s",
            [
                Query(f"max by (server) (postroom_mongo_heartbeat_seconds{of})", "MongoDB {{server}}"),
                Query(f"max(postroom_kafka_answer_seconds{of})", "Kafka"),
            ],
            width=6,
        ),
        one(
            "MongoDB connections",
            "Open and in use. In use at 32 for long: calls wait for a connection.",
            "short",
            f"sum by (instance, state) (postroom_mongo_connections{of})",
            "{{instance}} {{state}}",
            width=6,
        ),
        one(
            "Ready",
            "1 for each condition of /readyz that is met.",
            "short",
            f"min by (instance, condition) (postroom_ready{of})",
            "{{instance}} {{condition}}",
            width=6,
        ),
    ]
    return "Processes", [*panels, *([_published(of)] if publishes else []), *(_http(service) if http else [])]


def _published(of: str) -> Panel:
    return one(
        "Published",
        "Records that Kafka acknowledged, by type.",
        "ops",
        f"sum by (type) (rate(postroom_published_records_total{RATE})"
        f" * on (job, instance) group_left () postroom_build_info{of})",
        "{{type}}",
        width=6,
    )


def _http(service: str) -> list[Panel]:
    of = f'{{service="{service}"}}'
    return [
        one(
            "Requests",
            "HTTP requests by route and status; probes and scrapes are left out.",
            "reqps",
            f"sum by (method, route, status) (rate(postroom_http_requests_total{of}{RATE}))",
            "{{method}} {{route}} {{status}}",
            width=12,
        ),
        one(
            "Request time, p99",
            "Until the answer begins.",
            "s",
            f"histogram_quantile(0.99, sum by (le, route) (rate(postroom_http_seconds_bucket{of}{RATE})))",
            "{{route}}",
            width=12,
        ),
    ]
