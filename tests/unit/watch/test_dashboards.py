"""Dashboards: without a fault that our linter knows, of series that exist, in PromQL; and the linter finds planted faults."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.test_workspace import ROOT
from tests.unit.watch.test_rules import promtool
from watch import rules, series
from watch.boards import BOARDS
from watch.dashboards import document
from watch.lint import faults, named

FILES = sorted((ROOT / "deploy" / "monitoring" / "dashboards").glob("*.json"))


def queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_there_is_one_for_the_house_one_for_each_service_and_one_for_the_business() -> None:
    services = {p.name for p in (ROOT / "services").iterdir()}
    assert {file.stem for file in FILES} == services | {"house", "business"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_linter_finds_nothing(file: Path) -> None:
    assert faults(json.loads(file.read_text())) == []


def test_every_query_is_promql_over_series_that_are_declared_or_recorded(tmp_path: Path) -> None:
    every = [expr for file in FILES for expr in queries(json.loads(file.read_text()))]
    names = {s.name for s in series.every()}
    names |= {f"{s.name}_{e}" for s in series.every() if s.kind == "histogram" for e in ("bucket", "sum", "count")}
    names |= {rule.get("record") for group in rules.document()["groups"] for rule in group["rules"]}
    assert {name for expr in every for name in named(expr)} - names == set()
    timed = [expr.replace("$__rate_interval", "1m").replace("$__range", "1h") for expr in every]
    recorded = [{"record": f"q:{n}", "expr": expr} for n, expr in enumerate(timed)]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}))
    done = promtool("check", "rules", "--lint=none", tmp_path / "queries.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def _panel(dashboard: dict[str, Any], n: int = 1) -> dict[str, Any]:
    panel = dashboard["panels"][n]
    assert isinstance(panel, dict)
    return panel


PLANTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "there is no variable for the data source": lambda d: d["templating"]["list"].clear(),
    "there is no variable for the deployment": lambda d: d["templating"]["list"].pop(),
    "over all deployments": lambda d: _panel(d)["targets"][0].update(expr="max(postroom_group_lag_seconds)"),
    "the dashboard has no description": lambda d: d.pop("description"),
    "ids are missing or not unique": lambda d: _panel(d, 2).update(id=_panel(d)["id"]),
    "no description in a sentence": lambda d: _panel(d).update(description="lag"),
    "unit 'furlong' is none of ours": lambda d: _panel(d)["fieldConfig"]["defaults"].update(unit="furlong"),
    "no query": lambda d: _panel(d).update(targets=[]),
    "overlap": lambda d: _panel(d, 2).update(gridPos=_panel(d)["gridPos"]),
    "beyond 24 columns": lambda d: _panel(d)["gridPos"].update(x=23),
    "two panels have this title": lambda d: _panel(d, 2).update(title=_panel(d)["title"]),
    "does not use the variable": lambda d: _panel(d)["targets"][0].update(datasource={"uid": "abc"}),
    "hides that there is nothing": lambda d: _panel(d)["targets"][0].update(expr="sum(x) or vector(0)"),
    "a rate over a fixed window": lambda d: _panel(d)["targets"][0].update(expr="sum(rate(x[5m]))"),
    "a query without a legend": lambda d: _panel(d)["targets"][0].update(legendFormat=""),
    "which the query does not keep": lambda d: _panel(d)["targets"][0].update(
        expr="sum by (group) (x)", legendFormat="{{topic}}"
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_the_linter_finds_a_planted_fault(fault: str) -> None:
    dashboard = json.loads(json.dumps(document(BOARDS[0])))
    PLANTED[fault](dashboard)
    assert [found for found in faults(dashboard) if fault in found], faults(dashboard)
