"""The content store: texts, attachments and raw mail, write-once, fetched in bulk; the one sanctioned shared store.

Whatever is written is named by a derived id, so writing it again changes nothing. The default is MongoDB: documents, and
GridFS above 1 MiB (a document holds at most 16 MiB).
"""

import hashlib
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from postroom_runtime.errors import translated
from postroom_runtime.mongo import DUPLICATE_KEY, BulkWriteError, Database, InsertOne, UpdateOne, resolved

CHUNK_BYTES = 1024 * 1024
MAX_DOCUMENT_BYTES = 8 * 1024 * 1024


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class ContentStore(Protocol):
    """Documents (mappings with `_id`) and blobs (bytes), both write-once."""

    async def put(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Store all that are not there yet. When it returns they are safe (majority, journaled)."""
        ...

    async def get(self, ids: Iterable[str], only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """Return what is there of `ids`, in one query; an erased or unknown id is absent.

        `only`: the fields that are wanted beside `_id`; empty: all.
        """
        ...

    async def put_blob(self, blob_id: str, body: bytes) -> None: ...

    async def put_blobs(self, blobs: Mapping[str, bytes]) -> None: ...

    async def put_blob_stream(self, blob_id: str, pieces: AsyncIterable[bytes]) -> None:
        """Store a blob as it comes, with bounded memory. One that broke off cannot be read, and is deleted like a whole one."""
        ...

    async def get_blob(self, blob_id: str) -> bytes | None: ...

    async def delete(self, ids: Iterable[str]) -> None:
        """Erase documents and blobs of these ids."""
        ...

    async def kept(self, ids: Iterable[str]) -> set[str]:
        """Return under which of these ids a document or a part of a blob stands."""
        ...

    async def redact(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Set fields of documents that are there, by id: how somebody who was erased is taken out of what others wrote.

        The one change that is made to what was written.
        """
        ...


class MongoContentStore:
    """The content store in a MongoDB database of its own: `documents`, `blobs` (cut into chunks of 1 MiB)."""

    def __init__(self, database: Database) -> None:
        self._documents = database["documents"]
        self._blobs = database["blobs"]

    async def put(self, documents: Sequence[Mapping[str, Any]]) -> None:
        await self._insert(self._documents, documents)

    async def _insert(self, collection: Any, documents: Sequence[Mapping[str, Any]]) -> None:
        if not documents:
            return
        async with translated("store content"):
            try:
                await collection.bulk_write([InsertOne(dict(d)) for d in documents], ordered=False)
            except BulkWriteError as error:
                codes = {e.get("code") for e in (error.details or {}).get("writeErrors", [])}
                if codes != {DUPLICATE_KEY}:  # already there: the same id holds the same content
                    raise

    async def get(self, ids: Iterable[str], only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return {}
        async with translated("load content"):
            fields = dict.fromkeys(only, 1) or None
            found = await self._documents.find({"_id": {"$in": wanted}}, fields).to_list(length=len(wanted))
        return {document["_id"]: document for document in found}

    async def put_blob(self, blob_id: str, body: bytes) -> None:
        await self.put_blobs({blob_id: body})

    async def put_blobs(self, blobs: Mapping[str, bytes]) -> None:
        """Store in chunks; a group of chunks goes out when it reaches 8 MiB, so that memory stays bounded."""
        group: list[dict[str, Any]] = []
        size = 0
        for blob_id, body in blobs.items():
            pieces = [body[i : i + CHUNK_BYTES] for i in range(0, len(body), CHUNK_BYTES)] or [b""]
            for n, piece in enumerate(pieces):
                group.append({"_id": f"{blob_id}/{n}", "blob": blob_id, "n": n, "of": len(pieces), "body": piece})
                size += len(piece)
                if size >= MAX_DOCUMENT_BYTES:
                    await self._insert(self._blobs, group)
                    group, size = [], 0
        await self._insert(self._blobs, group)

    async def put_blob_stream(self, blob_id: str, pieces: AsyncIterable[bytes]) -> None:
        """The first chunk, which says how many there are, is written last: until then there is nothing to read."""
        first, waiting, number = b"", bytearray(), 0
        async for piece in pieces:
            waiting += piece
            while len(waiting) >= CHUNK_BYTES:
                chunk, waiting = bytes(waiting[:CHUNK_BYTES]), waiting[CHUNK_BYTES:]
                first = await self._put_chunk(blob_id, number, chunk) or first
                number += 1
        if waiting or number == 0:
            first = await self._put_chunk(blob_id, number, bytes(waiting)) or first
            number += 1
        await self._insert(self._blobs, [{"_id": f"{blob_id}/0", "blob": blob_id, "n": 0, "of": number, "body": first}])

    async def _put_chunk(self, blob_id: str, number: int, body: bytes) -> bytes:
        """Store a chunk; return the first one instead, which waits for the others."""
        if number == 0:
            return body
        await self._insert(
            self._blobs, [{"_id": f"{blob_id}/{number}", "blob": blob_id, "n": number, "of": 0, "body": body}]
        )
        return b""

    async def get_blob(self, blob_id: str) -> bytes | None:
        async with translated("load blob"):
            first = await self._blobs.find_one({"_id": f"{blob_id}/0"})
            if first is None:
                return None
            pieces = [bytes(first["body"])]
            for n in range(1, first["of"]):
                chunk = await self._blobs.find_one({"_id": f"{blob_id}/{n}"})
                if chunk is None:
                    return None
                pieces.append(bytes(chunk["body"]))
        return b"".join(pieces)

    async def delete(self, ids: Iterable[str]) -> None:
        wanted = list(ids)
        async with translated("erase content"):
            await self._documents.delete_many({"_id": {"$in": wanted}})
            await self._blobs.delete_many({"blob": {"$in": wanted}})

    async def kept(self, ids: Iterable[str]) -> set[str]:
        wanted = list(dict.fromkeys(ids))
        async with translated("look for content"):
            documents = await self._documents.find({"_id": {"$in": wanted}}, {"_id": 1}).to_list(length=len(wanted))
            blobs = await resolved(self._blobs.distinct("blob", {"blob": {"$in": wanted}}))
        return {d["_id"] for d in documents} | set(blobs)

    async def redact(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        if changes:
            async with translated("redact content"):
                await self._documents.bulk_write([UpdateOne({"_id": i}, {"$set": dict(c)}) for i, c in changes.items()])

    async def prepare(self) -> None:
        async with translated("index content"):
            await resolved(self._blobs.create_index("blob"))


class InMemoryContentStore:
    """The double of tests."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, bytes] = {}

    async def put(self, documents: Sequence[Mapping[str, Any]]) -> None:
        for document in documents:
            self.documents.setdefault(document["_id"], dict(document))

    async def get(self, ids: Iterable[str], only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        found = {i: dict(self.documents[i]) for i in ids if i in self.documents}
        wanted = {"_id", *only}
        return {i: {k: v for k, v in d.items() if k in wanted} for i, d in found.items()} if only else found

    async def put_blob(self, blob_id: str, body: bytes) -> None:
        self.blobs.setdefault(blob_id, body)

    async def put_blobs(self, blobs: Mapping[str, bytes]) -> None:
        for blob_id, body in blobs.items():
            await self.put_blob(blob_id, body)

    async def put_blob_stream(self, blob_id: str, pieces: AsyncIterable[bytes]) -> None:
        await self.put_blob(blob_id, b"".join([piece async for piece in pieces]))

    async def get_blob(self, blob_id: str) -> bytes | None:
        return self.blobs.get(blob_id)

    async def delete(self, ids: Iterable[str]) -> None:
        for i in ids:
            self.documents.pop(i, None)
            self.blobs.pop(i, None)

    async def kept(self, ids: Iterable[str]) -> set[str]:
        return {i for i in ids if i in self.documents or i in self.blobs}

    async def redact(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        for i, fields in changes.items():
            if i in self.documents:
                self.documents[i] |= fields
