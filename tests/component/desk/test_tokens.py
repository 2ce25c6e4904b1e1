"""One's own API tokens over doubles."""

import re

import pytest

from tests.component.desk.doubles import DeskBench, settings

SHOWN = re.compile(r'id="token">(postroom_[\w-]{43})<')


async def made(desk: DeskBench, **fields: object) -> str:
    client = await desk.browser()
    answer = await client.post("/account/tokens", data={"name": "Export", "scopes": ["read"], "days": "30", **fields})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    text: str = SHOWN.findall(answer.text)[0]
    assert text not in (await client.get("/account/tokens")).text
    assert text not in repr(desk.stores.tokens.tokens)
    return text


async def test_a_token_acts_as_its_person_until_it_ends() -> None:
    desk = DeskBench()
    text = await made(desk)
    async with desk.client(text) as client:
        assert (await client.get("/api/v1/company")).status_code == 200
        (token,) = desk.stores.tokens.tokens.values()
        assert (token.agent_id, token.scopes, token.used_at) == ("ana", ("read",), desk.clock.now())
        assert token.hint == text[:13]
        desk.clock.advance(30 * 86_400 - 1)
        assert (await client.get("/api/v1/company")).status_code == 200
        desk.clock.advance(1)
        assert (await client.get("/api/v1/company")).status_code == 401
    async with desk.client(text[:-1]) as client:
        assert (await client.get("/api/v1/company")).status_code == 401


async def test_a_withdrawn_token_and_one_of_who_was_put_out_work_no_more() -> None:
    desk = DeskBench()
    first, second = await made(desk), await made(desk, name="Other")
    client, stranger = await desk.browser(), await desk.browser("ben")
    token = next(t for t in desk.stores.tokens.tokens.values() if t.name == "Export")
    await stranger.post("/account/tokens/withdraw", data={"token": token.id})
    assert len(desk.stores.tokens.tokens) == 2
    await client.post("/account/tokens/withdraw", data={"token": token.id})
    async with desk.client(first) as gone, desk.client(second) as left:
        assert (await gone.get("/api/v1/company")).status_code == 401
        assert (await left.get("/api/v1/company")).status_code == 200
        await desk.identity.credentials.disable("ana")
        assert (await left.get("/api/v1/company")).status_code == 401


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": " "}, 422),
        ({"name": "x" * 61}, 422),
        ({"name": "a\x00b"}, 422),
        ({"scopes": ["everything"]}, 422),
        ({"scopes": []}, 422),
        ({"days": "0"}, 422),
        ({"days": "367"}, 422),
        ({"days": "soon"}, 422),
        ({"name": "Export"}, 409),
    ],
)
async def test_a_faulty_wish_makes_no_token(fields: dict[str, object], status: int) -> None:
    desk = DeskBench()
    await made(desk)
    client = await desk.browser()
    data = {"name": "New", "scopes": ["read"], "days": "30", **fields}
    assert (await client.post("/account/tokens", data=data)).status_code == status
    assert len(desk.stores.tokens.tokens) == 1


async def test_nobody_has_endless_tokens() -> None:
    desk = DeskBench(settings())
    for n in range(50):
        await desk.identity.tokens.make("ana", f"t{n}", ["read"], 30)
    client = await desk.browser()
    answer = await client.post("/account/tokens", data={"name": "New", "scopes": ["read"], "days": "30"})
    assert (answer.status_code, "You have 50 tokens" in answer.text) == (409, True)


async def test_a_token_makes_no_token() -> None:
    desk = DeskBench()
    text = await made(desk)
    async with desk.client(text) as client:
        answer = await client.post("/account/tokens", data={"name": "New", "scopes": ["read"], "days": "30"})
        assert answer.status_code == 403
    assert len(desk.stores.tokens.tokens) == 1
