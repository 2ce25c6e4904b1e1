"""Business series for Prometheus, read from the stored rollups: the same from each replica, over restarts too."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from postroom_analytics.domain.distribution import PROMETHEUS_SECONDS
from postroom_analytics.domain.now import MARKS
from postroom_analytics.domain.rollup import CLOCKS, histogram
from postroom_analytics.reads import MetricsReads

CUTS = ("all", "inbox", "channel", "team")
"""Cuts with few values. Tags and agents are read from the REST API: their number is not ours to bound."""
HISTOGRAMS = {
    "first_response": "First response of a conversation.",
    "next_response": "Every later response.",
    "resolution": "From the opening turn of an episode to its resolve.",
    "net_resolution": "The same without pauses.",
}
TURN_KINDS = ("first_response", "next_response")
_LABELS = ["cut", "value"]

Totals = Mapping[tuple[str, str], Mapping[str, Any]]


class BusinessSeries(Collector):
    """Collects from the last snapshot; `refresh` reads a new one before each scrape."""

    def __init__(self, reads: MetricsReads) -> None:
        self._reads = reads
        self._totals: Totals = {}

    async def refresh(self) -> None:
        self._totals = await self._reads.totals(CUTS)

    def collect(self) -> Iterator[Metric]:
        return iter(families(self._totals))


def families(totals: Totals) -> list[Metric]:
    """Return the metric families of total rollups by (cut, value)."""
    return [
        *(_histogram(totals, kind, help_text) for kind, help_text in HISTOGRAMS.items()),
        _conversations(totals),
        _unanswered(totals),
        _now(totals),
    ]


def _histogram(totals: Totals, kind: str, help_text: str) -> Metric:
    family = HistogramMetricFamily(f"postroom_{kind}_seconds", help_text, labels=["clock", *_LABELS])
    for (cut, value), total in sorted(totals.items()):
        for clock in CLOCKS:
            shown = histogram(total, kind, clock)
            edges = [*(str(float(edge)) for edge in PROMETHEUS_SECONDS), "+Inf"]
            family.add_metric([clock, cut, value], list(zip(edges, shown.buckets, strict=True)), shown.sum_seconds)
    return family


def _ever(total: Mapping[str, Any], kind: str, outcome: str) -> int:
    """Return how many rows of that outcome there ever were, withdrawn ones too: a counter never falls."""
    return sum(int(total.get(part, {}).get(kind, {}).get(outcome, 0)) for part in ("kinds", "withdrawn"))


def _conversations(totals: Totals) -> Metric:
    family = CounterMetricFamily("postroom_conversations", "Conversations opened.", labels=_LABELS)
    for (cut, value), total in sorted(totals.items()):
        family.add_metric([cut, value], _ever(total, "conversation", "opened"))
    return family


def _unanswered(totals: Totals) -> Metric:
    family = CounterMetricFamily(
        "postroom_turns_closed_unanswered", "Turns that were resolved without a reply; in no average.", labels=_LABELS
    )
    for (cut, value), total in sorted(totals.items()):
        family.add_metric([cut, value], sum(_ever(total, kind, "closed_unanswered") for kind in TURN_KINDS))
    return family


def _now(totals: Totals) -> Metric:
    family = GaugeMetricFamily(
        "postroom_conversations_now", "Conversations that are open, unassigned, unattended.", labels=["state", *_LABELS]
    )
    for (cut, value), total in sorted(totals.items()):
        for state in MARKS:
            family.add_metric([state, cut, value], int(total.get("now", {}).get(state, 0)))
    return family
