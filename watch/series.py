"""Every series that the services declare, as a page of the docs."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from postroom_analytics.series import families
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

SERVICES = ("ingest", "router", "assigner", "notifier", "desk")
RUNTIME = ("metrics", "group_watch", "dead_letter_watch", "http_metrics", "loop_delay", "mongo_metrics")
ROOMS = {"postroom_runtime": "Every service", "postroom_analytics": "Analytics"}
HEADER = """# Every series

Made by `python -m watch.generate` from the declarations in the code; change it there. Counters end in `_total`, histograms
have `_bucket`, `_count` and `_sum`, ages and times are in seconds, sizes in bytes. Labels come from closed sets: names of the
configuration, of our topics and groups, of outcomes; never ids or addresses. How to use them: [watching](watching.md).
"""


@dataclass(frozen=True, slots=True)
class Series:
    """One declared family. `room` is the package that declares it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    room: str


def _declared(module_name: str) -> Iterator[Series]:
    module = importlib.import_module(module_name)
    for found in vars(module).values():
        described = getattr(found, "describe", None)
        if described is None or isinstance(found, type | CollectorRegistry) or not hasattr(found, "_labelnames"):
            continue
        for family in described():
            yield _series(family, tuple(found._labelnames), module_name.partition(".")[0])  # noqa: SLF001 - not public


def _series(family: Metric, labels: tuple[str, ...], room: str) -> Series:
    ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
    return Series(f"{family.name}{ending}", family.type, labels, family.documentation, room)


def every() -> list[Series]:
    """Return all series, by package and name."""
    modules = [f"postroom_runtime.{name}" for name in RUNTIME] + [f"postroom_{name}.metrics" for name in SERVICES]
    modules.append("postroom_notifier.probe.metrics")
    found = {series for name in modules for series in _declared(name)}
    for family in families({("all", ""): {}}):
        labels = tuple(name for name in family.samples[0].labels if name != "le")
        found.add(_series(family, labels, "postroom_analytics"))
    return sorted(found, key=lambda s: (s.room != "postroom_runtime", s.room, s.name))


def page() -> str:
    """Return the page, one table per package."""
    lines = [HEADER]
    room = ""
    for series in every():
        if series.room != room:
            room = series.room
            title = ROOMS.get(room, room.removeprefix("postroom_").capitalize())
            lines += [f"\n## {title}\n", "| series | kind | labels | what it says |", "|---|---|---|---|"]
        labels = ", ".join(f"`{name}`" for name in series.labels)
        lines.append(f"| `{series.name}` | {series.kind} | {labels} | {' '.join(series.help.split())} |")
    return "\n".join(lines) + "\n"
