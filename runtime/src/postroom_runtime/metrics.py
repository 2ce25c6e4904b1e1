"""Technical series of every service, declared once. Names follow Prometheus' conventions; labels are closed sets."""

from importlib.metadata import version

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Info, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

RECORDS = Counter("postroom_records", "Records by what became of them.", ["group", "topic", "outcome"])
"""outcome: handled, ignored, parked, held."""
BATCH_SECONDS = Histogram(
    "postroom_batch_seconds",
    "Time from a batch's arrival to its commit.",
    ["group"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
BATCH_RECORDS = Histogram(
    "postroom_batch_records", "Records in a batch.", ["group"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
LAG = Gauge("postroom_consumer_lag_records", "Records not yet committed.", ["group", "topic", "partition"])
LAG_SECONDS = Gauge(
    "postroom_consumer_lag_seconds", "Age of the oldest uncommitted record.", ["group", "topic", "partition"]
)
WAITING = Gauge("postroom_consumer_waiting", "1 while the consumer waits for Kafka or MongoDB.", ["group"])
STOPPED = Gauge("postroom_consumer_stopped", "1 when too many records failed unexpectedly.", ["group"])
HOLDS = Gauge("postroom_holds", "Keys on hold behind a parked record.", ["group"])
PARKED = Counter("postroom_dead_letters", "Records parked.", ["group", "reason"])
RETRIES = Counter("postroom_retries", "Batches tried again.", ["group", "reason"])
"""reason: infrastructure, unexpected, hanging (cancelled by us)."""
SEQUENCE_AHEAD = Counter("postroom_events_ahead", "Events that came before their predecessor.", ["service"])
GAP_SECONDS = Gauge(
    "postroom_event_gap_oldest_seconds",
    "For how long an event has waited for one that must come before it and has not come; of any conversation.",
    ["service"],
)
TIMERS_OVERDUE = Gauge("postroom_timers_overdue", "Timers that are due and not yet acted on.", ["service"])
TIMER_OVERDUE_SECONDS = Gauge(
    "postroom_timer_overdue_seconds", "How long the oldest due timer has waited to be acted on.", ["service"]
)
TIMERS_FIRED = Counter("postroom_timers_fired", "Timers that became commands.", ["service", "kind"])
CONFIGURATION_VERSION = Gauge("postroom_configuration_version", "Newest configuration that this process uses.")
SECRETS_MISSING = Gauge("postroom_secrets_missing", "Stored secrets that the configuration names and nobody can read.")
SECRETS_OLD = Gauge("postroom_secrets_old", "Stored secrets in use that were set longer ago than the reminder says.")
OAUTH_EXPIRES = Gauge(
    "postroom_oauth_token_expires_timestamp_seconds",
    "When the account's access token ends; renewed before.",
    ["account"],
)
OAUTH_REFUSED = Gauge(
    "postroom_oauth_grant_refused",
    "1 while the account has no grant that its provider takes: `postroom ingest connect ACCOUNT` mends it.",
    ["account"],
)
OAUTH_REFRESHES = Counter("postroom_oauth_refreshes", "Access tokens asked for.", ["account", "outcome"])
"""outcome: renewed, refused, failed."""
PUBLISHED = Counter("postroom_published_records", "Records that Kafka has acknowledged.", ["topic", "type"])
"""type: the event's class in kebab case with its version, such as `message-received.v1`; `other` for what is none of ours."""
PUBLISH_SECONDS = Histogram(
    "postroom_publish_seconds",
    "Time from handing records to the producer to their acknowledgement.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
PUBLISH_FAILURES = Counter("postroom_publish_failures", "Publications that Kafka did not acknowledge.", ["reason"])
"""reason: infrastructure (they are sent again), permanent (too large for the topic), other."""
for _reason in ("infrastructure", "permanent", "other"):
    PUBLISH_FAILURES.labels(_reason)
FOLD_PENDING = Gauge(
    "postroom_fold_pending_records", "Records that follow from saved decisions and are not published yet.", ["service"]
)
FOLD_PENDING_SECONDS = Gauge(
    "postroom_fold_pending_seconds", "How long the oldest of these records has waited.", ["service"]
)
KAFKA_UP = Gauge("postroom_kafka_up", "1 when the last look at Kafka was answered.", ["service"])
KAFKA_ANSWER_SECONDS = Gauge(
    "postroom_kafka_answer_seconds", "How long the last answered look at Kafka took.", ["service"]
)
READY = Gauge("postroom_ready", "1 for each condition of /readyz that is met.", ["service", "condition"])
BUILD = Info("postroom_build", "Version of this program.")


def announce(service: str) -> None:
    """Set `postroom_build_info`: which release of which service this process is."""
    BUILD.info({"version": version("postroom-runtime"), "service": service})


__all__ = ["REGISTRY"]
