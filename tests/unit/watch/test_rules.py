"""Rules and alerts: tested by promtool, each with a runbook, over series that exist; the hurried variant is the same in form."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import IO

import pytest
import yaml

from tests.unit.test_workspace import ROOT
from watch import rules, series
from watch.lint import named
from watch.pace import HURRIED, SHIPPED, Pace

MONITORING = ROOT / "deploy" / "monitoring"
ALERTS = {alert.name: alert for alert in rules.all_alerts()}


def promtool(*arguments: str | Path, stdin: IO[str] | None = None) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.fail("promtool is not installed; it comes with Prometheus (Debian: apt-get install prometheus)")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=120, stdin=stdin)


def test_promtool_s_unit_tests_of_the_rules_pass() -> None:
    done = promtool("test", "rules", MONITORING / "rules_test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    cases = yaml.safe_load((MONITORING / "rules_test.yaml").read_text())["tests"]
    fired: set[str] = set()
    for case in cases:
        for query in case.get("promql_expr_test", ()):
            fired |= {
                re.findall(r'alertname="(\w+)"', s["labels"])[0]
                for s in query["exp_samples"]
                if "ALERTS" in s["labels"]
            }
        fired |= {one["alertname"] for one in case.get("alert_rule_test", ()) if one["exp_alerts"]}
    assert set(ALERTS) - fired == set()


def test_each_alert_has_a_runbook_that_names_it_and_runbooks_name_no_other() -> None:
    pages = {page.stem: page.read_text() for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    lost = [name for name, alert in ALERTS.items() if f"`{name}`" not in pages.get(alert.page, "")]
    assert lost == []
    told = {name for text in pages.values() for name in re.findall(r"`(Postroom[A-Z]\w+)`", text)}
    assert told == set(ALERTS)
    unlisted = [alert.page for alert in ALERTS.values() if f"({alert.page}.md)" not in pages["README"]]
    assert unlisted == []


def test_rules_and_runbooks_speak_of_series_that_are_declared_or_recorded() -> None:
    declared = {s.name for s in series.every()}
    declared |= {f"{s.name}_{e}" for s in series.every() if s.kind == "histogram" for e in ("bucket", "sum", "count")}
    groups = rules.document()["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    asked = {name for group in groups for rule in group["rules"] for name in named(rule["expr"])}
    assert asked - declared - recorded == set()
    assert {name for name in recorded if "budget" not in name and "slo" not in name} == set()


def test_the_hurried_rules_differ_in_times_alone(tmp_path: Path) -> None:
    def form(pace: Pace) -> list[tuple[str, str, bool]]:
        found = [rule for group in rules.document(pace)["groups"] for rule in group["rules"]]
        return [
            (r.get("alert") or r["record"], re.sub(r"\[\w+\]|(?<=[>*] )\d+\b", "", r["expr"]), "for" in r)
            for r in found
        ]

    assert form(HURRIED) == form(SHIPPED)
    file = tmp_path / "rules.yaml"
    file.write_text(rules.text(HURRIED))
    assert promtool("check", "rules", file).returncode == 0


@pytest.mark.parametrize(
    ("text", "shipped", "hurried"),
    [
        ("rate(x[5m]) > 0", "rate(x[5m]) > 0", "rate(x[6s]) > 0"),
        ("rate(x[2h])", "rate(x[2h])", "rate(x[120s])"),
        ("y > $age(900)", "y > 900", "y > 15"),
        ("y > $age(60)", "y > 60", "y > 4"),
    ],
)
def test_windows_and_ages_are_shortened_down_to_their_floors(text: str, shipped: str, hurried: str) -> None:
    assert (SHIPPED.expression(text), HURRIED.expression(text)) == (shipped, hurried)


def test_how_long_an_alert_holds_is_shortened_and_never_nothing() -> None:
    assert [HURRIED.duration(text) for text in ("5m", "1h", "10s")] == ["5s", "60s", "1s"]
    assert SHIPPED.duration("5m") == "5m"
