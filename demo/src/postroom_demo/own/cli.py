"""`postroom init`: from one mailbox and a list of people to a checked configuration."""

import os
from pathlib import Path
from typing import Annotated

import typer
from postroom_runtime.cli import fail
from postroom_runtime.configuration_file import ConfigurationFileError, load_configuration

from postroom_demo.own.people import PeopleError, Person, read_people
from postroom_demo.own.trial import Mailbox, TrialError, try_imap, try_smtp
from postroom_demo.own.writing import Answers, as_yaml, configuration
from postroom_demo.place import write_private

IMAPS, IMAP, SUBMISSION, SUBMISSIONS = 993, 143, 587, 465


def register(app: typer.Typer) -> None:
    app.command("init")(init)


def init(
    host: Annotated[str, typer.Option(help="IMAP server.")] = "",
    user: Annotated[str, typer.Option(help="Who logs in.")] = "",
    inbox: Annotated[str, typer.Option(help="The shared address, such as support@example.org.")] = "",
    people: Annotated[Path | None, typer.Option(help="CSV with the columns name, mail, team, time zone.")] = None,
    password_env: Annotated[str, typer.Option(help="Environment variable that holds the password.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="File that holds the password.")] = None,
    port: Annotated[int, typer.Option(help="Of IMAP; 0: 993 with TLS, 143 without.")] = 0,
    tls: Annotated[bool, typer.Option(help="Of IMAP.")] = True,
    smtp_host: Annotated[str | None, typer.Option(help="'' for none; else asked for.")] = None,
    smtp_port: Annotated[int, typer.Option(help="0: 587, with implicit TLS 465.")] = 0,
    smtp_tls: Annotated[str, typer.Option(help="starttls, implicit or none.")] = "starttls",
    smtp_user: Annotated[str | None, typer.Option(help="'' for no log-in; else the user of IMAP.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Authorities of your own.")] = None,
    company: Annotated[str, typer.Option(help="Else the domain of the inbox.")] = "",
    answer_address: Annotated[
        str, typer.Option(help="Where agents' answers by mail come in (address+anything must arrive there too).")
    ] = "",
    test_mail: Annotated[str, typer.Option(help="Send one mail there, to see that it arrives.")] = "",
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("company.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Ask for one mailbox and a list of people, try both servers, and write a checked configuration.

    What an option says is not asked; with all of them (and a password by --password-env or --password-file) nothing is.
    """
    if output.exists() and not force:
        raise fail(f"{output} is there already: --force writes over it, --output names another", 2)
    if smtp_tls not in ("starttls", "implicit", "none"):
        raise fail(f"--smtp-tls {smtp_tls}: one of starttls, implicit, none", 2)
    host = host or _asked("IMAP server")
    user = user or _asked("User")
    inbox = inbox or _asked("Shared address", user if "@" in user else None)
    smtp_host = _asked("SMTP server", host.replace("imap", "smtp")) if smtp_host is None else smtp_host
    password, secret = _password(password_env, password_file, output)
    mailbox = Mailbox(
        host=host,
        port=port or (IMAPS if tls else IMAP),
        tls=tls,
        user=user,
        password=password,
        smtp_host=smtp_host or None,
        smtp_port=smtp_port or (SUBMISSIONS if smtp_tls == "implicit" else SUBMISSION),
        smtp_tls=smtp_tls,
        smtp_user=user if smtp_user is None else smtp_user or None,
        ca_file=str(ca_file.absolute()) if ca_file else None,
    )
    _try_out(mailbox, inbox, test_mail or None)
    listed = _people(people or Path(_asked("CSV of people (name, mail, team, time zone)", "people.csv")))
    name = company or inbox.rpartition("@")[2]
    _write(output, Answers(name, inbox, mailbox, secret, listed, answer_address or None), password)


def _asked(what: str, default: str | None = None) -> str:
    return str(typer.prompt(what, default=default, err=True))


def _password(env: str, file: Path | None, output: Path) -> tuple[str, dict[str, str]]:
    """Return the password and the reference to it; one that is typed in is kept in a private file beside the configuration."""
    if env:
        if not os.environ.get(env):
            raise fail(f"the environment has no {env}: `export {env}=...`, or leave --password-env out to be asked", 2)
        return os.environ[env], {"env": env}
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n"), {"file": str(file.absolute())}
        except OSError as error:
            raise fail(f"{file}: cannot be read: {error.strerror}", 2) from error
    typed = str(typer.prompt("Password", hide_input=True, err=True))
    kept = output.absolute().with_name(f"{output.stem}.password")
    return typed, {"file": str(kept)}


def _try_out(mailbox: Mailbox, inbox: str, test_mail: str | None) -> None:
    try:
        count = try_imap(mailbox)
        typer.echo(f"IMAP: logged in as {mailbox.user}, {count} mails in INBOX")
        if mailbox.smtp_host is None:
            typer.echo("SMTP: none; nothing can be sent")
            return
        try_smtp(mailbox, inbox, test_mail)
        typer.echo(f"SMTP: {f'one mail is on its way to {test_mail}' if test_mail else f'takes mail from {inbox}'}")
    except TrialError as error:
        raise fail(f"{error}. Nothing was written.") from error


def _people(file: Path) -> list[Person]:
    try:
        return read_people(file)
    except PeopleError as error:
        raise fail(f"{error}\nNothing was written.") from error


def _write(output: Path, answers: Answers, password: str) -> None:
    """Write the file only as a whole and only if it is in order."""
    partial = output.with_name(output.name + ".partial")
    partial.write_text(as_yaml(configuration(answers)), encoding="utf-8")
    try:
        load_configuration(partial)
    except ConfigurationFileError as error:
        partial.unlink()
        raise fail("\n".join(f"{p.field}: {p.message}" for p in error.problems) + "\nNothing was written.") from error
    kept = Path(answers.secret.get("file", ""))
    if kept == output.absolute().with_name(f"{output.stem}.password"):
        write_private(kept, password)
    partial.replace(output)
    typer.echo(f"{output} is written. Next: postroom run --local all --config {output}")
