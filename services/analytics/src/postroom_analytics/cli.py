"""`postroom analytics`: metrics from the command line."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from postroom_analytics.domain.cells import TOTAL, Cell
from postroom_analytics.domain.figures import figures
from postroom_analytics.domain.log import FoldedLog
from postroom_analytics.domain.recorded import RecordedLogError, read_log
from postroom_analytics.domain.rollup import summarise

analytics_app = typer.Typer(help="Response times, resolutions and SLA results.", no_args_is_help=True)
KINDS = (
    "first_response",
    "first_response_handoff",
    "next_response",
    "resolution",
    "net_resolution",
    "first_resolution",
    "full_resolution",
    "net_full_resolution",
)


def register(app: typer.Typer) -> None:
    """Add `analytics` to the program."""
    app.add_typer(analytics_app, name="analytics")


@analytics_app.callback()
def analytics() -> None:
    """Response times, resolutions and SLA results."""


@analytics_app.command()
def fold(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Recorded log, JSON Lines.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Print the metrics of a recorded log."""
    log = FoldedLog()
    try:
        with file.open(encoding="utf-8") as lines:
            log.fold(read_log(lines))
    except RecordedLogError as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(2) from error
    result = report(log)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    console = Console()
    console.print(_conversations(result), _summary(result))


def report(log: FoldedLog) -> dict[str, Any]:
    """Return `conversations` (figures of each) and `summary` (count, mean, percentiles of each kind over all)."""
    conversations = []
    for conversation_id in sorted(log.states):
        state = log.state(conversation_id)
        if state is not None:
            conversations.append(figures(state, log.rows_of(conversation_id)))
    total = log.rollups.get(Cell(TOTAL, "all", ""), {})
    return {"conversations": conversations, "summary": {kind: _summary_of(total, kind) for kind in KINDS}}


def _summary_of(total: dict[str, Any], kind: str) -> dict[str, Any]:
    summary = summarise([total], kind)
    clocks = {"wall": summary.wall, "business": summary.business}
    return {
        **{
            name: {"count": c.count, "mean": c.mean, "p50": c.p50, "p90": c.p90, "p95": c.p95}
            for name, c in clocks.items()
        },
        "outcomes": summary.outcomes,
    }


def _conversations(result: dict[str, Any]) -> Table:
    table = Table(title="Conversations (wall/business)")
    for column in ("conversation", "first", "next", "resolution", "net", "full", "unanswered", "now"):
        table.add_column(column, overflow="fold")
    for conversation in result["conversations"]:
        table.add_row(
            conversation["conversation"],
            _pair(conversation["first_response"]),
            *(
                "\n".join(_pair(figure) for figure in conversation[kind])
                for kind in ("next_response", "resolution", "net_resolution")
            ),
            _pair(conversation["full_resolution"]),
            str(len(conversation["unanswered"])),
            ", ".join(mark for mark in ("open", "unattended", "unassigned", "never_answered") if conversation[mark]),
        )
    return table


def _summary(result: dict[str, Any]) -> Table:
    table = Table(title="All of them")
    for column in ("kind", "clock", "count", "mean", "p50", "p90", "p95"):
        table.add_column(column, overflow="fold")
    for kind, summary in result["summary"].items():
        for clock in ("wall", "business"):
            values = summary[clock]
            if values["count"]:
                shares = (_duration(values[name]) for name in ("mean", "p50", "p90", "p95"))
                table.add_row(kind, clock, str(values["count"]), *shares)
    return table


def _pair(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return "-"
    mark = " breached" if figure.get("breached") else ""
    return f"{_duration(figure['wall_seconds'])}/{_duration(figure['business_seconds'])}{mark}"


def _duration(seconds: float | None) -> str:
    """Return such as `66h`, `13h15m`, `5m20s`; `-` for what is undefined."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0s"
