"""What a run found, as a table for people and as JSON for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from faults.evidence import Findings
from faults.options import SERVERS, SERVICES, Options

Waiting = Callable[[dict[str, int]], None]
"""Told what is still to be done."""
CAUGHT_BY = {
    "ack-first": ("lost",),
    "no-dedup": ("duplicate_effects",),
    "no-resend": ("lost", "without_owner"),
    "wrong-thread": ("misthreaded",),
}
"""Which counter must show a broken build."""
MUST_BE_ZERO = ("lost", "duplicate_effects", "misthreaded", "without_owner", "rebuild_differs", "states_differ")
THROUGH = 0.25
"""Share of mails that also a broken build must bring through."""
_SHOWN = 12


def result(
    mails: int, kills: Mapping[str, int], findings: Findings, figures: int, states: int | None
) -> dict[str, Any]:
    """Return what is written to `faults.json`. `figures`, `states`: how many differ from the log; None: not asked."""
    return {
        "mails": mails,
        "kills": {name: kills.get(name, 0) for name in (*SERVICES, *SERVERS)},
        **findings.counts,
        "repeated_mails": findings.repeated_mails,
        "repeated_mails_allowed": findings.repeated_mails_allowed,
        "rebuild_differs": figures,
        "states_differ": states,
    }


def problems(found: Mapping[str, Any], waiting: Mapping[str, int], options: Options) -> list[str]:
    """Return why a run of the real build is not good; empty: it is."""
    wrong = [f"{name} is {found[name]}" for name in MUST_BE_ZERO if found[name] != 0]
    if found["repeated_mails"] > found["repeated_mails_allowed"]:
        wrong.append(f"{found['repeated_mails']} mails were repeated, at most {found['repeated_mails_allowed']} may be")
    if found["mails"] != options.mails:
        wrong.append(f"{found['mails']} of {options.mails} mails were sent")
    wrong += [f"not quiet in time: {count} {name}" for name, count in waiting.items()]
    unharmed = [name for name in SERVERS if found["kills"][name] < options.server_kills]
    least = options.feed_seconds / options.kill_every / 2  # the others fall while one is away already
    if sum(found["kills"][name] for name in options.services) < least:
        wrong.append("services were not killed often enough")
    wrong += [f"{name} was not killed often enough" for name in unharmed]
    return wrong


def exit_code(wrong: Sequence[str], chosen: Options) -> int:
    """Return the exit status: 0 for a good run and 1 for a bad one; of a broken build 1 when it was caught, 2 when not."""
    if chosen.broken:
        return 2 if wrong else 1
    return 1 if wrong else 0


def not_caught(found: Mapping[str, Any], received: int, waiting: Mapping[str, int], broken: str) -> list[str]:
    """Return why a broken build was not caught; empty: it was.

    It must work but for what was taken out: a build that does nothing at all loses everything, and shows nothing. Nor may
    it still be at work: what is missing could come.
    """
    if waiting:
        return [f"not quiet in time: {count} {name}" for name, count in waiting.items()]
    if received < found["mails"] * THROUGH:
        return [f"only {received} of {found['mails']} mails came through: it is broken in another way than meant"]
    counters = CAUGHT_BY[broken]
    return [] if any(found[counter] > 0 for counter in counters) else [f"{' and '.join(counters)} saw nothing"]


def write(found: Mapping[str, Any], broken: str, folder: Path) -> Path:
    path = folder / (f"faults-{broken}.json" if broken else "faults.json")
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return path


def show(found: Mapping[str, Any], findings: Findings, console: Console, title: str = "Fault run") -> None:
    """Print the counts, and the first of what is wrong."""
    table = Table(title=title)
    for column in ("what", "count", "must be"):
        table.add_column(column)
    table.add_row("mails sent", str(found["mails"]), "")
    if any(found["kills"].values()):
        table.add_row("killed", ", ".join(f"{name} {count}" for name, count in found["kills"].items()), "")
    for name in MUST_BE_ZERO:
        table.add_row(name.replace("_", " "), "not asked" if found[name] is None else str(found[name]), "0")
    table.add_row("repeated mails", str(found["repeated_mails"]), f"at most {found['repeated_mails_allowed']}")
    console.print(table)
    for name in findings.counts:
        lines: list[str] = getattr(findings, name)
        for line in lines[:_SHOWN]:
            console.print(f"{name}: {line}", markup=False, highlight=False, soft_wrap=True)
        if len(lines) > _SHOWN:
            console.print(f"{name}: ... and {len(lines) - _SHOWN} more")
