"""What the commands about one account need: its configuration, the database, a mail server, errors in plain words."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError
from postroom_contracts.configuration import Configuration, ConfigurationApplied, MailAccount
from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.clock import Clock, SystemClock
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.configuration_file import ConfigurationFileError, load_configuration
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.oauth import AccessTokens, AuthorisationError, TokenRefusedError, open_grants, refreshed
from postroom_runtime.oauth_cipher import TokenKeyError
from postroom_runtime.oauth_grants import GrantStore
from postroom_runtime.secrets import MissingSecretError
from postroom_runtime.stored_secrets import open_secrets

from postroom_ingest.adapters.imap import MailLoginError, MailServerError
from postroom_ingest.app import IngestSettings
from postroom_ingest.connection import MailboxDoor

CONFIGURATION_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Office:
    """One account and what there is to work on it with."""

    settings: IngestSettings
    clock: Clock
    configurations: Configurations
    account: MailAccount
    mongo_client: Any
    door: MailboxDoor

    @property
    def database(self) -> Any:
        return mongo.database(self.mongo_client, self.settings, "ingest")

    def grants(self) -> GrantStore:
        return open_grants(self.mongo_client, self.settings, self.clock)


@asynccontextmanager
async def office(account_id: str, file: Path | None) -> AsyncIterator[Office]:
    """Open what a command needs; the configuration is the one of `file`, else the one that is applied."""
    settings = IngestSettings()
    clock = SystemClock(settings.clock_offset_seconds)
    configurations = await _configurations(settings, clock, file)
    account = _account(configurations.latest, account_id)
    client = mongo.connect(settings)
    tokens = AccessTokens(lambda: open_grants(client, settings, clock), refreshed, clock)
    try:
        await open_secrets(client, settings, clock).refresh(configurations.latest)
        door = MailboxDoor(tokens, settings.imap_timeout_seconds)
        yield Office(settings, clock, configurations, account, client, door)
    finally:
        await mongo.close(client)


async def _configurations(settings: IngestSettings, clock: Clock, file: Path | None) -> Configurations:
    configurations = Configurations()
    if file is not None:
        loaded = load_configuration(file)
        applied = ConfigurationApplied(configuration_version=1, applied_at=clock.now(), configuration=loaded)
        configurations.add(applied)
        return configurations
    feed = ConfigurationFeed(settings, configurations)
    try:
        await feed.start(CONFIGURATION_SECONDS)
    finally:
        await feed.stop()
    return configurations


def _account(configuration: Configuration, account_id: str) -> MailAccount:
    mail = {a.id: a for a in configuration.accounts if isinstance(a, MailAccount)}
    if account_id not in mail:
        raise fail(f"no mail account {account_id!r}; there is {', '.join(mail) or 'none'}", 2)
    return mail[account_id]


def run(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a command; return its exit status, or raise an exit that says in one line what is wrong."""
    try:
        return asyncio.run(work())
    except ConfigurationFileError as error:
        raise fail("\n".join(map(str, error.problems)), 2) from error
    except (MailLoginError, AuthorisationError, TokenKeyError, MissingSecretError, TokenRefusedError) as error:
        raise fail(str(error)) from error
    except (MailServerError, InfrastructureError, KafkaError, OSError, LookupError, TimeoutError) as error:
        raise fail(f"{error or type(error).__name__}") from error
