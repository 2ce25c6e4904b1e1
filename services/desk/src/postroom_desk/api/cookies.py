"""The cookie of a session: `__Host-`, Secure, HttpOnly, SameSite=Lax. Source: RFC 6265bis sections 4.1.3 and 5.7.

Lax, not Strict: whoever comes by a link in a mail is logged in. What changes something needs a token of its own besides.
"""

from fastapi import Request, Response

from postroom_desk.settings import DeskSettings, is_loopback

SESSION = "postroom_session"
SIGN_ON = "postroom_sign_on"


def is_secure(request: Request, settings: DeskSettings) -> bool:
    """Say whether the browser reached us by https, through a proxy or not."""
    if settings.public_url is not None:
        return settings.public_url.startswith("https://")
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"


def may_log_in(request: Request, settings: DeskSettings) -> bool:
    """Say whether a cookie may travel here: by https, or without leaving this machine."""
    return is_secure(request, settings) or is_loopback(request.url.hostname or "")


def name_of(request: Request, settings: DeskSettings, cookie: str = SESSION) -> str:
    return f"__Host-{cookie}" if is_secure(request, settings) else cookie


def read(request: Request, settings: DeskSettings, cookie: str = SESSION) -> str | None:
    return request.cookies.get(name_of(request, settings, cookie))


def put(
    response: Response,
    request: Request,
    settings: DeskSettings,
    value: str,
    cookie: str = SESSION,
    max_age: int | None = None,
) -> None:
    """Set the cookie; without `max_age` it ends with the browser, if the server has not ended it before."""
    response.set_cookie(
        name_of(request, settings, cookie),
        value,
        max_age=max_age,
        path="/",
        secure=is_secure(request, settings),
        httponly=True,
        samesite="lax",
    )


def drop(response: Response, request: Request, settings: DeskSettings, cookie: str = SESSION) -> None:
    response.delete_cookie(
        name_of(request, settings, cookie),
        path="/",
        secure=is_secure(request, settings),
        httponly=True,
        samesite="lax",
    )
