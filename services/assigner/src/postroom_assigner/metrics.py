"""Series of the assigner. The gauges are counted in MongoDB, so each replica shows the same."""

from prometheus_client import Counter, Gauge

UNASSIGNED = Gauge("postroom_unassigned_conversations", "Conversations that wait for an owner.", ["team"])
OLDEST_UNASSIGNED_SECONDS = Gauge(
    "postroom_oldest_unassigned_seconds", "How long the longest waiting conversation of a team has waited.", ["team"]
)
PROPOSED = Counter("postroom_queue_proposals", "Waiting conversations that the drain proposed.", ["team"])
SLOTS_CORRECTED = Counter("postroom_slots_corrected", "Agents whose count of slots the sweep corrected.")
RESERVATIONS_DROPPED = Counter(
    "postroom_slot_reservations_dropped", "Slots that were taken for an owner who was never saved, freed by the sweep."
)
"""The label `team` comes from the configuration: a closed set, no ids of conversations or people."""
