"""Series of the probe: the indicator of the whole way, from a mail server to the desk."""

from prometheus_client import Counter, Gauge, Histogram

PROBES = Counter("postroom_probe_mails", "Probe mails by account and what became of them.", ["account", "outcome"])
"""outcome: seen, lost (not seen at the desk in time), not_sent (the account's server did not take it)."""
SECONDS = Histogram(
    "postroom_probe_seconds",
    "Time from a probe's being sent until it was there: stored and published, routed, seen at the desk.",
    ["account", "stage"],
    buckets=(0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300),
)
LAST_SUCCESS = Gauge(
    "postroom_probe_last_success_timestamp_seconds",
    "When the account's last probe that was seen had been sent; before, when its first one was.",
    ["account"],
)
OUTCOMES = ("seen", "lost", "not_sent")
STAGES = ("stored", "routed", "seen")
