"""Owners and queues."""

from watch.panels import RATE, Board, Panel, Query, consuming, one, process

ASSIGNER = Board(
    "assigner",
    "Assigner",
    "Owners and queues. Runbook: queue.",
    [
        (
            "Queues",
            [
                one(
                    "Without an owner",
                    "Waiting conversations by team.",
                    "short",
                    "max by (team) (postroom_unassigned_conversations)",
                    "{{team}}",
                ),
                one(
                    "Longest wait",
                    "How long the longest waiting conversation of each team has waited.",
                    "s",
                    "max by (team) (postroom_oldest_unassigned_seconds)",
                    "{{team}}",
                    bad_from=900,
                ),
                one(
                    "Proposals",
                    "Waiting conversations that the drain proposed, a minute.",
                    "short",
                    f"sum by (team) (rate(postroom_queue_proposals_total{RATE})) * 60",
                    "{{team}}",
                ),
                Panel(
                    "Slots mended",
                    "Agents whose count the sweep corrected, and reservations that it freed, an hour. Rises after a crash, else stays at 0.",
                    "short",
                    [
                        Query(f"sum(rate(postroom_slots_corrected_total{RATE})) * 3600", "corrected"),
                        Query(f"sum(rate(postroom_slot_reservations_dropped_total{RATE})) * 3600", "freed"),
                    ],
                    width=12,
                ),
                one(
                    "Decisions unpublished",
                    "Age of the oldest decision that is saved and not published.",
                    "s",
                    'max(postroom_fold_pending_seconds{service="assigner"})',
                    width=12,
                ),
            ],
        ),
        consuming("assigner"),
        process("assigner"),
    ],
)
