"""Signing in and out over doubles: who is let in, how often one may try, what ends a session, what another site can do."""

import asyncio
from typing import Any

import httpx
import pytest
from postroom_desk.identity.hashing import Hasher

from tests.component.desk.doubles import TOKEN, DeskBench, settings
from tests.component.desk.facts import CONVERSATION, received

PASSWORD = "seven bicycles in the rain"
ORIGIN = {"Origin": "http://127.0.0.1"}


@pytest.fixture
async def desk() -> DeskBench:
    bench = DeskBench()
    await bench.happens(received(), CONVERSATION)
    hashed = await bench.identity.hasher.hash(PASSWORD)
    await bench.stores.people.set_password("ana", hashed, bench.clock.now())
    return bench


def visitor(desk: DeskBench, address: str = "192.0.2.1", url: str = "http://127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(desk.app, raise_app_exceptions=False, client=(address, 5000))
    return httpx.AsyncClient(transport=transport, base_url=url, headers={"Origin": url})


async def give(
    client: httpx.AsyncClient, email: str = "ana@velo.test", password: str = PASSWORD, **more: Any
) -> httpx.Response:
    return await client.post("/login", data={"email": email, "password": password}, **more)


async def test_who_gives_the_password_is_let_in_and_led_back(desk: DeskBench) -> None:
    async with visitor(desk) as client:
        away = await client.get(f"/conversations/{CONVERSATION}?x=1")
        assert away.status_code == 303
        assert away.headers["location"] == f"/login?next=/conversations/{CONVERSATION}%3Fx%3D1"
        assert 'name="password"' in (await client.get("/login")).text
        answer = await client.post(
            "/login", data={"email": " Ana@Velo.test", "password": PASSWORD, "next": f"/conversations/{CONVERSATION}"}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, f"/conversations/{CONVERSATION}")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("postroom_session=")
        assert "HttpOnly; Path=/; SameSite=lax" in cookie
        assert (await client.get(f"/conversations/{CONVERSATION}")).status_code == 200
        assert (await client.get("/login")).status_code == 303
    token = cookie.split("=", 1)[1].split(";")[0]
    (session,) = desk.stores.sessions.sessions.values()
    assert token not in repr(session)
    assert (session.agent_id, session.address) == ("ana", "192.0.2.1")


async def test_by_https_the_cookie_is_bound_to_the_host_and_plain_http_gets_none(desk: DeskBench) -> None:
    async with visitor(desk, url="https://desk.velo.test") as client:
        cookie = (await give(client)).headers["set-cookie"]
        assert cookie.startswith("__Host-postroom_session=")
        assert "; Secure" in cookie
        assert "Domain" not in cookie
    async with visitor(desk, url="http://desk.velo.test") as client:
        answer = await give(client)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert "Open this page by https" in answer.text


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ana@velo.test", "seven bicycles in the rein"),
        ("nobody@velo.test", PASSWORD),
        ("ben@velo.test", PASSWORD),
        ("", ""),
        ("ana@velo.test", "x" * 1000),
    ],
    ids=["wrong", "unknown", "without-password", "empty", "long"],
)
async def test_whoever_is_not_let_in_gets_the_same_answer_after_one_verification(
    desk: DeskBench, email: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    verify = Hasher._verify

    def counted(hasher: Hasher, given: str, stored: str) -> tuple[bool, str | None]:
        verified.append(stored)
        return verify(hasher, given, stored)

    monkeypatch.setattr(Hasher, "_verify", counted)
    async with visitor(desk) as client:
        answer = await give(client, email, password)
    assert answer.status_code == 401
    assert "This is not right." in answer.text
    assert "set-cookie" not in answer.headers
    assert len(verified) == 1
    assert desk.stores.sessions.sessions == {}


async def test_a_disabled_agent_is_neither_let_in_nor_stays(desk: DeskBench) -> None:
    client = await desk.browser("ana")
    assert (await client.get("/")).status_code == 200
    await desk.stores.people.disable("ana")
    async with visitor(desk) as other:
        assert (await give(other)).status_code == 401
    first = desk.configurations.latest
    gone = [a.model_copy(update={"enabled": a.id != "ana"}) for a in first.agents]
    latest = await desk.versions.latest()
    assert latest is not None
    changed = first.model_copy(update={"agents": gone})
    desk.configurations.add(latest.model_copy(update={"configuration_version": 2, "configuration": changed}))
    assert (await client.get("/")).status_code == 303


async def test_five_tries_in_five_minutes_from_an_address(desk: DeskBench) -> None:
    async with visitor(desk) as client:
        for n in range(5):
            assert (await give(client, f"a{n}@velo.test", "wrong")).status_code == 401
        answer = await give(client)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "300"
        assert "Too many tries" in answer.text
        async with visitor(desk, "192.0.2.2") as other:
            assert (await give(other)).status_code == 303
        desk.clock.advance(301)
        assert (await give(client)).status_code == 303


async def test_ten_tries_in_fifteen_minutes_at_an_account_also_at_one_that_is_not_there(desk: DeskBench) -> None:
    for email in ("ana@velo.test", "nobody@velo.test"):
        statuses = []
        for n in range(12):
            async with visitor(desk, f"192.0.2.{n}") as client:
                statuses.append((await give(client, email, "wrong")).status_code)
        assert statuses == [401] * 10 + [429] * 2
    async with visitor(desk, "198.51.100.7") as client:
        assert (await give(client)).status_code == 429
        desk.clock.advance(901)
        assert (await give(client)).status_code == 303


async def test_who_signs_in_again_and_again_is_not_kept_out(desk: DeskBench) -> None:
    async with visitor(desk) as client:
        for _ in range(12):
            assert (await give(client)).status_code == 303
            await client.post(
                "/logout", data={"csrf": (await client.get("/")).text.split('csrf-token" content="')[1].split('"')[0]}
            )


async def test_a_session_ends_without_use_and_in_any_case(desk: DeskBench) -> None:
    client = await desk.browser()
    for _ in range(3):
        desk.clock.advance(11 * 3600)
        assert (await client.get("/")).status_code == 200
    desk.clock.advance(12 * 3600 + 1)
    assert (await client.get("/")).status_code == 303
    client = await desk.browser()
    for _ in range(16):
        desk.clock.advance(10 * 3600)
        assert (await client.get("/")).status_code == 200
    desk.clock.advance(8 * 3600 + 1)
    assert (await client.get("/")).status_code == 303


async def test_a_page_that_refreshes_by_itself_keeps_no_session_alive(desk: DeskBench) -> None:
    client = await desk.browser()
    desk.clock.advance(11 * 3600)
    assert (await client.get("/", headers={"X-By-Itself": "1"})).status_code == 200
    desk.clock.advance(3600 + 1)
    assert (await client.get("/")).status_code == 303


async def test_a_new_sign_in_ends_the_old_session(desk: DeskBench) -> None:
    async with visitor(desk) as client:
        await give(client)
        first = client.cookies["postroom_session"]
        await give(client)
        assert client.cookies["postroom_session"] != first
        client.cookies.clear()
        assert (await client.get("/", headers={"Cookie": f"postroom_session={first}"})).status_code == 303


async def test_logout_ends_the_session(desk: DeskBench) -> None:
    client = await desk.browser()
    answer = await client.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert (await client.get("/")).status_code == 303


async def test_an_open_stream_ends_within_seconds_of_its_session_and_keeps_none_alive(desk: DeskBench) -> None:
    client = await desk.browser()
    (before,) = desk.stores.sessions.sessions.values()
    desk.clock.advance(3600)
    stream = asyncio.create_task(client.get("/api/v1/events", headers={"Accept": "text/event-stream"}))
    async with asyncio.timeout(20):
        while not desk.live.streams:
            await asyncio.sleep(0.01)
        assert list(desk.stores.sessions.sessions.values()) == [before]
        await desk.stores.sessions.remove_of("ana")
        assert (await stream).text.startswith("event: hello")
    assert desk.live.streams == 0


RESOLVE = f"/api/v1/conversations/{CONVERSATION}/resolve"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"X-CSRF-Token": "wrong"}, 403),
        ({"X-CSRF-Token": ""}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Origin": None, "Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
    ids=["ours", "wrong", "none", "foreign", "null", "no-origin", "fetch-metadata", "cross-site", "sibling"],
)
async def test_what_changes_something_needs_our_origin_and_the_sessions_token(
    desk: DeskBench, headers: dict[str, str | None], status: int
) -> None:
    client = await desk.browser()
    for name, value in headers.items():
        if value is None:
            del client.headers[name]
        else:
            client.headers[name] = value
    assert (await client.post(RESOLVE, json={"agent": "ana"})).status_code == status
    assert len(desk.commands.published) == (status == 202)


async def test_the_token_of_another_session_is_none(desk: DeskBench) -> None:
    ana, ben = await desk.browser("ana"), await desk.browser("ben")
    ana.headers["X-CSRF-Token"] = ben.headers["X-CSRF-Token"]
    assert (await ana.post(RESOLVE, json={"agent": "ana"})).status_code == 403


async def test_a_form_may_carry_the_token(desk: DeskBench) -> None:
    client = await desk.browser()
    token = client.headers.pop("X-CSRF-Token")
    assert f'<meta name="csrf-token" content="{token}">' in (await client.get("/")).text
    assert (await client.post("/logout", data={"csrf": "wrong"})).status_code == 403
    assert (await client.post("/logout", data={"csrf": token})).status_code == 303


async def test_another_site_signs_nobody_in(desk: DeskBench) -> None:
    async with visitor(desk) as client:
        answer = await give(client, headers={"Origin": "https://evil.test"})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "way", ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:alert(1)", "/\t/evil.test"]
)
async def test_nobody_is_led_to_another_site(desk: DeskBench, way: str) -> None:
    async with visitor(desk) as client:
        answer = await client.post("/login", data={"email": "ana@velo.test", "password": PASSWORD, "next": way})
        assert answer.headers["location"] == "/"


async def test_a_token_of_the_deployment_begins_a_session_until_it_is_changed(desk: DeskBench) -> None:
    async with visitor(desk) as client:
        assert (await client.post("/login", data={"token": "wrong-token-0123456"})).status_code == 401
        answer = await client.post("/login", data={"token": TOKEN})
        assert answer.status_code == 303
        assert TOKEN not in answer.headers["set-cookie"]
        assert (await client.get("/api/v1/company")).status_code == 200
        object.__setattr__(desk.settings, "api_tokens", settings(api_tokens="tests=another-token-000001").api_tokens)
        assert (await client.get("/api/v1/company")).status_code == 401


async def test_the_first_run_says_what_to_do() -> None:
    desk = DeskBench(settings(api_tokens=None))
    async with visitor(desk) as client:
        assert "postroom user add" in (await client.get("/login")).text
        await desk.stores.people.add("ana")
        assert "postroom user add" not in (await client.get("/login")).text


async def test_an_open_desk_asks_nobody() -> None:
    open_desk = DeskBench(settings(desk_open=True))
    await open_desk.happens(received(), CONVERSATION)
    async with visitor(open_desk) as client:
        assert (await client.get("/login")).headers["location"] == "/"
        assert (await client.post(RESOLVE, json={"agent": "ana"})).status_code == 202
