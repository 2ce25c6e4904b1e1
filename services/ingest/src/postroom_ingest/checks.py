"""What `postroom doctor` asks of ingest: its indexes, and whether each mailbox lets us in."""

import asyncio
from collections.abc import Sequence

from postroom_contracts.configuration import Configuration, MailAccount
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.findings import ANSWER_SECONDS, Finding, indexes
from postroom_runtime.oauth import AccessTokens, open_grants, refreshed
from postroom_runtime.settings import RuntimeSettings

from postroom_ingest.adapters.imap import MailLoginError
from postroom_ingest.app import Ingest
from postroom_ingest.connection import MailboxDoor


async def check(settings: RuntimeSettings, configuration: Configuration | None) -> Sequence[Finding]:
    accounts = [a for a in configuration.accounts if isinstance(a, MailAccount) and a.imap] if configuration else []
    found = [await indexes(settings, Ingest())]
    if not accounts:
        return found
    client = mongo.connect(settings.model_copy(update={"mongo_timeout_seconds": ANSWER_SECONDS}))
    clock = SystemClock(settings.clock_offset_seconds)
    door = MailboxDoor(AccessTokens(lambda: open_grants(client, settings, clock), refreshed, clock), ANSWER_SECONDS)
    try:
        return [*found, *await asyncio.gather(*(_mailbox(door, account) for account in accounts))]
    finally:
        await mongo.close(client)


async def _mailbox(door: MailboxDoor, account: MailAccount) -> Finding:
    """Log in, look, log out. Nothing is read or changed."""
    name = f"mailbox {account.id}"
    assert account.imap is not None
    try:
        async with asyncio.timeout(ANSWER_SECONDS * 2):
            connection = await door.open(account)
            try:
                exists = [(await connection.session.select(f, read_only=True)).exists for f in account.imap.folders]
            finally:
                await connection.session.close()
    except MailLoginError as error:
        return Finding(name, False, str(error), "look at user and password, then `postroom config apply FILE`")
    except Exception as error:  # noqa: BLE001 - whatever a server makes of us
        remedy = f"look at host, port and tls of {account.id}; is the server reached from here?"
        return Finding(name, False, str(error) or type(error).__name__, remedy)
    return Finding(name, True, f"logged in, {sum(exists)} mails in {len(exists)} folder(s)")
