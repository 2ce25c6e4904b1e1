"""`postroom ingest connect ACCOUNT`: a person grants access to a mailbox; the grant is stored encrypted and tried out."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from postroom_contracts.configuration import MailAccount, OAuth
from postroom_runtime.cli import fail
from postroom_runtime.oauth_grants import Tokens
from postroom_runtime.oauth_providers import endpoints_of

from postroom_ingest.adapters.oauth_flows import code_flow, device_flow
from postroom_ingest.cli_office import Office, office, run

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Configuration file; without it the one that is applied.")
]


class Flow(StrEnum):
    DEVICE = "device"
    CODE = "code"


def connect(
    account: Annotated[str, typer.Argument(help="Id of a mail account that has `oauth`.")],
    config: ConfigFile = None,
    flow: Annotated[
        Flow | None, typer.Option(help="device: a code typed into any browser; code: a browser on this machine.")
    ] = None,
    port: Annotated[int, typer.Option(help="Loopback port that the browser is sent back to; 0: a free one.")] = 0,
    patience: Annotated[float, typer.Option(help="Seconds that you have for it.")] = 600.0,
) -> None:
    """Get a mailbox's OAuth grant: log in at the provider once; tokens are renewed from then on."""

    async def work() -> int:
        async with office(account, config) as here:
            return await _connect(here, flow, port, patience)

    raise typer.Exit(run(work))


async def _connect(here: Office, flow: Flow | None, port: int, patience: float) -> int:
    account = here.account
    if account.oauth is None:
        raise fail(f"account {account.id} has no `oauth`; it logs in by its password", 2)
    grants = here.grants()  # a missing key is told before anybody logs in
    tokens = await _granted(account.oauth, here, flow, port, patience)
    if tokens.refresh_token is None:
        raise fail("the provider gave no refresh token: the scopes must ask for offline access")
    await grants.replace(account.id, tokens)
    typer.echo(f"{account.id}: grant stored")
    return await _try_out(here, account)


async def _granted(oauth: OAuth, here: Office, flow: Flow | None, port: int, patience: float) -> Tokens:
    chosen = flow or (Flow.DEVICE if endpoints_of(oauth).device_url else Flow.CODE)
    if chosen is Flow.DEVICE:
        return await device_flow(oauth, here.clock, typer.echo, patience)
    return await code_flow(oauth, here.clock, typer.echo, patience, port)


async def _try_out(here: Office, account: MailAccount) -> int:
    """Log in as ingest will, so that a mailbox of somebody else is noticed now."""
    if account.imap is None:
        return 0
    session = (await here.door.open(account)).session
    try:
        folder = await session.select(account.imap.folders[0])
    finally:
        await session.close()
    typer.echo(f"{account.id}: logged in as {account.imap.user}, {folder.exists} mails in {account.imap.folders[0]}")
    return 0
