"""Customers' HTML as a document that can do nothing: sanitised, in a frame without rights, under a policy of its own."""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

import nh3
from postroom_runtime.content_store import ContentStore

from postroom_desk.domain.pictures import NoPicture, Picture, is_spy, picture_address, placeholder
from postroom_desk.ports import Pictures

HTML_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""No script, no form, no request to anywhere: an image on a stranger's server would tell that the mail was read."""
MAX_CHARACTERS = 2_000_000
MAX_INLINE_BYTES = 1024 * 1024
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TAGS = nh3.ALLOWED_TAGS | {"center", "font", "u"}
_ATTRIBUTES = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
_SCHEMES = {"http", "https", "mailto", "tel", "cid", "data"}
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;color:#1f2328;background:#fff;margin:12px;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}blockquote{margin:0 0 0 .8em;padding-left:.8em;border-left:2px solid #d0d7de;"
    "color:#57606a}pre{white-space:pre-wrap}table{max-width:100%}"
)


async def mail_document(content: Mapping[str, Any], store: ContentStore, pictures: Pictures | None = None) -> str:
    """Return a whole HTML document of the content's `html`; images that the mail brought along are put in as data.

    With `pictures` those that lie elsewhere are fetched and put in, too, or something that says why one is not there: the
    document itself asks nobody for anything, whoever looks at it.
    """
    markup = str(content["html"])[:MAX_CHARACTERS]
    images = await _images(markup, content.get("attachments") or [], store)
    remote = await _remote(markup, pictures) if pictures else {}

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name == "src" and tag == "img":
            return images.get(value.removeprefix("cid:")) if value.startswith("cid:") else remote.get(value)
        return None if value.lstrip().lower().startswith("data:") else value

    clean = _cleaned(markup, attribute)
    return f'<!doctype html><meta charset="utf-8"><title>Message</title><style>{_STYLE}</style>{clean}'


def _cleaned(markup: str, attribute: Callable[[str, str, str], str | None]) -> str:
    return nh3.clean(
        markup,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        attribute_filter=attribute,
    )


async def _remote(markup: str, pictures: Pictures) -> dict[str, str]:
    """Return to each `src` of a picture that lies elsewhere what stands in its place: the picture, or why there is none."""
    named: dict[str, str | None] = {}

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name == "src" and tag == "img" and not value.startswith("cid:"):
            named[value] = picture_address(value, any_port=pictures.any_port)
        return None

    _cleaned(markup, attribute)
    found = await pictures.fetch(address for address in named.values() if address)
    return {value: _shown(found[address] if address else NoPicture("address")) for value, address in named.items()}


def _shown(found: Picture | NoPicture) -> str:
    if isinstance(found, NoPicture):
        return placeholder(found)
    return "data:," if is_spy(found) else _as_data(found.content_type, found.body)


def _as_data(content_type: str, body: bytes) -> str:
    return f"data:{content_type};base64,{base64.b64encode(body).decode()}"


async def _images(markup: str, attachments: list[Mapping[str, Any]], store: ContentStore) -> dict[str, str]:
    """Return Content-ID to data URL of the images that the markup names, 1 MiB in all."""
    named = set(re.findall(r"cid:([^\"'\s>]{1,300})", markup))
    found: dict[str, str] = {}
    left = MAX_INLINE_BYTES
    for attachment in attachments:
        content_id = attachment.get("content_id")
        size = int(attachment.get("body_bytes") or 0)
        if content_id not in named or attachment.get("content_type") not in _IMAGES or size > left:
            continue
        body = await store.get_blob(attachment["blob_id"])
        if body is not None and len(body) <= left:
            left -= len(body)
            found[str(content_id)] = _as_data(attachment["content_type"], body)
    return found
