"""No other site makes a browser do anything here: where a request comes from, and a token that only our pages know.

Source: OWASP Cross-Site Request Forgery Prevention Cheat Sheet; Fetch Metadata (W3C).
"""

import hmac
from urllib.parse import urlsplit

from fastapi import Request

from postroom_desk.api.problems import Problem

HEADER = "x-csrf-token"
FIELD = "csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_OURS = ("same-origin", "none")


def is_foreign(request: Request) -> bool:
    """Say whether a browser tells that another site asks. A link that is followed (GET) is not foreign by itself."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", "-"):
        return True
    return request.method not in SAFE and request.headers.get("sec-fetch-site", "same-origin") not in _OURS


async def require_token(request: Request, expected: str) -> None:
    """Raises Problem 403 unless a request that changes something comes from our own page with the session's token."""
    if request.method in SAFE:
        return
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    if origin is None and site not in _OURS:
        raise _refused("the browser does not say which site this comes from (Origin or Sec-Fetch-Site)")
    given = request.headers.get(HEADER) or await _in_form(request)
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode()):
        raise _refused(f"the token of the session is missing ({HEADER} or the field {FIELD}): load the page again")


async def _in_form(request: Request) -> str:
    if request.headers.get("content-type", "").split(";")[0].strip().lower() not in _FORMS:
        return ""
    value = (await request.form()).get(FIELD)
    return value if isinstance(value, str) else ""


def _refused(detail: str) -> Problem:
    return Problem(403, "csrf", "Not allowed", detail)
