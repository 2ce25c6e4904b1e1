"""`postroom secret ...`: credentials sealed in the database, which the configuration names `stored: NAME`.

A value comes from standard input or a prompt, never from the command line, where other users of the machine could read it.
"""

import asyncio
import getpass
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer
from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.clock import Clock, SystemClock
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.oauth_grants import DATABASE as GRANTS
from postroom_runtime.oauth_grants import rewritten_grants
from postroom_runtime.secret_cipher import Sealer, SealError
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stored_secrets import (
    DATABASE,
    MAX_CHARACTERS,
    MongoSecretStore,
    SecretStore,
    is_old,
    sealer_of,
    stored_names,
)

from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_desk.adapters.people_store import MongoPeople
from postroom_desk.audit.command import command_user, record_command
from postroom_desk.identity.second_factor import sealed_name

T = TypeVar("T")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
app = typer.Typer(help="Credentials sealed in the database.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and hyphens.")]


@dataclass(frozen=True, slots=True)
class Vault:
    """What the commands work on."""

    settings: RuntimeSettings
    clock: Clock
    client: Any
    store: SecretStore

    def sealer(self) -> Sealer:
        """Raises SealError."""
        return sealer_of(self.settings)

    def database(self, name: str) -> Any:
        return mongo.database(self.client, self.settings, name)

    async def did(self, action: str, about: str = "", **details: str) -> None:
        """Tell the audit, never a value. Raises InfrastructureError."""
        await record_command(self.database("desk"), self.clock, action, about, **details)


def register(parent: typer.Typer) -> None:
    """Hang these commands under the one program."""
    parent.add_typer(app, name="secret")


@app.command("set")
def put(name: Name) -> None:
    """Seal a value under NAME; a new one takes the place of the old within seconds. From standard input, or asked for."""
    if not _NAME.fullmatch(name):
        raise typer.BadParameter("a name is made of lower-case letters, digits and hyphens, at most 63")
    value = _value()

    async def work(vault: Vault) -> None:
        await vault.store.put(name, vault.sealer().seal(value, name), vault.clock.now(), command_user())
        await vault.did("secret-set", name)

    _with_vault(work)
    typer.echo(f"stored; the configuration names it {{stored: {name}}}")


def _value() -> str:
    if sys.stdin.isatty():
        value = getpass.getpass("Value (not shown): ")
        if value != getpass.getpass("The same again: "):
            raise typer.BadParameter("the two values are not the same")
    else:
        value = sys.stdin.read(MAX_CHARACTERS + 2).removesuffix("\n").removesuffix("\r")
    if not value or len(value) > MAX_CHARACTERS:
        raise typer.BadParameter(f"the value is empty, or has more than {MAX_CHARACTERS} characters")
    return value


@app.command("list")
def show() -> None:
    """List names, ages and keys; never a value."""

    async def work(vault: Vault) -> list[str]:
        keys = vault.settings.sealer_keys()
        newest = Sealer(keys).key_id if keys else ""
        latest = await MongoConfigurationStore(vault.database("desk")).latest()
        used = stored_names(latest.configuration) if latest else frozenset()
        lines, now = [], vault.clock.now()
        for secret in await vault.store.all():
            days = vault.settings.secret_reminder_days
            marks = [
                *(["old: set it anew"] if is_old(secret, now, days) else []),
                *(["under an older key: postroom secret rotate-key"] if secret.key_id != newest else []),
                *([] if secret.name in used else ["not in the configuration"]),
            ]
            age = f"{(now - secret.set_at).days} d"
            lines.append(f"{secret.name:32} {age:>7} key {secret.key_id}  {'; '.join(marks)}".rstrip())
        return lines

    lines = _with_vault(work)
    typer.echo("\n".join(lines) if lines else "nothing is stored")


@app.command("remove")
def remove(
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Also when the configuration refers to it.")] = False,
) -> None:
    """Remove a secret for good."""

    async def work(vault: Vault) -> bool:
        latest = await MongoConfigurationStore(vault.database("desk")).latest()
        if latest is not None and name in stored_names(latest.configuration) and not force:
            raise fail(f"the configuration refers to {name}; --force removes it all the same")
        removed = await vault.store.remove(name)
        if removed:
            await vault.did("secret-removed", name)
        return removed

    if not _with_vault(work):
        raise fail(f"nothing is stored as {name}")
    typer.echo(f"{name} is removed")


@app.command("rotate-key")
def rotate_key() -> None:
    """Put everything that is sealed under the newest key of POSTROOM_SECRETS_KEY; then the older ones can be taken out."""

    async def work(vault: Vault) -> str:
        sealer = vault.sealer()
        secrets = [await _rewrapped(vault.store, sealer, s) for s in await vault.store.all()]
        people = MongoPeople(vault.database("desk"))
        factors = 0
        for person in await people.all():
            if person.second_factor is not None:
                sealed = sealer.rewrapped(person.second_factor, sealed_name(person.agent_id))
                factors += await people.rewrap_second_factor(person, sealed)
        grants = await rewritten_grants(vault.database(GRANTS), vault.settings)
        await vault.did("secrets-key-rotated", sealer.key_id)
        return f"{sum(secrets)} secrets, {factors} second factors, {grants} grants are under key {sealer.key_id} now"

    typer.echo(_with_vault(work))


async def _rewrapped(store: SecretStore, sealer: Sealer, secret: Any) -> bool:
    sealed = sealer.rewrapped(secret.sealed, secret.name)
    return sealed != secret.sealed and await store.rewrap(secret, sealed)


def _with_vault(work: Callable[[Vault], Awaitable[T]]) -> T:
    try:
        return asyncio.run(_connected(work))
    except SealError as error:
        raise fail(str(error.args[0])) from error
    except InfrastructureError as error:
        raise fail(f"{error} (POSTROOM_MONGO_URI)") from error


async def _connected(work: Callable[[Vault], Awaitable[T]]) -> T:
    settings = RuntimeSettings()
    client = mongo.connect(settings)
    try:
        store = MongoSecretStore(mongo.database(client, settings, DATABASE))
        return await work(Vault(settings, SystemClock(settings.clock_offset_seconds), client, store))
    finally:
        await mongo.close(client)
