"""`postroom ingest import ACCOUNT --since DATE`: history into conversations that wake nobody."""

import sys
from datetime import date, datetime
from typing import Annotated

import typer
from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.kafka import Publisher
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.cli_connect import ConfigFile
from postroom_ingest.cli_office import Office, office, run
from postroom_ingest.history import HistoryImport, Imported, NotYetReadError
from postroom_ingest.intake import IntakeStore
from postroom_ingest.taking import MailTaker


def import_history(
    account: Annotated[str, typer.Argument(help="Id of a mail account.")],
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day that is taken in.")],
    folder: Annotated[
        list[str] | None, typer.Option(help="A folder; several times for several. Without: those that are read.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Take in the mails of the past. They become resolved conversations: no clock, no notification, no owner.

    What came since the account was connected is left to ingest. Interrupted, it goes on when it is run again.
    """

    async def work() -> int:
        async with office(account, config) as here:
            return await _import(here, folder or [], since.date())

    raise typer.Exit(run(work))


async def _import(here: Office, folders: list[str], since: date) -> int:
    if here.account.imap is None:
        raise fail(f"account {here.account.id} has no `imap`", 2)
    ledger = MongoLedger(here.database, here.clock)
    await ledger.prepare()
    content = MongoContentStore(mongo.database(here.mongo_client, here.settings, "content"))
    intake = IntakeStore(ledger, content, Publisher(here.settings))
    taker = MailTaker(here.configurations, ledger, intake, here.clock)
    history = HistoryImport(here.account, here.door, ledger, taker, here.clock)
    missing = 0
    for folder in folders or here.account.imap.folders:
        done = await _one_folder(history, folder, since)
        typer.echo(_told(here.account.id, folder, done))
        missing += done.missing
    typer.echo("published by `postroom run ingest` while it runs")
    return 1 if missing else 0


async def _one_folder(history: HistoryImport, folder: str, since: date) -> Imported:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(folder, total=None)
        try:
            return await history.run(folder, since, lambda done, of: bar.update(task, completed=done, total=of))
        except NotYetReadError as error:
            raise fail(str(error)) from error


def _told(account_id: str, folder: str, done: Imported) -> str:
    text = f"{account_id} {folder}: {done.taken} mails taken in as history, {done.known} known before, {done.live} are ingest's"
    return text + (f", {done.missing} not given by the server" if done.missing else "")
