"""What providers granted us, per mail account: one shared database, since ingest and notifier log in by the same grant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from postroom_runtime.clock import Clock
from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database
from postroom_runtime.oauth_cipher import TokenCipher
from postroom_runtime.settings import RuntimeSettings

DATABASE = "grants"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave. `refresh_token` None: the one that was used goes on."""

    access_token: str
    expires_at: datetime
    refresh_token: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """One account's grant. `version` rises with every write; a write names the version that it read."""

    account_id: str
    version: int
    refresh_token: str
    access_token: str | None
    issued_at: datetime
    expires_at: datetime
    refused: str | None = None
    """Why the provider takes the grant no more; only a person can give a new one."""


class GrantStore(Protocol):
    """Grants by account id. All methods raise InfrastructureError when the store does not answer."""

    async def load(self, account_id: str) -> Grant | None: ...

    async def replace(self, account_id: str, tokens: Tokens) -> None:
        """Store what a person has just granted, whatever stood there."""
        ...

    async def claim(self, account_id: str, version: int, seconds: float) -> bool:
        """Become the one that refreshes this version; False while somebody else is, or it has changed."""
        ...

    async def save(self, grant: Grant, tokens: Tokens) -> None:
        """Store what a refresh of `grant` gave; no effect when a person was faster."""
        ...

    async def refuse(self, grant: Grant, reason: str) -> None: ...

    async def forget_access(self, account_id: str, version: int) -> None:
        """Drop the access token, which a mail server refused, so that the next one who needs it refreshes."""
        ...

    async def release(self, grant: Grant) -> None:
        """Let go of a claim after a refresh that failed for now."""
        ...


class MongoGrantStore:
    """Implements `GrantStore`: collection `grants`, tokens encrypted."""

    def __init__(self, database: Database, cipher: TokenCipher, clock: Clock) -> None:
        self._grants = database["grants"]
        self._cipher = cipher
        self._clock = clock

    async def load(self, account_id: str) -> Grant | None:
        async with translated("load grant"):
            found = await self._grants.find_one({"_id": account_id})
        return None if found is None else self._read(found)

    def _read(self, found: dict[str, Any]) -> Grant:
        account_id, access = found["_id"], found.get("access_token")
        return Grant(
            account_id=account_id,
            version=found["version"],
            refresh_token=self._cipher.decrypt(bytes(found["refresh_token"]), account_id),
            access_token=self._cipher.decrypt(bytes(access), account_id) if access is not None else None,
            issued_at=found["issued_at"],
            expires_at=found["expires_at"],
            refused=found.get("refused"),
        )

    def _tokens(self, account_id: str, tokens: Tokens) -> dict[str, Any]:
        sealed = {"access_token": self._cipher.encrypt(tokens.access_token, account_id)}
        if tokens.refresh_token is not None:
            sealed["refresh_token"] = self._cipher.encrypt(tokens.refresh_token, account_id)
        return {**sealed, "issued_at": self._clock.now(), "expires_at": tokens.expires_at}

    async def replace(self, account_id: str, tokens: Tokens) -> None:
        change = {
            "$set": self._tokens(account_id, tokens),
            "$unset": {"refused": "", "claimed_until": ""},
            "$inc": {"version": 1},
        }
        async with translated("store grant"):
            await self._grants.update_one({"_id": account_id}, change, upsert=True)

    async def claim(self, account_id: str, version: int, seconds: float) -> bool:
        now = self._clock.now()
        free = {"$or": [{"claimed_until": None}, {"claimed_until": {"$lte": now}}]}
        change = {"$set": {"claimed_until": now + timedelta(seconds=seconds)}}
        return await self._write({"_id": account_id, "version": version, **free}, change)

    async def save(self, grant: Grant, tokens: Tokens) -> None:
        change = {"$set": self._tokens(grant.account_id, tokens), "$unset": {"claimed_until": ""}}
        await self._write(_at(grant), {**change, "$inc": {"version": 1}})

    async def refuse(self, grant: Grant, reason: str) -> None:
        change = {"$set": {"refused": reason}, "$unset": {"claimed_until": "", "access_token": ""}}
        await self._write(_at(grant), {**change, "$inc": {"version": 1}})

    async def forget_access(self, account_id: str, version: int) -> None:
        await self._write(
            {"_id": account_id, "version": version}, {"$unset": {"access_token": ""}, "$inc": {"version": 1}}
        )

    async def release(self, grant: Grant) -> None:
        await self._write(_at(grant), {"$unset": {"claimed_until": ""}})

    async def _write(self, where: dict[str, Any], change: dict[str, Any]) -> bool:
        async with translated("store grant"):
            result = await self._grants.update_one(where, change)
        return bool(result.matched_count)


def _at(grant: Grant) -> dict[str, Any]:
    return {"_id": grant.account_id, "version": grant.version}


async def rewritten_grants(database: Database, settings: RuntimeSettings) -> int:
    """Encrypt all grants with the newest key; return how many. One that is refreshed meanwhile is encrypted by that."""
    async with translated("read grants"):
        found = await database["grants"].find({}).to_list(length=100_000)
    if not found:
        return 0
    cipher = TokenCipher(settings.token_cipher_keys())
    done = 0
    for grant in found:
        fields = [name for name in ("refresh_token", "access_token") if grant.get(name) is not None]
        again = {
            name: cipher.encrypt(cipher.decrypt(bytes(grant[name]), grant["_id"]), grant["_id"]) for name in fields
        }
        where = {"_id": grant["_id"], "version": grant["version"]}
        async with translated("store grant"):
            done += (await database["grants"].update_one(where, {"$set": again})).modified_count
    return done
