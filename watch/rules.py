"""The rule file, from the objectives and the causes."""

from typing import Any

import yaml

from watch import causes, slo
from watch.model import Alert, Record
from watch.pace import SHIPPED, Pace
from watch.scope import narrowed

RUNBOOKS = "docs/runbooks"
JOB, RELEASE, NAMESPACE = "$JOB", "$RELEASE", "$NAMESPACE"
"""What the chart puts in for them: a regular expression of the jobs that scrape it, the job of its PodMonitor, its namespace."""
HEADER = "# Made by `python -m watch.generate` from watch/slo.py and watch/causes.py; change it there.\n"


def all_alerts() -> list[Alert]:
    return [*slo.alerts(), *(alert for group in causes.GROUPS.values() for alert in group)]


def _record(record: Record, pace: Pace) -> dict[str, Any]:
    made: dict[str, Any] = {"record": record.name, "expr": pace.expression(record.expr)}
    return {**made, "labels": dict(record.labels)} if record.labels else made


def _alert(alert: Alert, pace: Pace) -> dict[str, Any]:
    made: dict[str, Any] = {"alert": alert.name, "expr": pace.expression(alert.expr)}
    if alert.hold != "0s":
        made["for"] = pace.duration(alert.hold)
    return {
        **made,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.meaning,
            "runbook": f"{RUNBOOKS}/{alert.page}.md",
        },
    }


def document(pace: Pace = SHIPPED) -> dict[str, Any]:
    """Return the rule file as plain data, at the given pace."""
    groups = [("postroom-slo", [_record(r, pace) for r in slo.records()] + [_alert(a, pace) for a in slo.alerts()])]
    groups += [(name, [_alert(a, pace) for a in alerts]) for name, alerts in causes.GROUPS.items()]
    return {"groups": [{"name": name, "interval": pace.interval, "rules": rules} for name, rules in groups]}


def text(pace: Pace = SHIPPED) -> str:
    """Return the rule file."""
    return HEADER + yaml.safe_dump(document(pace), sort_keys=False, width=10_000, allow_unicode=True)


def for_the_chart() -> str:
    """Return the rule file of one deployment of several: it reads that one's series alone, and names it in all that it makes."""
    groups = document()["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    for group in groups:
        for rule in group["rules"]:
            rule["expr"] = _of_one_release(rule["expr"], recorded)
            rule["labels"] = {**rule.get("labels", {}), "namespace": NAMESPACE, "job": RELEASE}
    text = yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000, allow_unicode=True)
    return HEADER + text.replace(f"namespace: {NAMESPACE}", f"namespace: '{NAMESPACE}'")  # a namespace may be a number


def _of_one_release(expr: str, recorded: set[str]) -> str:
    """Return the expression, narrowed; what is recorded has the label that the records are given."""
    made = narrowed(expr, f'job=~"{JOB}"')
    for name in recorded:
        made = made.replace(f'{name}{{job=~"{JOB}"', f'{name}{{job="{RELEASE}"')
    return made
