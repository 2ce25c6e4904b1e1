"""Technical series of the router. Labels come from closed sets."""

from prometheus_client import Counter

PLACED = Counter("postroom_router_messages", "Inbound records by what became of them in the thread step.", ["outcome"])
"""outcome: accepted, answered, refused_answer, unplaced (a status of nothing that we know: skipped)."""
MERGES = Counter("postroom_router_merges_proposed", "Merges that the thread step found to be due.")
