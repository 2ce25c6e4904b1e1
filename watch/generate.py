"""Writes what is made of the declarations here: rules, dashboards, the page of the series. `--check` says what differs."""

import sys
from pathlib import Path

from watch import dashboards, rules, series

ROOT = Path(__file__).resolve().parent.parent
MONITORING = ROOT / "deploy" / "monitoring"


def outputs() -> dict[Path, str]:
    """Return every file that is generated, with its text."""
    made = {MONITORING / "rules.yaml": rules.text(), ROOT / "docs" / "operations" / "series.md": series.page()}
    return made | {MONITORING / "dashboards" / f"{name}.json": text for name, text in dashboards.texts().items()}


def main() -> int:
    wanted = outputs()
    there = set((MONITORING / "dashboards").glob("*.json"))
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    differing += sorted(there - wanted.keys())
    if "--check" in sys.argv:
        for path in differing:
            print(f"{path.relative_to(ROOT)} is not what `python -m watch.generate` makes")
        return 1 if differing else 0
    for path in differing:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], "utf-8")
        else:
            path.unlink()
        print(f"{'wrote' if path in wanted else 'removed'} {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
