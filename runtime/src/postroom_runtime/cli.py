"""The program `postroom`: its sub-commands come from the installed packages by the entry point group `postroom.commands`."""

import sys
from importlib.metadata import entry_points

import typer
from pydantic import ValidationError
from rich.console import Console

COMMANDS = "postroom.commands"
_errors = Console(stderr=True, highlight=False)


def build(wanted: str = "") -> typer.Typer:
    """Return the application with the installed sub-commands.

    Only those of the entry points `wanted` and `wanted-...` are loaded when there are such: a service starts without
    importing the other packages.
    """
    app = typer.Typer(
        no_args_is_help=True, add_completion=False, help="Postroom: a shared inbox as event-driven services."
    )
    app.callback()(_root)
    every = sorted(entry_points(group=COMMANDS), key=lambda e: e.name)
    chosen = [found for found in every if found.name == wanted or (wanted and found.name.startswith(f"{wanted}-"))]
    for found in chosen or every:
        found.load()(app)
    return app


def _root() -> None:
    """Postroom: a shared inbox as event-driven services."""


def main() -> None:
    """Run the program. Settings that do not fit are named with their environment variable, without a traceback."""
    try:
        build(next((a for a in sys.argv[1:] if not a.startswith("-")), ""))()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = "".join(f"_{part}" for part in problem["loc"]).upper()
            where = f"POSTROOM{name}: " if name else ""  # a rule over several settings names them in its text
            _errors.print(f"[red]error:[/red] {where}{problem['msg']}")
        sys.exit(2)


def fail(message: str, code: int = 1) -> typer.Exit:
    """Print `message` to standard error; return what the caller raises."""
    _errors.print(f"[red]error:[/red] {message}")
    return typer.Exit(code)


if __name__ == "__main__":
    main()
