"""What a rule file is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["page", "ticket", "info"]
"""page: somebody gets up now. ticket: in working hours. info: to be seen beside others."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. `hold` is its `for`; `page` the runbook, `docs/runbooks/PAGE.md`; texts may use Prometheus' templates."""

    name: str
    expr: str
    severity: Severity
    page: str
    summary: str
    meaning: str
    hold: str = "0s"
