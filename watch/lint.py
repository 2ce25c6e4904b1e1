"""What a dashboard of ours must be like, beyond what its type says."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

UNITS = frozenset({"s", "short", "ops", "reqps", "bytes", "percentunit"})
"""Those of Grafana's units that we use."""
_NAMES = re.compile(r"\bpostroom[a-z_:0-9]*")
_OF_ALL = re.compile(r"\bpostroom[_:][a-z_:0-9]+(?!\{job=~\"\$job\")(?![a-z_:0-9])")
_LABELLED = re.compile(r"\{\{(\w+)\}\}")


def faults(dashboard: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a dashboard, each fault with the title of its panel; empty when nothing is."""
    return [*_of_the_whole(dashboard), *(fault for panel in _drawn(dashboard) for fault in _of_a_panel(panel))]


def _drawn(dashboard: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def _of_the_whole(dashboard: Mapping[str, Any]) -> Iterator[str]:
    panels: Sequence[Mapping[str, Any]] = dashboard["panels"]
    for field in ("uid", "title", "description", "tags"):
        if not dashboard.get(field):
            yield f"the dashboard has no {field}"
    variables = dashboard.get("templating", {}).get("list", [])
    if not any(v.get("type") == "datasource" and v.get("name") == "datasource" for v in variables):
        yield "there is no variable for the data source"
    if not any(v.get("type") == "query" and v.get("name") == "job" for v in variables):
        yield "there is no variable for the deployment"
    ids = [panel.get("id") for panel in panels]
    if len(set(ids)) < len(ids) or None in ids:
        yield "ids are missing or not unique"
    titles = [panel.get("title") for panel in _drawn(dashboard)]
    yield from (f"{title}: two panels have this title" for title in {t for t in titles if titles.count(t) > 1})
    for first, second in combinations(panels, 2):
        if _overlap(first["gridPos"], second["gridPos"]):
            yield f"{first.get('title')} and {second.get('title')} overlap"
    yield from (f"{p.get('title')}: beyond 24 columns" for p in panels if p["gridPos"]["x"] + p["gridPos"]["w"] > 24)


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not (beside or below)


def _of_a_panel(panel: Mapping[str, Any]) -> Iterator[str]:
    title = panel.get("title") or f"panel {panel.get('id')}"
    if not panel.get("title"):
        yield f"{title}: no title"
    description = str(panel.get("description") or "")
    if len(description) < 15 or not description.endswith("."):
        yield f"{title}: no description in a sentence"
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
    if unit not in UNITS:
        yield f"{title}: unit {unit!r} is none of ours"
    targets = panel.get("targets") or []
    if not targets:
        yield f"{title}: no query"
    for target in targets:
        yield from (f"{title}: {fault}" for fault in _of_a_query(target))
    if len({t.get("refId") for t in targets}) < len(targets):
        yield f"{title}: two queries of one name"


def _of_a_query(target: Mapping[str, Any]) -> Iterator[str]:
    expr = str(target.get("expr") or "")
    if target.get("datasource", {}).get("uid") != "${datasource}":
        yield "a query does not use the variable of the data source"
    if _OF_ALL.search(expr):
        yield "a query over all deployments: narrow it by $job"
    if "or vector" in expr:
        yield "`or vector` hides that there is nothing"
    if re.search(r"\b(rate|increase)\([^)]*\[\d", expr):
        yield "a rate over a fixed window: use $__rate_interval or $__range"
    kept = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", expr))))
    legend = str(target.get("legendFormat") or "")
    if not legend:
        yield "a query without a legend"
    if " by (" in expr and (lost := set(_LABELLED.findall(legend)) - kept - {"instance"}):
        yield f"the legend names {', '.join(sorted(lost))}, which the query does not keep"


def named(expr: str) -> set[str]:
    """Return the series of ours that an expression names; recorded ones hold a colon."""
    return {name for name in _NAMES.findall(expr) if not name.endswith("_") and name != "postroom"}
