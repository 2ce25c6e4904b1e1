"""What `postroom doctor` asks of the notifier: its indexes, and whether each mail server takes our connection."""

import asyncio
from collections.abc import Sequence

from postroom_contracts.configuration import Configuration, MailAccount
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.findings import ANSWER_SECONDS, Finding, indexes
from postroom_runtime.oauth import AccessTokens, open_grants, refreshed
from postroom_runtime.settings import RuntimeSettings

from postroom_notifier.adapters.smtp import SmtpMailSender
from postroom_notifier.app import Notifier
from postroom_notifier.settings import NotifierSettings


async def check(settings: RuntimeSettings, configuration: Configuration | None) -> Sequence[Finding]:
    accounts = [a for a in configuration.accounts if isinstance(a, MailAccount) and a.smtp] if configuration else []
    found = [await indexes(settings, Notifier())]
    if not accounts:
        return found
    client = mongo.connect(settings.model_copy(update={"mongo_timeout_seconds": ANSWER_SECONDS}))
    clock = SystemClock(settings.clock_offset_seconds)
    tokens = AccessTokens(lambda: open_grants(client, settings, clock), refreshed, clock)
    sender = SmtpMailSender(NotifierSettings(), tokens)
    try:
        return [*found, *await asyncio.gather(*(_server(sender, account) for account in accounts))]
    finally:
        await sender.close()
        await mongo.close(client)


async def _server(sender: SmtpMailSender, account: MailAccount) -> Finding:
    """Connect and log in; no mail is sent."""
    name = f"mail server of {account.id}"
    try:
        async with asyncio.timeout(ANSWER_SECONDS * 2):
            await sender.greet(account)
    except Exception as error:  # noqa: BLE001 - whatever a server makes of us
        remedy = f"look at smtp of {account.id}: host, port, tls, user, password; is the server reached from here?"
        return Finding(name, False, type(error).__name__, remedy)
    return Finding(name, True, "takes our connection")
