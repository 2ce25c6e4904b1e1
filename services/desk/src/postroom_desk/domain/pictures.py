"""Pictures on strangers' servers: which may be asked for, what counts as a picture, what stands where none came. Pure."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit

from postroom_desk.domain.files import picture_type

MOST = 50
"""Pictures of one mail that are fetched; newsletters have some thirty."""
MAX_BYTES = 5 * 1024 * 1024
"""Of one picture."""
MAX_ALL_BYTES = 15 * 1024 * 1024
"""Of all pictures of one mail."""
MAX_ADDRESS = 2000
PORTS = frozenset({None, 80, 443})
_REMOTE = re.compile(r"""\bsrc\s{0,3}=\s{0,3}["']?\s{0,3}(?:https?:)?//""", re.IGNORECASE)
_SPY = 2
"""Pixels: what is no larger is there to count readers."""

Why = Literal["address", "unreachable", "timeout", "size", "kind", "status", "count"]
_SAID: dict[Why, str] = {
    "address": "not a public address",
    "unreachable": "its server does not answer",
    "timeout": "its server is too slow",
    "size": "too large",
    "kind": "not a picture",
    "status": "its server does not give it",
    "count": "too many pictures",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it came."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class NoPicture:
    """None came, for this reason."""

    why: Why


def has_remote_pictures(markup: str) -> bool:
    """Say whether a mail's HTML seems to name pictures elsewhere; in time that grows with its length alone."""
    return "<img" in markup.lower() and _REMOTE.search(markup) is not None


def picture_address(value: str, *, any_port: bool = False) -> str | None:
    """Return the address that an `img` names, if it may be asked for at all: http or https, no user, no odd port."""
    text = value.strip()
    text = f"https:{text}" if text.startswith("//") else text
    if len(text) > MAX_ADDRESS or not text.isprintable() or " " in text:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    fits = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    if not fits or not (any_port or port in PORTS):
        return None
    return parts._replace(fragment="").geturl()


def judged(body: bytes) -> Picture | NoPicture:
    """Return what came as a picture, by its first bytes and never by what its server says; SVG is none."""
    kind = picture_type(body[:12])
    return NoPicture("kind") if kind is None else Picture(kind, body)


def is_spy(picture: Picture) -> bool:
    """Say whether it is a pixel that counts readers: GIF and PNG name their size where it can be read without a decoder."""
    body = picture.body
    if picture.content_type == "image/gif":
        width, height = int.from_bytes(body[6:8], "little"), int.from_bytes(body[8:10], "little")
    elif picture.content_type == "image/png":
        width, height = int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big")
    else:
        return False
    return width <= _SPY and height <= _SPY


def placeholder(missing: NoPicture) -> str:
    """Return what stands in place of a picture, as a `data:` address: in an `img` nothing in it can run or load."""
    drawn = (
        "<svg xmlns='http://www.w3.org/2000/svg' width='300' height='40'><rect width='100%' height='100%' fill='#eaeef2'/>"
        f"<text x='8' y='25' font-family='sans-serif' font-size='13' fill='#57606a'>Picture not shown: {_SAID[missing.why]}"
        "</text></svg>"
    )
    return f"data:image/svg+xml,{quote(drawn)}"
