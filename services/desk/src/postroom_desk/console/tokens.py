"""One's own API tokens: `/account/tokens`."""

from typing import Annotated, get_args

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.told import tell
from postroom_desk.console.me import Me, Mine, account_page
from postroom_desk.identity.api_tokens import MAX_DAYS, MAX_TOKENS, TokenNameTakenError, TooManyTokensError
from postroom_desk.identity.principal import Scope
from postroom_desk.parts import Parts

router = APIRouter(include_in_schema=False)
SCOPES: tuple[Scope, ...] = get_args(Scope)
MAX_NAME = 60
DAYS = (30, 90, 365)


@router.get("/account/tokens")
async def tokens(mine: Mine, parts: PartsOf) -> Response:
    return await _shown(mine, parts)


@router.post("/account/tokens")
async def make(
    request: Request,
    mine: Mine,
    parts: PartsOf,
    name: Annotated[str, Form(max_length=1000)] = "",
    scopes: Annotated[list[str] | None, Form(max_length=20)] = None,
    days: Annotated[int, Form()] = 0,
) -> Response:
    """Make a token and show it, once."""
    texts = mine.viewer.texts
    name, wanted = " ".join(name.split()), [s for s in SCOPES if s in (scopes or ())]
    if not name or len(name) > MAX_NAME or not name.isprintable():
        return await _shown(mine, parts, 422, texts("account.token.bad_name", n=MAX_NAME))
    if not wanted or not 1 <= days <= MAX_DAYS:
        return await _shown(mine, parts, 422, texts("account.token.choose", n=MAX_DAYS))
    try:
        text, token = await parts.identity.tokens.make(mine.agent.id, name, wanted, days)
    except TokenNameTakenError:
        return await _shown(mine, parts, 409, texts("account.token.taken"))
    except TooManyTokensError:
        return await _shown(mine, parts, 409, texts("account.token.too_many", n=MAX_TOKENS))
    await tell(request, "token-made", session=mine.session, about=token.id, scopes=" ".join(wanted))
    return await _shown(mine, parts, text=text)


@router.post("/account/tokens/withdraw")
async def withdraw(
    request: Request, mine: Mine, parts: PartsOf, token: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    if await parts.identity.tokens.store.remove(mine.agent.id, token):
        await tell(request, "token-withdrawn", session=mine.session, about=token)
    return RedirectResponse("/account/tokens", 303)


async def _shown(mine: Me, parts: Parts, status: int = 200, fault: str = "", text: str = "") -> HTMLResponse:
    return account_page(
        "tokens.html",
        mine,
        status,
        title=mine.viewer.texts("account.tokens"),
        tokens=await parts.identity.tokens.store.of(mine.agent.id),
        scopes=SCOPES,
        days=DAYS,
        fault=fault,
        text=text,
    )
