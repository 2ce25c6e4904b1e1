"""`postroom ingest audit ACCOUNT`: for each mail on the server, what became of it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from postroom_runtime.cli import fail

from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.audit import Auditor, FolderAudit
from postroom_ingest.cli_connect import ConfigFile
from postroom_ingest.cli_office import Office, office, run


def audit(
    account: Annotated[str, typer.Argument(help="Id of a mail account.")],
    folder: Annotated[
        list[str] | None, typer.Option(help="A folder; several times for several. Without: those that are read.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Only the counts, and the mails that are missing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    config: ConfigFile = None,
) -> None:
    """Compare the mailbox with the ledger, mail by mail. Exit status 1 when a mail is missing. Changes nothing."""

    async def work() -> int:
        async with office(account, config) as here:
            return await _audit(here, folder or [], summary=summary, as_json=as_json)

    raise typer.Exit(run(work))


async def _audit(here: Office, folders: list[str], *, summary: bool, as_json: bool) -> int:
    if here.account.imap is None:
        raise fail(f"account {here.account.id} has no `imap`", 2)
    auditor = Auditor(here.account, here.door, MongoLedger(here.database, here.clock))
    missing = 0
    for folder in folders or here.account.imap.folders:
        found = await auditor.audit(folder)
        missing += found.counts["missing"]
        (_print_json if as_json else _print_text)(found, summary=summary)
    return 1 if missing else 0


def _print_json(found: FolderAudit, *, summary: bool) -> None:
    place = {"folder": found.folder, "uidvalidity": found.uidvalidity}
    for line in found.lines:
        if not summary or line.became == "missing":
            typer.echo(json.dumps({**place, **asdict(line)}, ensure_ascii=False))
    typer.echo(
        json.dumps({**place, "on_server": len(found.lines), **found.counts, "gone": found.gone}, ensure_ascii=False)
    )


def _print_text(found: FolderAudit, *, summary: bool) -> None:
    for line in found.lines:
        if not summary or line.became == "missing":
            typer.echo(f"{found.folder} {line.uid} {line.became} {line.ledger_id} {line.detail}".rstrip())
    counts = ", ".join(f"{count} {name}" for name, count in found.counts.items())
    typer.echo(
        f"{found.folder}: {len(found.lines)} on the server: {counts}; {found.gone} in the ledger are there no more"
    )
