"""Single sign-on: to the provider and back."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from postroom_desk.api import cookies
from postroom_desk.api.auth import PartsOf, where_of
from postroom_desk.api.problems import not_found
from postroom_desk.api.told import tell
from postroom_desk.console.login import answered, form
from postroom_desk.console.signing_in import local
from postroom_desk.identity.sign_on import LASTS, SignOn, SignOnError
from postroom_desk.parts import Parts

router = APIRouter(include_in_schema=False)
Text = Annotated[str | None, Query(max_length=4000)]


def _sign_on(parts: Parts) -> SignOn:
    if parts.identity.sign_on is None:
        raise not_found("there is no single sign-on here")
    return parts.identity.sign_on


@router.get("/login/sso")
async def begin(request: Request, parts: PartsOf, next: Text = None) -> Response:  # noqa: A002 - its usual name
    """A link, not a form: a policy of `form-action 'self'` follows redirects, too."""
    try:
        way, state = await _sign_on(parts).begin(local(next))
    except SignOnError as error:
        return await form(request, parts, local(next), 502, fault=error.fault)
    response = RedirectResponse(way, 303)
    cookies.put(response, request, parts.settings, state, cookies.SIGN_ON, int(LASTS.total_seconds()))
    return response


@router.get("/login/sso/callback")
async def back(
    request: Request, parts: PartsOf, state: Text = None, code: Text = None, iss: Text = None, error: Text = None
) -> Response:
    sign_on, kept = _sign_on(parts), cookies.read(request, parts.settings, cookies.SIGN_ON)
    try:
        if error is not None or not state or not code:
            raise SignOnError("refused")
        outcome, following = await sign_on.finish(
            parts.reader.configuration, state=state, kept=kept, code=code, issuer=iss, where=where_of(request)
        )
        response = await answered(request, parts, outcome, following, "sso")
    except SignOnError as reason:
        await tell(request, "failed-log-in", "refused", by="sso")
        response = await form(request, parts, "/", 403, fault=reason.fault)
    cookies.drop(response, request, parts.settings, cookies.SIGN_ON)
    return response
