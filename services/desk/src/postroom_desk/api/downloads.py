"""Files for the browser to keep and never to show."""

from urllib.parse import quote

from fastapi import Response

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
}


def download(body: bytes, content_type: str, filename: str) -> Response:
    """Return a file that no browser shows or guesses about. Source: RFC 6266 and RFC 8187 for the name."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in filename)[:100] or "file"
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename[:200], safe='')}"
    headers = HEADERS | {"Content-Disposition": disposition}
    return Response(body, media_type=content_type, headers=headers)
