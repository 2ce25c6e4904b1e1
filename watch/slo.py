"""The objectives, and how fast their error budgets burn: recording rules and the two alerts over all of them.

Source of windows and factors: The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", for a
budget of 30 days.
"""

from dataclasses import dataclass

from watch.model import Alert, Record

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
LEAST_BAD = 3
"""So many bad events must stand in the window: in a small house one slow mail is no burning budget."""


@dataclass(frozen=True, slots=True)
class Objective:
    """`objective`: the share of good events. `good` and `total` are PromQL rates with `$w` as their window."""

    name: str
    promise: str
    objective: float
    good: str
    total: str

    @property
    def budget(self) -> str:
        """The share of events that may be bad, as PromQL writes it."""
        return f"{1 - self.objective:.6f}".rstrip("0")


OBJECTIVES = (
    Objective(
        "routing",
        "99.5 % of messages are in a conversation, told to all, within 5 s of being taken in",
        0.995,
        'sum(rate(postroom_routed_seconds_bucket{le="5.0"}[$w]))',
        "sum(rate(postroom_routed_seconds_count[$w]))"
        ' + sum(rate(postroom_dead_letters_total{group=~"router-.*", reason!="held"}[$w]))',
    ),
    Objective(
        "storing",
        "99.9 % of messages are stored within 60 s of their arrival at their provider",
        0.999,
        'sum(rate(postroom_ingest_stored_seconds_bucket{le="60.0"}[$w]))',
        "sum(rate(postroom_ingest_stored_seconds_count[$w]))",
    ),
    Objective(
        "sending",
        "99 % of mails that are due are done with, accepted by their server, within 60 s",
        0.99,
        'sum(rate(postroom_handoff_seconds_bucket{le="60.0"}[$w]))',
        "sum(rate(postroom_handoff_seconds_count[$w]))",
    ),
    Objective(
        "desk",
        "99.9 % of requests to the desk are not answered by an error of ours",
        0.999,
        'sum(rate(postroom_http_requests_total{service="desk", status!~"5.."}[$w]))',
        'sum(rate(postroom_http_requests_total{service="desk"}[$w]))',
    ),
    Objective(
        "probe",
        "99 % of probes sent through each account are seen at the desk within 60 s; where the probe runs",
        0.99,
        'sum(rate(postroom_probe_seconds_bucket{stage="seen", le="60.0"}[$w]))',
        "sum(rate(postroom_probe_mails_total[$w]))",
    ),
)


def records() -> list[Record]:
    """Return the error ratio of each objective over each window, its budget, and the bad events of an hour and a day."""
    found = []
    for one in OBJECTIVES:
        labels = {"slo": one.name}
        found.append(Record("postroom:slo_error_budget:ratio", f"vector({one.budget})", labels))
        for window in WINDOWS:
            good, total = one.good.replace("$w", window), one.total.replace("$w", window)
            ratio = f"1 - ({good}) / (({total}) > 0)"
            found.append(Record(f"postroom:slo_errors:ratio_rate{window}", ratio, labels))
        for window in ("1h", "1d"):
            good, total = one.good.replace("$w", window), one.total.replace("$w", window)
            seconds = {"1h": 3600, "1d": 86_400}[window]
            bad = f"(({total}) - ({good})) * $age({seconds})"
            found.append(Record(f"postroom:slo_bad_events:increase{window}", bad, labels))
    return found


def _burns(factor: float, long: str, short: str) -> str:
    limit = f"{factor:g} * postroom:slo_error_budget:ratio"
    return (
        f"(postroom:slo_errors:ratio_rate{long} > on (slo) {limit}"
        f" and on (slo) postroom:slo_errors:ratio_rate{short} > on (slo) {limit})"
    )


def alerts() -> list[Alert]:
    return [
        Alert(
            name="PostroomErrorBudgetBurnsFast",
            expr=f"({_burns(14.4, '1h', '5m')} or {_burns(6, '6h', '30m')})"
            f" and on (slo) postroom:slo_bad_events:increase1h >= {LEAST_BAD}",
            hold="2m",
            severity="page",
            page="slo",
            summary="The objective {{ $labels.slo }} loses its budget of 30 days within days",
            meaning="{{ $value | humanizePercentage }} of the events were bad in the last hour or six.",
        ),
        Alert(
            name="PostroomErrorBudgetBurnsSlowly",
            expr=f"({_burns(3, '1d', '2h')} or {_burns(1, '3d', '6h')})"
            f" and on (slo) postroom:slo_bad_events:increase1d >= {LEAST_BAD}",
            hold="1h",
            severity="ticket",
            page="slo",
            summary="The objective {{ $labels.slo }} will not be met over 30 days",
            meaning="{{ $value | humanizePercentage }} of the events were bad over a day or three.",
        ),
    ]
