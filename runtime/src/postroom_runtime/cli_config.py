"""`postroom config`: checks the configuration file; other commands of the group are added by `register`."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from postroom_contracts.configuration import Configuration
from postroom_contracts.configuration_checks import compressed_bytes, shown, warnings

from postroom_runtime.configuration_file import ConfigurationFileError, load_configuration, unresolved_secrets
from postroom_runtime.stored_secrets_check import unreadable_stored

config = typer.Typer(no_args_is_help=True, help="Check and apply the configuration of the company.")
_SECTIONS = ("inboxes", "teams", "agents", "calendars", "accounts", "policies", "tags", "rules")


def register(app: typer.Typer) -> None:
    """Add the group `config` to the program."""
    app.add_typer(config, name="config")


@config.callback()
def _group() -> None:
    """Keep `check` a sub-command also while it is the only one."""


@config.command()
def check(
    file: Annotated[Path, typer.Argument(help="The configuration file (YAML).")],
    secrets: Annotated[
        bool,
        typer.Option(
            "--secrets",
            help="Also fail when a secret that it refers to is not here, or not stored (POSTROOM_MONGO_URI).",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print problems as JSON, for programs.")] = False,
) -> None:
    """Say what is wrong with FILE, line by line, and exit 1; or what is in it, and exit 0. Changes nothing."""
    try:
        configuration = load_configuration(file)
    except ConfigurationFileError as error:
        rows = [{"file": p.file, "line": p.line, "field": p.field, "message": p.message} for p in error.problems]
        _report([str(problem) for problem in error.problems], rows, as_json=as_json)
        raise typer.Exit(1) from error
    missing = unresolved_secrets(configuration, os.environ)
    if secrets:
        missing += unreadable_stored(configuration)
    if missing and secrets:
        rows = [{"file": str(file), "line": None, "field": m.field, "message": m.message} for m in missing]
        _report([f"{file}: {m}" for m in missing], rows, as_json=as_json)
        raise typer.Exit(1)
    if as_json:
        typer.echo("[]")
        return
    typer.echo(f"{file}: in order: {summary(configuration)}")
    for secret in missing:
        typer.echo(f"{file}: note: {secret}", err=True)
    for warning in warnings(configuration):
        typer.echo(f"{file}: warning: {shown(warning.path)}: {warning.message}", err=True)


def summary(configuration: Configuration) -> str:
    """Return what the configuration holds, such as `3 inboxes, 3 teams, ...; 2 kB compressed`."""
    counts = [f"{len(getattr(configuration, section))} {section}" for section in _SECTIONS]
    return f"{', '.join(counts)}; {compressed_bytes(configuration) / 1000:.1f} kB compressed"


def _report(lines: list[str], rows: list[dict[str, str | int | None]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for line in lines:
        typer.echo(line, err=True)
    typer.echo(f"{len(lines)} {'problem' if len(lines) == 1 else 'problems'}", err=True)
