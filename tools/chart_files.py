"""What the chart takes from elsewhere in the repository: topics and groups of the contracts, rules and dashboards.

`python tools/chart_files.py` writes them into deploy/helm/postroom/files; with `--check` it says what differs, exit 1.
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from postroom_contracts.topics import GROUPS, all_topics
from postroom_runtime.kafka import topic_configs
from postroom_runtime.settings import RuntimeSettings

ROOT = Path(__file__).resolve().parent.parent
MONITORING = ROOT / "deploy" / "monitoring"
FILES = ROOT / "deploy" / "helm" / "postroom" / "files"
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


def files() -> dict[str, str]:
    """Return what has to stand in the chart's folder, by path in it."""
    made = {
        "topics.yaml": NOTE + yaml.safe_dump(topics(), sort_keys=False),
        "groups.yaml": NOTE + yaml.safe_dump(groups(), sort_keys=False),
    }
    copied = [MONITORING / "rules.yaml", *sorted((MONITORING / "dashboards").glob("*.json"))]
    return made | {str(p.relative_to(MONITORING)): p.read_text(encoding="utf-8") for p in copied if p.exists()}


def differences() -> list[str]:
    """Return paths in the chart's folder that are missing, differ or should not be there; empty when all is well."""
    wanted = files()
    there = {str(p.relative_to(FILES)): p.read_text(encoding="utf-8") for p in FILES.rglob("*") if p.is_file()}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main() -> None:
    if "--check" in sys.argv[1:]:
        if found := differences():
            sys.exit(f"error: {', '.join(found)} of {FILES.relative_to(ROOT)}: run `make generate`")
        return
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
