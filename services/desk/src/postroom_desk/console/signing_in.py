"""Who has not signed in is sent to the form, and from there back to the page that was asked for."""

from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse


def to_login(request: Request) -> RedirectResponse:
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    safe = request.method == "GET" and asked != "/"
    return RedirectResponse(f"/login?next={quote(asked, safe='/')}" if safe else "/login", 303)


def local(path: str | None) -> str:
    """Return a path of our own pages, whatever was given: nobody is sent elsewhere after signing in."""
    if (
        not path
        or not path.startswith("/")
        or path.startswith(("//", "/\\"))
        or any(c < " " or c == "\\" for c in path)
    ):
        return "/"
    return path
