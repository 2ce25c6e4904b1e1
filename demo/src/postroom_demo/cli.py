"""`postroom demo`: a small company on this machine. `postroom demo send TEXT`: one mail to it."""

from pathlib import Path
from typing import Annotated

import httpx
import typer
from postroom_local.errors import LocalServerError
from postroom_runtime.cli import fail

from postroom_demo.place import DemoError, Place

demo_app = typer.Typer(
    help="A small company with real Kafka, MongoDB and mail on this machine; Ctrl-C ends it.",
    invoke_without_command=True,
)
Data = Annotated[Path, typer.Option("--data", help="Where conversations, mail and logs are kept.")]
DEFAULT_DATA = Path(".demo")
LEAST_SECONDS = 60


def register(app: typer.Typer) -> None:
    """Add the command `demo` to the program."""
    app.add_typer(demo_app, name="demo")


@demo_app.callback()
def demo(
    context: typer.Context,
    run_for: Annotated[
        int | None,
        typer.Option("--for", min=LEAST_SECONDS, metavar="SECONDS", help="End by itself, and check every mail."),
    ] = None,
    clock_offset: Annotated[float, typer.Option(help="Seconds that all services' clocks are moved by.")] = 0.0,
    record: Annotated[Path | None, typer.Option(help="With --for: write the topics to this directory.")] = None,
    port: Annotated[int | None, typer.Option(min=1024, max=65535, help="Port of the page; else a free one.")] = None,
    smtp_port: Annotated[int | None, typer.Option(min=1024, max=65535, help="Port of SMTP; else a free one.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Start the company and keep sending it mail."""
    if context.invoked_subcommand is not None:
        return
    from postroom_demo.run import Options, run  # noqa: PLC0415 - heavy, and not needed by other commands

    try:
        code = run(Options(data, run_for, clock_offset, record, port, smtp_port))
    except (DemoError, LocalServerError) as error:
        raise fail(str(error)) from error
    raise typer.Exit(code)


@demo_app.command("send")
def send(
    text: Annotated[str, typer.Argument(help="What the mail says.")],
    sender: Annotated[str, typer.Option("--from", help="Whose mail it is.")] = "",
    to: Annotated[str, typer.Option(help="support@, sales@ or billing@velo.example.")] = "",
    subject: Annotated[str, typer.Option(help="Else the text's first line.")] = "",
    data: Data = DEFAULT_DATA,
) -> None:
    """Send a mail to the running demo over SMTP."""
    try:
        state = Place(data).read_state()
        mail = {"text": text, "sender": sender, "to": to, "subject": subject}
        answer = httpx.post(f"{state['controls']}/send", json=mail, timeout=30, trust_env=False)
    except DemoError as error:
        raise fail(str(error)) from error
    except httpx.HTTPError as error:
        raise fail(f"the demo of {data} does not answer ({type(error).__name__}); is it still running?") from error
    if answer.is_error:
        raise fail(answer.json().get("detail", answer.text))
    typer.echo(f"sent {answer.json()['message_id']}; look at {state['page']}/conversations?sort=newest")
