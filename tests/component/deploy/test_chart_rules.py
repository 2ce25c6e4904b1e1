"""Two releases in one Prometheus: the rules of each read its own series, and its alerts say whose they are."""

from pathlib import Path
from typing import Any

import yaml

from tests.component.deploy.chart import LEAST, SERVICES, Object, merged, of_kind, template
from tests.unit.watch.test_rules import promtool

BOTH = {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}


def rule_of(namespace: str, metrics: Object, release: str = "postroom") -> Object:
    done = template(merged(LEAST, {"metrics": metrics}), release, namespace)
    assert done.returncode == 0, done.stderr
    objects = [made for made in yaml.safe_load_all(done.stdout) if made]
    (rule,) = of_kind(objects, "PrometheusRule").values()
    if metrics.get("podMonitor"):
        (monitor,) = of_kind(objects, "PodMonitor").values()
        assert monitor["metadata"]["name"] == rule["metadata"]["name"], "it makes the job NAMESPACE/NAME"
    return rule


def rules_in(rule: Object) -> list[Object]:
    return [one for group in rule["spec"]["groups"] for one in group["rules"]]


def series(job: str, name: str, values: str, **labels: str) -> dict[str, str]:
    matchers = ", ".join(f'{k}="{v}"' for k, v in {**labels, "job": job}.items())
    return {"series": f"{name}{{{matchers}}}", "values": values}


def house(job: str, services: Any, version: int, late: int) -> list[dict[str, str]]:
    return [
        *(series(job, "postroom_build_info", "1x240", service=one, instance=one) for one in services),
        series(job, "postroom_configuration_version", f"{version}x240", instance="a"),
        series(job, "postroom_routed_seconds_count", "0+10x240"),
        series(job, "postroom_routed_seconds_bucket", f"0+{10 - late}x240", le="5.0"),
        series(job, "postroom_dead_letters_total", "0x240", group="router-thread", reason="permanent"),
    ]


def test_a_house_for_trial_hides_nothing_of_the_real_one_and_is_not_taken_for_it(tmp_path: Path) -> None:
    for namespace in ("live.1", "trial"):
        (tmp_path / f"{namespace}.yaml").write_text(yaml.safe_dump(rule_of(namespace, BOTH)["spec"]))
    without_router = [one for one in SERVICES if one != "router"]
    live, trial = "live.1/postroom", "trial/postroom"
    own = f'alertstate="firing", severity="page", namespace="live.1", job="{live}"'
    expected = [
        f'ALERTS{{alertname="PostroomServiceMissing", service="router", {own}}}',
        f'ALERTS{{alertname="PostroomErrorBudgetBurnsFast", slo="routing", {own}}}',
    ]
    case = {
        "interval": "15s",
        "input_series": [*house(live, without_router, 7, late=1), *house(trial, SERVICES, 9, late=0)],
        "promql_expr_test": [
            {
                "expr": 'ALERTS{alertstate="firing"}',
                "eval_time": "50m",
                "exp_samples": [{"labels": labels, "value": 1} for labels in expected],
            }
        ],
    }
    files = ["live.1.yaml", "trial.yaml"]
    (tmp_path / "tests.yaml").write_text(
        yaml.safe_dump({"rule_files": files, "evaluation_interval": "30s", "tests": [case]})
    )
    done = promtool("test", "rules", tmp_path / "tests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_scrapes_it_and_where_its_runbooks_are_can_be_said(tmp_path: Path) -> None:
    plain = rule_of("mail", {"prometheusRule": {"enabled": True}})
    assert {('job=~".*"' in one["expr"]) for one in rules_in(plain) if "postroom_" in one["expr"]} == {True}
    assert {one["annotations"]["runbook"].split("/")[0] for one in rules_in(plain) if "alert" in one} == {"docs"}
    told = {"enabled": True, "job": "mail-.+", "runbookUrl": "https://git.example/postroom/docs/runbooks/"}
    rule = rule_of("mail", {"prometheusRule": told})
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    assert promtool("check", "rules", tmp_path / "rules.yaml").returncode == 0
    for one in rules_in(rule):
        assert 'job=~".*"' not in one["expr"]
        assert "$" not in one["expr"]
        assert (one["labels"]["namespace"], one["labels"]["job"]) == ("mail", "mail/postroom")
    pages = {one["annotations"].get("runbook_url") for one in rules_in(rule) if "alert" in one}
    assert "https://git.example/postroom/docs/runbooks/lag.md" in pages
    assert all(page and page.startswith("https://git.example/postroom/docs/runbooks/") for page in pages)
