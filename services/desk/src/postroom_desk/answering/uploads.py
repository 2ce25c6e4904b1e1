"""Files on their way into a message: streamed to the content store, owned by who brought them, swept if nobody uses them."""

import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from postroom_contracts.values import Attachment
from postroom_runtime.clock import Clock
from postroom_runtime.content_store import ContentStore

from postroom_desk.domain.files import SIGNATURE_BYTES, clean_name, clean_type, picture_type

KEPT = timedelta(days=1)
"""How long a file waits to be used."""
MAX_WAITING = 100
MAX_WAITING_BYTES = 250 * 1024 * 1024
"""What one person may have waiting at a time."""
SWEEP_SECONDS = 600.0


class TooLargeError(Exception):
    """The file, or the files together, are larger than a mail may be."""


class TooManyError(Exception):
    """This person has too much waiting already."""


class NotAPictureError(Exception):
    """Only pictures that every mail program shows can stand in the text."""


class UnknownUploadError(LookupError):
    """A file that is not there, or not theirs."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file. `owner` is the key of who brought it; `held_by` the draft that has it."""

    id: str
    owner: str
    filename: str
    content_type: str
    blob_id: str
    at: datetime
    body_bytes: int = 0
    sha256: str = ""
    content_id: str | None = None
    """Of a picture in the text."""
    ready: bool = False
    used: bool = False
    held_by: str | None = None

    @property
    def attachment(self) -> Attachment:
        return Attachment(
            filename=self.filename,
            content_type=self.content_type,
            body_bytes=self.body_bytes,
            sha256=self.sha256,
            blob_id=self.blob_id,
            content_id=self.content_id,
            inline=self.content_id is not None,
        )


class UploadStore(Protocol):
    """Keeps what is known of uploads; the bytes lie in the content store."""

    async def add(self, upload: Upload) -> None: ...

    async def finish(self, upload: Upload) -> None: ...

    async def get(self, ids: Sequence[str]) -> dict[str, Upload]: ...

    async def waiting(self, owner: str) -> tuple[int, int]:
        """Return how many files of this owner wait to be used, and their bytes."""
        ...

    async def use(self, ids: Sequence[str]) -> int:
        """Mark as used, so that nobody sweeps them; return how many are there. One that is being swept is not."""
        ...

    async def hold(self, draft_id: str, ids: Sequence[str]) -> None:
        """Let a draft have exactly these, and no others any more."""
        ...

    async def take_swept(self, before: datetime, limit: int) -> list[Upload]:
        """Return uploads that nobody used since `before`, which from now on nobody can use any more."""
        ...

    async def remove(self, ids: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Uploads:
    """Takes files in and gives them to messages."""

    store: UploadStore
    content: ContentStore
    clock: Clock
    max_bytes: int
    domain: str = "postroom.invalid"

    async def take(
        self, owner: str, filename: str, content_type: str | None, *, inline: bool, body: AsyncIterator[bytes]
    ) -> Upload:
        """Return the stored file. Raises TooLargeError, TooManyError, NotAPictureError, InfrastructureError."""
        count, size = await self.store.waiting(owner)
        if count >= MAX_WAITING or size >= MAX_WAITING_BYTES:
            raise TooManyError
        upload_id = str(uuid.uuid4())
        upload = Upload(
            id=upload_id,
            owner=owner,
            filename=clean_name(filename),
            content_type=clean_type(content_type),
            blob_id=f"upload-{upload_id}",
            at=self.clock.now(),
            content_id=f"{uuid.uuid4()}@postroom" if inline else None,
        )
        await self.store.add(upload)  # first: what breaks off is found by the sweep
        counting = _Counted(body, self.max_bytes)
        await self.content.put_blob_stream(upload.blob_id, counting)
        picture = picture_type(counting.beginning)
        if inline and picture is None:
            raise NotAPictureError
        done = replace(
            upload,
            body_bytes=counting.size,
            sha256=counting.digest.hexdigest(),
            content_type=picture if inline and picture else upload.content_type,
            ready=True,
        )
        await self.store.finish(done)
        return done

    async def find(self, owner: str, ids: Sequence[str], draft_id: str | None = None) -> list[Upload]:
        """Return files that are theirs, or that the draft has, in this order. Raises UnknownUploadError, TooLargeError."""
        wanted = list(dict.fromkeys(ids))
        known = await self.store.get(wanted)
        for i in wanted:
            upload = known.get(i)
            if upload is None or not upload.ready or (upload.owner != owner and upload.held_by != (draft_id or "-")):
                raise UnknownUploadError(i)
        if sum(known[i].body_bytes for i in wanted) > self.max_bytes:
            raise TooLargeError
        return [known[i] for i in wanted]

    async def use(self, uploads: Sequence[Upload]) -> None:
        """Keep these for good: a message names them. Raises UnknownUploadError when one was swept meanwhile."""
        if uploads and await self.store.use([u.id for u in uploads]) != len(uploads):
            raise UnknownUploadError("swept")

    async def sweep(self) -> int:
        """Delete what waited for a day and was not used; return how many."""
        swept = 0
        while found := await self.store.take_swept(self.clock.now() - KEPT, 100):
            await self.content.delete([u.blob_id for u in found])
            await self.store.remove([u.id for u in found])
            swept += len(found)
        return swept


class _Counted:
    """Counts and digests what passes. Raises TooLargeError as soon as there is too much."""

    def __init__(self, body: AsyncIterator[bytes], max_bytes: int) -> None:
        self._body = body
        self._max = max_bytes
        self.size = 0
        self.beginning = b""
        self.digest = hashlib.sha256()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            self.size += len(piece)
            if self.size > self._max:
                raise TooLargeError
            if len(self.beginning) < SIGNATURE_BYTES:
                self.beginning += piece[:SIGNATURE_BYTES]
            self.digest.update(piece)
            yield piece


def as_stored(upload: Upload) -> dict[str, Any]:
    """Return an attachment as content documents have it."""
    return upload.attachment.model_dump()
