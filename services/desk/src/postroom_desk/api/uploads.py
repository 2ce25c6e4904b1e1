"""Files that go along with what is written: brought in as they are, one a request, before the message that names them."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from postroom_runtime.errors import InfrastructureError
from starlette.requests import ClientDisconnect

from postroom_desk.answering.uploads import NotAPictureError, TooLargeError, TooManyError, Upload
from postroom_desk.api import models_answering as m
from postroom_desk.api.answering import too_large
from postroom_desk.api.auth import PartsOf
from postroom_desk.api.downloads import HEADERS, download
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.api.shown import BASE
from postroom_desk.domain.permissions import Operation

router = APIRouter()
Uploading = Annotated[Asker, Depends(needs(Operation.UPLOAD_FILE))]
_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}


@router.post(
    "/uploads",
    summary="Bring a file in",
    status_code=201,
    openapi_extra=_BODY,
    responses={413: {"description": "Too large, or too much waiting"}, 422: {"description": "Not a picture"}},
)
async def upload(
    request: Request,
    parts: PartsOf,
    asker: Uploading,
    filename: Annotated[str, Query(min_length=1, max_length=1000)],
    inline: Annotated[bool, Query(description="A picture that stands in the text")] = False,
) -> m.UploadShown:
    """The body is the file, `Content-Type` its type. It waits for a day; give its id in `attachments` of a message."""
    uploads = parts.writing.uploads
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > uploads.max_bytes:
        raise too_large(uploads.max_bytes)
    kind = request.headers.get("content-type")
    try:
        found = await uploads.take(asker.principal.key, filename, kind, inline=inline, body=_pieces(request))
    except TooLargeError as error:
        raise too_large(uploads.max_bytes) from error
    except TooManyError as error:
        detail = "too many of your files wait to be used; send or drop some of them"
        raise Problem(413, "too-many", "Too many files", detail) from error
    except NotAPictureError as error:
        raise Problem(422, "not-a-picture", "Not a picture", "PNG, JPEG, GIF and WebP can stand in a text") from error
    return shown(found)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as error:
        raise InfrastructureError("the connection broke off") from error


def shown(found: Upload) -> m.UploadShown:
    return m.UploadShown(
        upload_id=found.id,
        filename=found.filename,
        content_type=found.content_type,
        body_bytes=found.body_bytes,
        sha256=found.sha256,
        content_id=found.content_id,
        href=f"{BASE}/uploads/{found.id}",
    )


@router.get(
    "/uploads/{upload_id}",
    summary="A file that waits, for the one who writes",
    response_class=Response,
    responses={200: {"content": {"image/*": {}, "application/octet-stream": {}}}},
)
async def waiting_file(upload_id: str, parts: PartsOf, asker: Uploading) -> Response:
    """To those alone who brought it in. Pictures of the text are shown; everything else is a download."""
    found = (await parts.writing.uploads.store.get([upload_id])).get(upload_id)
    if found is None or found.owner != asker.principal.key or not found.ready:
        raise not_found("there is no such file of yours")
    body = await parts.content.get_blob(found.blob_id)
    if body is None:
        raise not_found("there is no such file of yours")
    if found.content_id is None:
        return download(body, "application/octet-stream", found.filename)
    return Response(body, media_type=found.content_type, headers=HEADERS | {"Cache-Control": "private, max-age=3600"})
