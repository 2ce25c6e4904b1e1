"""People's API tokens in MongoDB: `tokens`, `_id` is the digest."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, DuplicateKeyError, IndexModel, aggregate

from postroom_desk.identity.api_tokens import MAX_TOKENS, ApiToken, TokenNameTakenError

KEPT_SECONDS = 90 * 86_400
"""A token that has ended is still shown for a while, so that its owner sees why it works no more."""


class MongoTokens:
    """Port TokenStore."""

    def __init__(self, database: Database) -> None:
        self._tokens = database["tokens"]

    async def prepare(self) -> None:
        indexes = [
            IndexModel([("ends_at", 1)], expireAfterSeconds=KEPT_SECONDS),
            IndexModel([("agent_id", 1), ("name", 1)], unique=True),
        ]
        async with translated("index tokens"):
            await self._tokens.create_indexes(indexes)

    async def add(self, token: ApiToken) -> None:
        fields = asdict(token)
        async with translated("store token"):
            try:
                await self._tokens.insert_one({"_id": fields.pop("id"), **fields})
            except DuplicateKeyError as error:
                raise TokenNameTakenError(token.name) from error

    async def get(self, token_id: str) -> ApiToken | None:
        async with translated("read token"):
            found = await self._tokens.find_one({"_id": token_id})
        return None if found is None else _token(found)

    async def of(self, agent_id: str) -> list[ApiToken]:
        cursor = self._tokens.find({"agent_id": agent_id}).sort([("created_at", -1), ("_id", 1)])
        async with translated("read tokens"):
            return [_token(d) for d in await cursor.to_list(length=2 * MAX_TOKENS)]

    async def counts(self, now: datetime) -> dict[str, int]:
        groups: list[dict[str, Any]] = [
            {"$match": {"ends_at": {"$gt": now}}},
            {"$group": {"_id": "$agent_id", "n": {"$sum": 1}}},
        ]
        async with translated("count tokens"):
            found = await aggregate(self._tokens, groups)
        return {d["_id"]: d["n"] for d in found if d["_id"] is not None}

    async def used(self, token_id: str, at: datetime) -> None:
        async with translated("note use"):
            await self._tokens.update_one({"_id": token_id}, {"$max": {"used_at": at}})

    async def remove(self, agent_id: str, token_id: str) -> bool:
        async with translated("withdraw token"):
            result = await self._tokens.delete_one({"_id": token_id, "agent_id": agent_id})
        return bool(result.deleted_count)

    async def remove_of(self, agent_id: str) -> int:
        async with translated("withdraw tokens"):
            return int((await self._tokens.delete_many({"agent_id": agent_id})).deleted_count)


def _token(d: Mapping[str, Any]) -> ApiToken:
    fields = dict(d)
    return ApiToken(id=fields.pop("_id"), scopes=tuple(fields.pop("scopes")), **fields)
