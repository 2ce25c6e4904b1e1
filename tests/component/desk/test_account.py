"""One's own account over doubles: links, password, second factor, sessions."""

import base64
import re
from dataclasses import replace
from typing import Any

import httpx
import pyotp
import pytest
from postroom_desk.audit.port import Entry, NoAudit

from tests.component.desk.doubles import DeskBench, settings
from tests.component.desk.test_login import PASSWORD, give, visitor

KEY = base64.b64encode(b"k" * 32).decode()
NEW = "eight tandems on the ferry"
SECRET = re.compile(r'name="secret" value="([A-Z2-7]{32})"')
RECOVERY = re.compile(r"<li><code>([a-z2-9-]{17})</code>")


async def bench(**changes: Any) -> DeskBench:
    desk = DeskBench(settings(secrets_key=KEY, **changes))
    await desk.stores.people.set_password("ana", await desk.identity.hasher.hash(PASSWORD), desk.clock.now())
    return desk


def token_in(text: str) -> str:
    return text.split('csrf-token" content="')[1].split('"', maxsplit=1)[0]


async def form(client: httpx.AsyncClient, path: str, page: str, **data: str) -> httpx.Response:
    """Post a form with the token that the page before it carries."""
    return await client.post(path, data={"csrf": token_in(page), **data})


async def test_an_invitation_is_used_once_and_signs_in() -> None:
    desk = await bench()
    await desk.stores.people.add("ben")
    token = await desk.identity.credentials.link("ben", "invitation", "tests")
    assert token not in repr(desk.stores.links.links)
    way = f"/invitation/{token}"
    async with visitor(desk) as client:
        assert 'value="ben@velo.test"' in (await client.get(way)).text
        assert "not the same" in (await client.post(way, data={"password": NEW, "again": "x"})).text
        short = await client.post(way, data={"password": "short", "again": "short"})
        assert (short.status_code, "at least 12 characters" in short.text) == (422, True)
        named = await client.post(way, data={"password": "okafor okafor 12", "again": "okafor okafor 12"})
        assert "must not contain your name" in named.text
        done = await client.post(way, data={"password": NEW, "again": NEW})
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert (await client.get("/account")).status_code == 200
        for answer in (await client.get(way), await client.post(way, data={"password": NEW, "again": NEW})):
            assert answer.status_code == 404
    async with visitor(desk) as client:
        assert (await give(client, "ben@velo.test", NEW)).status_code == 303


@pytest.mark.parametrize("why", ["ended", "other-purpose", "replaced", "disabled", "nonsense", "sso-alone"])
async def test_a_link_that_is_none_any_more_sets_no_password(why: str) -> None:
    provider = {"oidc_issuer": "https://idp.test", "oidc_client_id": "x", "public_url": "http://127.0.0.1"}
    desk = await bench(**({"password_login": False, **provider} if why == "sso-alone" else {}))
    token = await desk.identity.credentials.link("ana", "reset", "tests")
    way = f"/reset/{token}"
    match why:
        case "ended":
            desk.clock.advance(24 * 3600)
        case "other-purpose":
            way = f"/invitation/{token}"
        case "replaced":
            await desk.identity.credentials.link("ana", "reset", "tests")
        case "disabled":
            await desk.stores.people.disable("ana")
        case "nonsense":
            way = "/reset/%00%ff"
    before = desk.stores.people.people["ana"].password_hash
    async with visitor(desk) as client:
        assert (await client.get(way)).status_code == 404
        assert (await client.post(way, data={"password": NEW, "again": NEW})).status_code == 404
    assert desk.stores.people.people["ana"].password_hash == before


async def test_a_reset_ends_all_sessions_and_asks_for_the_second_factor_still() -> None:
    desk = await bench()
    codes = await with_second_factor(desk)
    client = await desk.browser()
    token = await desk.identity.credentials.link("ana", "reset", "tests")
    async with visitor(desk) as other:
        done = await other.post(f"/reset/{token}", data={"password": NEW, "again": NEW})
        assert done.headers["location"] == "/login/code?next=%2F"
        assert (await other.get("/")).status_code == 303
        assert (await client.get("/")).status_code == 303
        page = (await other.get("/login/code")).text
        assert (await form(other, "/login/code", page, code=codes[0])).headers["location"] == "/"
        assert (await other.get("/")).status_code == 200


async def with_second_factor(desk: DeskBench) -> list[str]:
    """Set ana's second factor up on the page; return her recovery codes."""
    client = await desk.browser()
    page = (await client.get("/account/second-factor")).text
    secret = SECRET.findall(page)[0]
    desk.clock.advance(60)
    code = pyotp.TOTP(secret).at(desk.clock.now())
    wrong = await client.post("/account/second-factor", data={"secret": secret, "code": "000000"})
    assert wrong.status_code == 422
    assert secret in wrong.text
    done = await client.post("/account/second-factor", data={"secret": secret, "code": code})
    codes = RECOVERY.findall(done.text)
    assert len(codes) == 10
    stored = repr(desk.stores.people.people["ana"])
    assert secret not in stored
    assert not any(c in stored for c in codes)
    desk.secret = secret  # type: ignore[attr-defined]
    return codes


async def test_with_a_second_factor_the_password_alone_opens_nothing() -> None:
    desk = await bench()
    codes = await with_second_factor(desk)
    secret: str = desk.secret  # type: ignore[attr-defined]
    async with visitor(desk) as client:
        answer = await client.post("/login", data={"email": "ana@velo.test", "password": PASSWORD, "next": "/account"})
        assert answer.headers["location"] == "/login/code?next=%2Faccount"
        for path in ("/", "/account", "/account/sessions", "/login/enrol"):
            assert (await client.get(path)).headers["location"].startswith("/login")
        assert (await client.get("/api/v1/company")).status_code == 401
        first = client.cookies["postroom_session"]
        page = (await client.get("/login/code")).text
        used = pyotp.TOTP(secret).at(desk.clock.now())
        assert (await form(client, "/login/code", page, code=used)).status_code == 401  # set it up, so it was used
        desk.clock.advance(30)
        code = pyotp.TOTP(secret).at(desk.clock.now())
        assert (await client.post("/login/code", data={"code": code})).status_code == 403  # without the page's token
        done = await form(client, "/login/code", page, code=code, next="/account")
        assert done.headers["location"] == "/account"
        assert client.cookies["postroom_session"] != first
        assert (await client.get("/account")).status_code == 200
    async with visitor(desk) as client:
        await give(client)
        page = (await client.get("/login/code")).text
        assert (await form(client, "/login/code", page, code=code)).status_code == 401
        assert (await form(client, "/login/code", page, code=codes[3].upper().replace("-", " "))).status_code == 303
    async with visitor(desk) as client:
        await give(client)
        page = (await client.get("/login/code")).text
        assert (await form(client, "/login/code", page, code=codes[3])).status_code == 401


async def test_codes_are_not_guessed_either() -> None:
    desk = await bench()
    await with_second_factor(desk)
    statuses = []
    for n in range(11):
        async with visitor(desk, f"192.0.2.{n}") as client:
            begun = await give(client)
            if begun.status_code == 303:
                page = (await client.get("/login/code")).text
                statuses.append((await form(client, "/login/code", page, code="000000")).status_code)
            else:
                statuses.append(begun.status_code)
    assert statuses == [401] * 10 + [429]


async def test_a_role_that_must_have_one_sets_it_up_before_it_is_let_in() -> None:
    desk = await bench(second_factor_roles="agent,admin")
    async with visitor(desk) as client:
        assert (await give(client)).headers["location"] == "/login/enrol?next=%2F"
        assert (await client.get("/")).status_code == 303
        assert (await client.get("/api/v1/company")).status_code == 401
        page = (await client.get("/login/enrol")).text
        secret = SECRET.findall(page)[0]
        code = pyotp.TOTP(secret).at(desk.clock.now())
        assert (await client.post("/login/enrol", data={"secret": secret, "code": code})).status_code == 403
        done = await form(client, "/login/enrol", page, secret=secret, code=code)
        assert len(RECOVERY.findall(done.text)) == 10
        assert (await client.get("/")).status_code == 200


def test_a_role_that_must_have_one_needs_a_deployment_that_can_keep_it() -> None:
    with pytest.raises(ValueError, match="POSTROOM_SECRETS_KEY"):
        settings(second_factor_roles="admin")
    with pytest.raises(ValueError, match="'boss' is none of"):
        settings(second_factor_roles="boss", secrets_key=KEY)


async def test_taking_it_off_asks_for_a_code() -> None:
    desk = await bench()
    codes = await with_second_factor(desk)
    client = await desk.browser()
    assert (await client.post("/account/second-factor/off", data={"code": "000000"})).status_code == 403
    assert desk.stores.people.people["ana"].second_factor is not None
    assert (await client.post("/account/second-factor/off", data={"code": codes[0]})).status_code == 303
    assert desk.stores.people.people["ana"].second_factor is None


async def test_a_deployment_without_key_says_so() -> None:
    desk = DeskBench()
    client = await desk.browser()
    assert "set POSTROOM_SECRETS_KEY" in (await client.get("/account/second-factor")).text
    assert SECRET.findall((await client.get("/account/second-factor")).text) == []


async def test_changing_the_password_ends_all_other_sessions() -> None:
    desk = await bench()
    client, other = await desk.browser(), await desk.browser()
    before = client.cookies["postroom_session"]
    wrong = await client.post("/account/password", data={"old": "wrong", "password": NEW, "again": NEW})
    assert (wrong.status_code, "present password is not right" in wrong.text) == (403, True)
    short = await client.post("/account/password", data={"old": PASSWORD, "password": "x", "again": "x"})
    assert short.status_code == 422
    assert (await other.get("/account")).status_code == 200
    done = await client.post("/account/password", data={"old": PASSWORD, "password": NEW, "again": NEW})
    assert done.headers["location"] == "/account?saved=true"
    after = done.cookies["postroom_session"]
    assert (await other.get("/account")).status_code == 303
    async with visitor(desk) as browser:
        assert (await browser.get("/account", headers={"Cookie": f"postroom_session={before}"})).status_code == 303
        assert (await browser.get("/account", headers={"Cookie": f"postroom_session={after}"})).status_code == 200
        assert (await give(browser)).status_code == 401
        assert (await give(browser, password=NEW)).status_code == 303


async def test_sessions_are_listed_and_ended_one_by_one_and_everywhere() -> None:
    desk = await bench()
    client, other, stranger = await desk.browser(), await desk.browser(), await desk.browser("ben")
    ids = list(desk.stores.sessions.sessions)
    text = (await client.get("/account/sessions")).text
    assert [i in text for i in ids] == [True, True, False]
    assert "192.0.2.1" in text
    assert (await client.post("/account/sessions/end", data={"session": ids[2]})).status_code == 303
    assert (await stranger.get("/account")).status_code == 200
    await client.post("/account/sessions/end", data={"session": ids[1]})
    assert (await other.get("/account")).status_code == 303
    other = await desk.browser()
    await client.post("/account/sessions/end")
    assert (await other.get("/account")).status_code == 303
    assert (await client.get("/account")).status_code == 200
    assert (await client.post("/account/sessions/end", data={"everywhere": "true"})).headers["location"] == "/login"
    assert (await client.get("/account")).status_code == 303


@pytest.mark.parametrize("path", ["/account", "/account/sessions", "/account/second-factor"])
async def test_a_token_of_the_deployment_has_no_account(path: str) -> None:
    desk = await bench()
    async with desk.client() as client:
        assert (await client.get(path)).status_code == 403
    async with desk.client(None) as client:
        assert (await client.get(path)).headers["location"] == f"/login?next={path}"


async def test_pages_cannot_be_framed_and_run_no_inline_script() -> None:
    desk = await bench()
    client = await desk.browser()
    for path in ("/account", "/account/sessions", "/account/second-factor"):
        answer = await client.get(path)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert " style=" not in answer.text
        assert "<script>" not in answer.text


async def test_the_audit_is_told_and_never_what_was_typed() -> None:
    desk = await bench()
    told: list[Entry] = []

    class Recording(NoAudit):
        async def record(self, entry: Entry) -> None:
            told.append(entry)

    desk.app.state.parts = replace(desk.app.state.parts, audit=Recording())
    async with visitor(desk) as client:
        await give(client, "ana@velo.test", "a password typed wrong")
        await give(client, "seven bicycles typed into the wrong field", "x")
        await give(client)
        page = (await client.get("/account/tokens")).text
        made = await form(client, "/account/tokens", page, name="Export", scopes="read", days="30")
        assert made.status_code == 200
        await form(client, "/account/password", page, old=PASSWORD, password=NEW, again=NEW)
        page = (await client.get("/account")).text
        await form(client, "/logout", page)
    of_identity = [e for e in told if e.action != "own-credentials"]  # each request tells of itself, too
    assert [(e.action, e.outcome, e.person) for e in of_identity] == [
        ("failed-log-in", "refused", None),
        ("failed-log-in", "refused", None),
        ("log-in", "done", "ana"),
        ("token-made", "done", "ana"),
        ("password-changed", "done", "ana"),
        ("log-out", "done", "ana"),
    ]
    assert {e.ip for e in told} == {"192.0.2.1"}
    assert all(word not in repr(told) for word in ("typed", PASSWORD, NEW, "velo.test"))
