"""What the chart takes from elsewhere in the repository: topics, groups and rights of the contracts, rules and dashboards.

`python -m tools.chart_files` writes them into deploy/helm/postroom/files, and the rights as a page into docs/operations; with
`--check` it says what differs, exit 1.
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from postroom_contracts.kafka_rights import PRINCIPALS, Right, rights_of
from postroom_contracts.topics import GROUPS, all_topics
from postroom_runtime.kafka import topic_configs
from postroom_runtime.settings import RuntimeSettings

from watch.rules import for_the_chart

ROOT = Path(__file__).resolve().parent.parent
MONITORING = ROOT / "deploy" / "monitoring"
FILES = ROOT / "deploy" / "helm" / "postroom" / "files"
PAGE = ROOT / "docs" / "operations" / "kafka-rights.md"
NOTE = "# Written by tools/chart_files.py (make generate).\n"


def topics() -> list[dict[str, Any]]:
    """Return every topic without its prefix; what depends on a deployment's replication is the chart's own."""
    settings = RuntimeSettings()
    made = []
    for topic in all_topics():
        config = {k: v for k, v in topic_configs(settings, topic).items() if k != "min.insync.replicas"}
        made.append({"name": topic.name, "keyed": topic.keyed_partitions, "config": config})
    return made


def groups() -> list[dict[str, Any]]:
    """Return every consumer group: its name without prefix, its service, the topics whose lag counts."""
    return [{"group": g.name, "service": g.service, "topics": [t.name for t in g.topics]} for g in GROUPS]


def rights() -> list[dict[str, Any]]:
    """Return what each principal may do; names without prefix."""
    return [{"principal": name, "rights": [_rule(right) for right in rights_of(name)]} for name in PRINCIPALS]


def _rule(right: Right) -> dict[str, Any]:
    rule = {"resource": right.resource, "name": right.name, "prefixed": right.prefixed}
    return rule | {"operations": [*right.operations]}


def page() -> str:
    """Return the page of all rights: a table for each principal."""
    parts = [_HEAD]
    for name in PRINCIPALS:
        rows = [f"| {_named(right)} | {', '.join(right.operations)} |" for right in rights_of(name)]
        parts.append("\n".join([f"## {name}\n", "| on | may |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _named(right: Right) -> str:
    if right.resource == "cluster":
        return "the cluster"
    return f"{right.resource}s `PREFIX...`" if right.prefixed else f"{right.resource} `{right.name}`"


_HEAD = """# What each service needs on Kafka

Written by tools/chart_files.py from the topics and groups of the contracts (`make generate`). Names stand without the
deployment's prefix (`postroom-`). `Read` and `Write` imply `Describe`. No service uses transactions: none needs a transactional
id. Before Kafka 2.8 an idempotent producer also needs `IdempotentWrite` on the cluster. A test runs all services with these
rights, on a broker that asks for them, and is refused what they do not name.

- With Strimzi: `kafka.users.strimzi` of the chart, or `postroom topics users --cluster NAME` for resources to apply by hand.
- Elsewhere: `postroom topics acls` prints the calls of `kafka-acls.sh`.

`probe` is `postroom probe`; `configure` is the chart's Job; `operator` is whoever runs the commands of these pages (dead
letters, events, recover, doctor, rebuilds); `scaler` is KEDA, which looks at lags alone.
"""


def files() -> dict[str, str]:
    """Return what has to stand in the chart's folder, by path in it."""
    made = {
        "topics.yaml": NOTE + yaml.safe_dump(topics(), sort_keys=False),
        "groups.yaml": NOTE + yaml.safe_dump(groups(), sort_keys=False),
        "rights.yaml": NOTE + yaml.safe_dump(rights(), sort_keys=False),
    }
    made["rules.yaml"] = for_the_chart()
    copied = sorted((MONITORING / "dashboards").glob("*.json"))
    return made | {str(p.relative_to(MONITORING)): p.read_text(encoding="utf-8") for p in copied if p.exists()}


def differences() -> list[str]:
    """Return paths in the chart's folder that are missing, differ or should not be there; empty when all is well."""
    wanted = files()
    there = {str(p.relative_to(FILES)): p.read_text(encoding="utf-8") for p in FILES.rglob("*") if p.is_file()}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main() -> None:
    stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page()
    if "--check" in sys.argv[1:]:
        if found := differences():
            sys.exit(f"error: {', '.join(found)} of {FILES.relative_to(ROOT)}: run `make generate`")
        if stale:
            sys.exit(f"error: {PAGE.relative_to(ROOT)}: run `make generate`")
        return
    if stale:
        PAGE.write_text(page(), encoding="utf-8")
        print(PAGE.relative_to(ROOT))
    for name in differences():
        path = FILES / name
        if name in files():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[name], encoding="utf-8")
        else:
            path.unlink()
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
