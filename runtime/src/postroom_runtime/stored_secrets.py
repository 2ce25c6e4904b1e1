"""Secrets that lie sealed in MongoDB and are named `stored: NAME`: one shared database, since several services read them.

A service reads those that its configuration names, again every few seconds, so that a new credential counts without a
restart. What was read stays in use while MongoDB is away.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from postroom_contracts.configuration import Configuration

from postroom_runtime import mongo, secrets
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_file import secret_references
from postroom_runtime.errors import translated
from postroom_runtime.metrics import SECRETS_MISSING, SECRETS_OLD
from postroom_runtime.mongo import Database
from postroom_runtime.secret_cipher import HOW, Sealer, SealError, key_id_of
from postroom_runtime.settings import RuntimeSettings

log = structlog.get_logger(__name__)
DATABASE = "secrets"
REFRESH_SECONDS = 3.0
REMIND_SECONDS = 86_400.0
MAX_CHARACTERS = 65_536


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One secret as it lies there. `version` rises with each `set` and each new key."""

    name: str
    version: int
    sealed: bytes
    set_at: datetime
    set_by: str = ""

    @property
    def key_id(self) -> str:
        return key_id_of(self.sealed)


class SecretStore(Protocol):
    """Sealed secrets by name. Every call raises InfrastructureError when MongoDB does not answer."""

    async def read(self, names: Iterable[str]) -> list[StoredSecret]: ...

    async def all(self) -> list[StoredSecret]:
        """Return every secret, by name."""
        ...

    async def put(self, name: str, sealed: bytes, at: datetime, by: str) -> None: ...

    async def rewrap(self, secret: StoredSecret, sealed: bytes) -> bool:
        """Store the same secret under another key; False when it was set anew meanwhile."""
        ...

    async def remove(self, name: str) -> bool: ...


class MongoSecretStore:
    """Port SecretStore: collection `secrets`, `_id` is the name."""

    def __init__(self, database: Database) -> None:
        self._secrets = database["secrets"]

    async def read(self, names: Iterable[str]) -> list[StoredSecret]:
        return await self._found({"_id": {"$in": sorted(names)}})

    async def all(self) -> list[StoredSecret]:
        return await self._found({})

    async def _found(self, where: dict[str, Any]) -> list[StoredSecret]:
        async with translated("read secrets"):
            found = await self._secrets.find(where).sort([("_id", 1)]).to_list(length=10_000)
        return [
            StoredSecret(d["_id"], d["version"], bytes(d["sealed"]), d["set_at"], d.get("set_by", "")) for d in found
        ]

    async def put(self, name: str, sealed: bytes, at: datetime, by: str) -> None:
        change = {"$set": {"sealed": sealed, "set_at": at, "set_by": by}, "$inc": {"version": 1}}
        async with translated("store secret"):
            await self._secrets.update_one({"_id": name}, change, upsert=True)

    async def rewrap(self, secret: StoredSecret, sealed: bytes) -> bool:
        where = {"_id": secret.name, "version": secret.version}
        async with translated("store secret"):
            result = await self._secrets.update_one(where, {"$set": {"sealed": sealed}, "$inc": {"version": 1}})
        return bool(result.modified_count)

    async def remove(self, name: str) -> bool:
        async with translated("remove secret"):
            return bool((await self._secrets.delete_one({"_id": name})).deleted_count)


def stored_names(configuration: Configuration) -> frozenset[str]:
    """Return the names of stored secrets that a configuration refers to."""
    references = (reference for _, reference in secret_references(configuration))
    return frozenset(r.stored for r in references if r.stored is not None)


@dataclass(slots=True)
class StoredSecrets:
    """Keeps `secrets.resolve` supplied. `remind_days`: from when on a secret is called old."""

    store: SecretStore
    keys: Callable[[], list[bytes]]
    clock: Clock
    remind_days: int
    _versions: dict[str, int] = field(default_factory=dict)
    _names: tuple[Configuration, frozenset[str]] | None = None
    _reminded_at: datetime | None = None

    async def refresh(self, configuration: Configuration) -> None:
        """Read what has changed of the secrets that `configuration` names. Raises InfrastructureError."""
        if self._names is None or self._names[0] is not configuration:
            self._names = (configuration, stored_names(configuration))
        names = self._names[1]
        found = {s.name: s for s in await self.store.read(names)} if names else {}
        for gone in set(self._versions) - set(found):
            del self._versions[gone]
            secrets.forget(gone)
        for secret in found.values():
            if self._versions.get(secret.name) != secret.version:
                self._open(secret)
        SECRETS_MISSING.set(len(names - set(self._versions)))
        self._remind(found.values())

    def _open(self, secret: StoredSecret) -> None:
        """Put it in use. One that cannot be opened is said where it is asked for, and tried again."""
        try:
            value = Sealer(self.keys()).open(secret.sealed, secret.name)
        except SealError as error:
            log.error("a stored secret cannot be opened", secret=secret.name, reason=str(error))  # noqa: TRY400 - it says all
            secrets.unusable(secret.name, str(error))
            return
        secrets.keep(secret.name, value)
        self._versions[secret.name] = secret.version

    def _remind(self, found: Iterable[StoredSecret]) -> None:
        now = self.clock.now()
        old = sorted(s.name for s in found if is_old(s, now, self.remind_days))
        SECRETS_OLD.set(len(old))
        due = self._reminded_at is None or now - self._reminded_at >= timedelta(seconds=REMIND_SECONDS)
        if old and due:
            log.warning("stored secrets are old: set them anew", secrets=old, days=self.remind_days)
            self._reminded_at = now

    async def run(self, configuration: Callable[[], Configuration]) -> None:
        while True:
            await self.refresh(configuration())
            await asyncio.sleep(REFRESH_SECONDS)


def is_old(secret: StoredSecret, now: datetime, days: int) -> bool:
    return now - secret.set_at > timedelta(days=days)


def open_secrets(client: mongo.MongoClient, settings: RuntimeSettings, clock: Clock) -> StoredSecrets:
    """Return the deployment's stored secrets. Nothing is asked of the server yet."""
    store = MongoSecretStore(mongo.database(client, settings, DATABASE))
    return StoredSecrets(store, settings.sealer_keys, clock, settings.secret_reminder_days)


def sealer_of(settings: RuntimeSettings) -> Sealer:
    """Return what seals in this deployment. Raises SealError when no key is set."""
    keys = settings.sealer_keys()
    if not keys:
        raise SealError(HOW)
    return Sealer(keys)
