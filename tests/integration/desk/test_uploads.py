"""Uploads in MongoDB: streamed in pieces, used or swept, never both; the store and its double keep the same promises."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from postroom_desk.adapters.uploads import MongoUploads
from postroom_desk.answering.uploads import Upload, UploadStore
from postroom_runtime import mongo
from postroom_runtime.content_store import CHUNK_BYTES, MongoContentStore
from postroom_runtime.settings import RuntimeSettings

from tests.component.desk.doubles import InMemoryUploads

pytestmark = pytest.mark.connected
NOW = datetime(2026, 3, 6, tzinfo=UTC)


def upload(name: str, **changes: object) -> Upload:
    return replace(
        Upload(name, "ana", f"{name}.txt", "text/plain", f"blob-{name}", NOW, body_bytes=10, ready=True),
        **changes,  # type: ignore[arg-type]
    )


@pytest.fixture(params=["mongo", "in-memory"])
async def store(request: pytest.FixtureRequest, mongo_uri: str, database_prefix: str) -> AsyncIterator[UploadStore]:
    if request.param == "in-memory":
        yield InMemoryUploads()
        return
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    real = MongoUploads(mongo.database(client, settings, "desk"))
    await real.prepare()
    yield real
    await mongo.close(client)


async def test_what_waits_is_used_or_swept_and_never_both(store: UploadStore) -> None:
    for name in ("used", "held", "left", "young"):
        await store.add(upload(name, at=NOW + timedelta(days=2)) if name == "young" else upload(name))
    assert await store.waiting("ana") == (4, 40)
    assert await store.use(["used"]) == 1
    await store.hold("draft", ["held"])
    swept = await store.take_swept(NOW + timedelta(days=1), 10)
    assert [u.id for u in swept] == ["left"]
    assert await store.use(["left"]) == 0
    assert set(await store.get(["used", "held", "left", "young"])) == {"used", "held", "young"}
    await store.remove(["left", "used"])
    assert set(await store.get(["used", "left"])) == {"used"}
    await store.hold("draft", [])
    assert [u.id for u in await store.take_swept(NOW + timedelta(days=1), 10)] == ["held"]


async def test_a_stream_is_read_back_whole_and_one_that_broke_off_not_at_all(
    mongo_uri: str, database_prefix: str
) -> None:
    settings = RuntimeSettings(mongo_uri=mongo_uri, database_prefix=database_prefix)
    client = mongo.connect(settings)
    content = MongoContentStore(mongo.database(client, settings, "content"))

    async def pieces(sizes: list[int], *, breaks: bool = False) -> AsyncIterator[bytes]:
        for n, size in enumerate(sizes):
            yield bytes([n]) * size
        if breaks:
            raise ConnectionError

    for name, sizes in {"empty": [], "small": [5, 7], "large": [700_000] * 4, "even": [CHUNK_BYTES]}.items():
        await content.put_blob_stream(name, pieces(sizes))
        assert await content.get_blob(name) == b"".join(bytes([n]) * size for n, size in enumerate(sizes)), name
    with pytest.raises(ConnectionError):
        await content.put_blob_stream("broken", pieces([700_000] * 4, breaks=True))
    assert await content.get_blob("broken") is None
    await content.delete(["broken"])
    assert await mongo.database(client, settings, "content")["blobs"].count_documents({"blob": "broken"}) == 0
    await mongo.close(client)
