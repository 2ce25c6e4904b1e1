"""Writes what is generated from the registry: JSON Schemas, golden examples, the AsyncAPI document, a page per type.

`python -m postroom_contracts.generate` writes them and refuses a breaking change; `--check` writes nothing and exits 1
with what differs or breaks. A development tool: no service imports it.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from postroom_contracts import asyncapi, reference
from postroom_contracts.check import compare_all
from postroom_contracts.check_topics import compare_topics
from postroom_contracts.examples import all_examples
from postroom_contracts.registry_checks import registry_problems
from postroom_contracts.schemas import Schema, all_schemas

_HOME = Path(__file__).resolve().parents[2]
"""`contracts/` of a source tree; an installed package needs `--to`."""


def generated() -> dict[str, str]:
    """Return text by path relative to `contracts/`."""
    found: dict[str, Any] = {"asyncapi.json": asyncapi.document()}
    found |= {f"schemas/{name}.json": schema for name, schema in all_schemas().items()}
    found |= {f"examples/{name}.json": example.as_dict() for name, example in all_examples().items()}
    texts = {path: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for path, value in found.items()}
    texts |= {f"reference/{name}.md": text for name, text in reference.pages().items()}
    return dict(sorted(texts.items()))


def committed(home: Path) -> dict[str, str]:
    """Return text by path relative to `home` of what was generated before; empty in a new tree."""
    kinds = ("schemas/*.json", "examples/*.json", "reference/*.md")
    paths = [home / "asyncapi.json", *(path for kind in kinds for path in home.glob(kind))]
    return {p.relative_to(home).as_posix(): p.read_text(encoding="utf-8") for p in sorted(paths) if p.is_file()}


def schemas_of(files: dict[str, str]) -> dict[str, Schema]:
    """Return the event schemas among `files` by name; that of the headers is compared too."""
    prefix = "schemas/"
    return {p.removeprefix(prefix)[: -len(".json")]: json.loads(t) for p, t in files.items() if p.startswith(prefix)}


def breaks_of(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return every break between two sets of files, of bodies and of topics, each as a line that begins with its place."""
    before, after = (json.loads(files.get("asyncapi.json", "{}")) for files in (old, new))
    return compare_all(schemas_of(old), schemas_of(new)) + compare_topics(before, after)


def differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return a line for every file that is missing, left over or not what the registry gives now."""
    missing = [f"{path}: is missing" for path in sorted(new.keys() - old.keys())]
    left_over = [f"{path}: no type of this name is registered" for path in sorted(old.keys() - new.keys())]
    changed = [f"{path}: differs from the models" for path in sorted(old.keys() & new.keys()) if old[path] != new[path]]
    return missing + left_over + changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when something differs, breaks or is wrongly registered."""
    options = _options(arguments)
    old, new = committed(options.to), generated()
    base = committed(options.against) if options.against else old
    breaks = registry_problems() + breaks_of(base, new)
    if options.check:
        return _reported(breaks + differences(old, new), "run `python -m postroom_contracts.generate`")
    if breaks and not options.allow_breaking:
        return _reported(breaks, "nothing was written; a break needs a new major version of the type")
    for path in old.keys() - new.keys():
        (options.to / path).unlink()
    for path, text in new.items():
        target = options.to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m postroom_contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with what differs or breaks")
    parser.add_argument("--to", type=Path, default=_HOME, help="the folder `contracts/`")
    parser.add_argument("--against", type=Path, help="compare with another tree's `contracts/`, such as a release's")
    parser.add_argument("--allow-breaking", action="store_true", help="before the first release only")
    return parser.parse_args(arguments)


def _reported(lines: list[str], remedy: str) -> int:
    for line in lines:
        sys.stderr.write(f"{line}\n")
    if lines:
        sys.stderr.write(f"{len(lines)} findings: {remedy}\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
