"""The figures of one conversation as people read them: seconds, and null for what is undefined."""

from collections.abc import Iterable
from typing import Any

from postroom_contracts.business_time import from_epoch_ms
from postroom_contracts.fields import format_time

from postroom_analytics.domain.model import ConversationMetrics, Row
from postroom_analytics.domain.now import gauges

SINGLE = (
    "first_response",
    "first_response_handoff",
    "first_resolution",
    "net_first_resolution",
    "full_resolution",
    "net_full_resolution",
)
SEVERAL = ("next_response", "resolution", "net_resolution")


def figures(state: ConversationMetrics, rows: Iterable[Row]) -> dict[str, Any]:
    """Return every figure of a conversation by name, from its state and all of its rows.

    Single figures are objects or None, the others lists, oldest first; `unanswered` and `moved` hold turns that no
    average counts, `targets` what became of SLA targets.
    """
    kept = sorted(rows, key=lambda row: (row.n, row.kind, row.id))
    counted = [row for row in kept if row.counted]
    measured = [row for row in counted if row.wall_ms is not None]
    now = gauges(state)
    return {
        "conversation": state.conversation_id,
        **{kind: next((_figure(row) for row in measured if row.kind == kind), None) for kind in SINGLE},
        **{kind: [_figure(row) for row in measured if row.kind == kind] for kind in SEVERAL},
        "unanswered": [_turn(row) for row in counted if row.outcome == "closed_unanswered"],
        "moved": [_turn(row) for row in counted if row.outcome == "moved"],
        "targets": [_target(row) for row in counted if row.kind.startswith("sla_")],
        "volume": sum(row.kind == "conversation" for row in counted),
        "never_answered": not state.answered,
        "undelivered": state.undelivered,
        "spam": state.spam_at is not None,
        **{mark: mark in now for mark in ("open", "unattended", "unassigned")},
    }


def _figure(row: Row) -> dict[str, Any]:
    figure: dict[str, Any] = {
        "wall_seconds": _seconds(row.wall_ms),
        "business_seconds": _seconds(row.business_ms),
        "calendar": row.calendar,
        "closed_at": _time(row.closed_at),
        "agent": row.credit.agent,
        "team": row.credit.team,
    }
    if row.kind == "next_response":
        figure["reopened"] = row.reopened
    if row.breached is not None:
        figure |= {"breached": row.breached, "deadline_at": _time(row.deadline_at)}
    return figure


def _turn(row: Row) -> dict[str, Any]:
    return {"kind": row.kind, "started_at": _time(row.started_at), "closed_at": _time(row.closed_at)}


def _target(row: Row) -> dict[str, Any]:
    return {
        "target": row.kind.removeprefix("sla_"),
        "n": row.n,
        "policy": row.policy,
        "outcome": row.outcome,
        "deadline_at": _time(row.deadline_at),
        "breached_at": _time(row.breached_at),
    }


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _time(at: int | None) -> str | None:
    return None if at is None else format_time(from_epoch_ms(at))
