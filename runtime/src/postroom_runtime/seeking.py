"""Whether a text stands anywhere: in any document of any database of a deployment, in stored mail, in any record of any topic.

What is looked for is compared without regard to case, and with and without accents. Stored bytes are read as text, as mail
(each header and each part decoded) and as archives (which office files are). PDF and pictures are not read.
"""

import contextlib
import email
import email.policy
import io
import json
import unicodedata
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postroom_contracts.topics import all_topics

from postroom_runtime.errors import translated
from postroom_runtime.mongo import MongoClient
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end

MAX_MEMBER_BYTES = 64 * 1024 * 1024
"""Of one file in an archive; a larger one is read up to here."""
MAX_MEMBERS = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """`place` is `database.collection` or a topic, `at` the document or `partition:offset`."""

    place: str
    at: str
    text: str


def forms(text: str) -> frozenset[str]:
    """Return how a text may be written: as it is, without accents, escaped in JSON; in lower case."""
    folded = text.strip().casefold()
    parts = unicodedata.normalize("NFKD", folded)
    plain = "".join(c for c in parts if not unicodedata.combining(c))
    return frozenset({folded, unicodedata.normalize("NFC", folded), plain, json.dumps(folded)[1:-1]}) - {""}


class Seeker:
    """Looks for texts; `found_in` returns those that stand in a value, as they were given."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._forms = {text: forms(text) for text in texts}

    def found_in(self, *values: Any) -> set[str]:
        strings = [s.casefold() for value in values for s in _strings(value)]
        return {text for text, written in self._forms.items() if any(f in s for s in strings for f in written)}


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case bytes() | bytearray() | memoryview():
            body = bytes(value)
            yield body.decode("utf-8", "replace")
            if not body.isascii():
                yield body.decode("latin-1")
        case Mapping():
            for key, each in value.items():
                yield from _strings(key)
                yield from _strings(each)
        case Sequence():
            for each in value:
                yield from _strings(each)


def unpacked(body: bytes) -> Iterator[Any]:
    """Yield what can be read of a blob: itself, its headers and parts if it is mail, its files if it is an archive."""
    yield body
    yield from _members(body)
    message = email.message_from_bytes(body, policy=email.policy.default)
    if not message.keys():
        return
    for part in message.walk():
        yield [text for name in part.keys() for text in _header(part, name)]  # noqa: SIM118 - a message is no mapping
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            yield payload
            charset = part.get_content_charset() or ""
            with contextlib.suppress(LookupError, ValueError):
                yield payload.decode(charset, "replace")
            yield from _members(payload)


def _header(part: Any, name: str) -> list[str]:
    try:
        return [str(value) for value in part.get_all(name, [])]
    except (
        ValueError,
        IndexError,
        AttributeError,
        TypeError,
        LookupError,
    ):  # what the standard library makes of bad ones
        return []


def _members(body: bytes) -> Iterator[bytes | str]:
    if not body.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for member in archive.infolist()[:MAX_MEMBERS]:
                yield member.filename
                with archive.open(member) as file:
                    yield file.read(MAX_MEMBER_BYTES)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        return


async def in_databases(client: MongoClient, settings: RuntimeSettings, seeker: Seeker) -> AsyncIterator[Found]:
    """Yield every document of the deployment's databases that holds one of the texts. Raises InfrastructureError."""
    async with translated("list databases"):
        names = [n for n in await client.list_database_names() if n.startswith(settings.database_prefix)]
    for name in sorted(names):
        database = client[name]
        async with translated("list collections"):
            collections = sorted(await database.list_collection_names())
        for collection in collections:
            async for found in _in_collection(database[collection], f"{name}.{collection}", seeker):
                yield found


async def _in_collection(collection: Any, place: str, seeker: Seeker) -> AsyncIterator[Found]:
    async with translated("read documents"):
        async for document in collection.find({}):
            values: list[Any] = [document]
            if {"blob", "n", "of", "body"} <= document.keys() and document["n"] == 0:
                chunks = collection.find({"blob": document["blob"]}).sort("n", 1)
                body = b"".join([bytes(chunk["body"]) async for chunk in chunks])
                values += unpacked(body)
            for text in sorted(seeker.found_in(*values)):
                yield Found(place, str(document["_id"]), text)


async def in_topics(settings: RuntimeSettings, seeker: Seeker) -> AsyncIterator[Found]:
    """Yield every record of ours that holds one of the texts, on every topic that there is. Raises KafkaError."""
    for topic in all_topics():
        name = settings.topic(topic.name)
        try:
            async for record in read_to_end(settings, name):
                for text in sorted(seeker.found_in(record.key or b"", record.value or b"", list(record.headers))):
                    yield Found(name, f"{record.partition}:{record.offset}", text)
        except LookupError:
            continue  # it was never made
