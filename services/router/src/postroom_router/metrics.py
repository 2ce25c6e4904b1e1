"""Technical series of the router. Labels come from closed sets."""

from prometheus_client import Counter, Gauge, Histogram

PLACED = Counter("postroom_router_messages", "Inbound records by what became of them in the thread step.", ["outcome"])
"""outcome: accepted, answered, refused_answer, unplaced (a status of nothing that we know: skipped)."""
MERGES = Counter("postroom_router_merges_proposed", "Merges that the thread step found to be due.")
ROUTED_SECONDS = Histogram(
    "postroom_routed_seconds",
    "Time from a message's being taken in to its being in a conversation, told to all; imported history is left out.",
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)
"""A message that comes again after a crash counts again, with its later time."""
ERASURE_OLDEST_SECONDS = Gauge(
    "postroom_erasure_oldest_seconds",
    "For how long the oldest erasure of a person has not come to its end; 0: none goes on.",
)
