"""Single sign-on with a real, certified OpenID provider: oidc-provider in Node. Fails, never skips, when Node is missing."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from postroom_desk.adapters.identity_stores import provider_of
from postroom_local.ports import free_port

from tests.component.desk.doubles import DeskBench, settings
from tests.component.desk.test_login import visitor

pytestmark = pytest.mark.connected
HERE = Path(__file__).resolve().parent / "oidc"
DESK = "https://desk.velo.test"
CALLBACK = f"{DESK}/login/sso/callback?"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        ["/bin/sh", HERE / "provider.sh", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", f"{line}{process.communicate(timeout=10)[1]}"
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.communicate(timeout=10)


def desk_at(issuer: str) -> DeskBench:
    given = settings(
        public_url=DESK,
        oidc_issuer=issuer,
        oidc_client_id="postroom",
        oidc_client_secret="secret of the tests: 100%",
        password_login=False,
        oidc_name="Velo",
    )
    return DeskBench(given, provider=provider_of(given))


async def at_the_provider(way: str, login: str) -> str:
    """Log in at the provider as a person does in the browser; return where it sends the browser then."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as browser:
        answer = await browser.get(way)
        for _ in range(10):
            if answer.is_redirect:
                way = str(answer.url.join(answer.headers["location"]))
                if way.startswith(CALLBACK):
                    return way
                answer = await browser.get(way)
            else:
                prompt = "login" if 'value="login"' in answer.text else "consent"
                answer = await browser.post(
                    f"{answer.url}", data={"prompt": prompt, "login": login, "password": "anything"}
                )
    raise AssertionError(f"the provider ended at {answer.url}: {answer.text[:500]}")


async def test_who_is_verified_at_the_provider_is_let_in_as_their_agent(issuer: str) -> None:
    desk = desk_at(issuer)
    async with visitor(desk, url=DESK) as browser:
        page = (await browser.get("/login?next=/account")).text
        assert 'href="/login/sso?next=/account">Sign in by Velo' in page
        assert 'name="password"' not in page
        away = await browser.get("/login/sso?next=/account/sessions")
        assert away.status_code == 303
        assert "; Secure" in away.headers["set-cookie"]
        back = await at_the_provider(away.headers["location"], "Ana@Velo.test")
        done = await browser.get(back)
        assert (done.status_code, done.headers["location"]) == (303, "/account/sessions")
        assert (await browser.get("/account")).status_code == 200
        assert (await browser.get(back)).status_code == 403  # the code and the state are used up
    (session,) = desk.stores.sessions.sessions.values()
    assert (session.agent_id, session.by, session.stage) == ("ana", "sso", "full")


@pytest.mark.parametrize(
    ("login", "says"),
    [
        ("unverified.ana@velo.test", "is verified"),
        ("nobody@velo.test", "is none of an agent here"),
    ],
)
async def test_who_is_no_verified_agent_is_not(issuer: str, login: str, says: str) -> None:
    desk = desk_at(issuer)
    async with visitor(desk, url=DESK) as browser:
        away = await browser.get("/login/sso")
        answer = await browser.get(await at_the_provider(away.headers["location"], login))
    assert answer.status_code == 403
    assert says in answer.text
    assert desk.stores.sessions.sessions == {}


@pytest.mark.parametrize("what", ["other-browser", "verifier", "nonce", "late", "disabled", "other-issuer"])
async def test_what_does_not_fit_lets_nobody_in(issuer: str, what: str) -> None:
    desk = desk_at(issuer)
    async with visitor(desk, url=DESK) as browser:
        away = await browser.get("/login/sso")
        back = await at_the_provider(away.headers["location"], "ana@velo.test")
        ((key, journey),) = desk.stores.journeys.journeys.items()
        match what:
            case "other-browser":
                browser.cookies.clear()
            case "verifier":
                desk.stores.journeys.journeys[key] = replace(journey, verifier="A" * 64)
            case "nonce":
                desk.stores.journeys.journeys[key] = replace(journey, nonce="A" * 64)
            case "late":
                desk.clock.advance(601)
            case "disabled":
                await desk.stores.people.add("ana")
                await desk.stores.people.disable("ana")
            case "other-issuer":
                back = back.replace("iss=http", "iss=https")
        answer = await browser.get(back)
    assert answer.status_code == 403
    assert desk.stores.sessions.sessions == {}


async def test_passwords_are_off_where_single_sign_on_is_all(issuer: str) -> None:
    desk = desk_at(issuer)
    await desk.stores.people.set_password("ana", await desk.identity.hasher.hash("seven bicycles"), desk.clock.now())
    async with visitor(desk, url=DESK) as browser:
        answer = await browser.post("/login", data={"email": "ana@velo.test", "password": "seven bicycles"})
        assert answer.status_code == 401


async def test_a_provider_that_is_away_is_said_and_logged() -> None:
    desk = desk_at(f"http://127.0.0.1:{free_port()}")
    async with visitor(desk, url=DESK) as browser:
        answer = await browser.get("/login/sso")
    assert answer.status_code == 502
    assert "The provider does not answer as it should" in answer.text


def test_lock_names_no_download_address() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("resolved" not in entry and entry["integrity"].startswith("sha512-") for entry in packages.values())
