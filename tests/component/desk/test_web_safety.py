"""What protects the desk on the web: limits of requests, no operators into MongoDB, no secret in what anybody sees."""

import base64
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from postroom_desk.api import limits
from postroom_desk.api.limits import Bucket
from postroom_desk.console.pages import STATIC
from postroom_runtime.http import Door
from prometheus_client import generate_latest

from tests.component.desk.doubles import TOKEN, DeskBench, settings
from tests.component.desk.facts import CONVERSATION, customer_content, received
from tests.component.desk.test_login import give, visitor

OPERATORS: list[Any] = [{"$gt": ""}, {"$ne": None}, [{"$where": "1"}]]


# --- limits of requests -----------------------------------------------------------------------------------------------


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, however slow the machine is."""
    monkeypatch.setattr(limits, "monotonic", lambda: 1000.0)


@pytest.mark.usefixtures("still")
async def test_over_the_limit_a_person_is_told_when_to_come_again_and_nobody_else() -> None:
    desk = DeskBench(settings(requests_per_minute=10))
    client, other = await desk.browser("ana"), await desk.browser("ben")
    answers = [await client.get("/api/v1/company") for _ in range(11)]
    assert [a.status_code for a in answers] == [200] * 10 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"requests";q=10;w=60'
    assert answers[0].headers["ratelimit"] == '"requests";r=9;t=0'
    refused = answers[-1]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "6"
    assert refused.json()["type"] == "urn:postroom:problem:too-many-requests"
    assert "x-request-id" in refused.headers
    assert (await other.get("/api/v1/company")).status_code == 200
    assert (await client.get("/static/desk.css")).status_code == 200


@pytest.mark.usefixtures("still")
async def test_who_guesses_tokens_is_stopped_and_those_who_are_known_are_not() -> None:
    desk = DeskBench()
    client = await desk.browser("ana")
    assert (await client.get("/api/v1/company")).status_code == 200
    statuses = []
    for n in range(62):
        async with desk.client(f"guess-number-{n:04}") as guesser:
            statuses.append((await guesser.get("/api/v1/company")).status_code)
    assert statuses == [401] * 60 + [429] * 2
    assert (await client.get("/api/v1/company")).status_code == 200
    async with desk.client(TOKEN) as house:
        assert (await house.get("/api/v1/company")).status_code == 200


async def test_a_token_of_the_deployment_has_no_limit() -> None:
    desk = DeskBench(settings(requests_per_minute=10))
    async with desk.client(TOKEN) as house:
        assert {(await house.get("/api/v1/company")).status_code for _ in range(15)} == {200}


def test_a_bucket_fills_up_within_its_window_and_no_further() -> None:
    bucket = Bucket(60, 60, 0.0)
    assert [bucket.take(0.0) for _ in range(61)] == [True] * 60 + [False]
    assert bucket.seconds_to_next() == 1
    assert bucket.take(1.0)
    assert not bucket.take(1.5)
    assert bucket.refresh(1000.0) == 60


# --- operators into MongoDB -------------------------------------------------------------------------------------------


def body_fields() -> Iterator[tuple[str, str, str]]:
    """Yield (method, path, field) of every field of every JSON body in the API's own description."""
    document = DeskBench().app.openapi()
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            schema = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            for field in schema.get("properties", {}):
                yield method, path, field


FIELDS = sorted(set(body_fields()))


def test_there_are_fields_to_try() -> None:
    assert len(FIELDS) > 30
    assert ("post", "/api/v1/conversations/{conversation}/reply", "text") in FIELDS


async def test_an_operator_in_any_field_of_any_body_is_refused_by_its_type() -> None:
    desk = DeskBench()
    await desk.content.put([customer_content()])
    await desk.happens(received(), CONVERSATION)
    taken = []
    async with desk.client() as client:
        for method, path, field in FIELDS:
            address = path.replace("{conversation}", CONVERSATION)
            for operator in OPERATORS:
                answer = await client.request(method, address, json={field: operator})
                named = [e["pointer"] for e in answer.json().get("errors", [])]
                if answer.status_code != 422 or not any(p.startswith(f"/{field}") for p in named):
                    taken.append((method, path, field, answer.status_code, answer.text[:200]))
    assert taken == []
    assert desk.commands.published == []


async def test_forms_take_text_alone() -> None:
    desk = DeskBench()
    async with visitor(desk) as client:
        for data in ({"email[$gt]": "", "password[$gt]": ""}, {"email": '{"$gt": ""}', "password": '{"$gt": ""}'}):
            assert (await client.post("/login", data=data)).status_code == 401
        answer = await client.post("/login", json={"email": {"$gt": ""}, "password": {"$gt": ""}})
        assert answer.status_code in (401, 422)
    assert desk.stores.sessions.sessions == {}


# --- planted secrets --------------------------------------------------------------------------------------------------

CANARY = "canary-5ecre7-of-the-tests"


async def test_planted_secrets_are_in_no_log_answer_error_page_or_series(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    key = base64.b64encode(CANARY.encode().ljust(32, b"x")).decode()
    given = settings(
        api_tokens=f"tests={CANARY}-token",
        signing_keys=f"{CANARY}-signing",
        secrets_key=key,
        public_url="http://127.0.0.1",
        oidc_issuer="http://127.0.0.1:1",
        oidc_client_id="postroom",
        oidc_client_secret=f"{CANARY}-oidc",
        mongo_uri=f"mongodb://user:{CANARY}-mongo@127.0.0.1/",
    )
    desk = DeskBench(given)
    await desk.happens(received(), CONVERSATION)
    password = f"{CANARY} password"
    await desk.stores.people.set_password("ana", await desk.identity.hasher.hash(password), desk.clock.now())
    seen: list[str] = [repr(given), str(given), given.model_dump_json()]
    with structlog.testing.capture_logs() as logs:
        async with visitor(desk) as client:
            for email, typed in (("ana@velo.test", f"{password}!"), (password, "x"), ("ana@velo.test", password)):
                answer = await give(client, email, typed)
                seen += [answer.text, answer.headers.get("location", "")]
            cookie = client.cookies["postroom_session"]
            for path in ("/account", "/account/sessions", "/account/tokens", "/account/second-factor", "/login"):
                seen.append((await client.get(path)).text.replace(f'value="{CANARY}', ""))
            seen.append((await client.get("/login/sso")).text)
        async with desk.client(f"{CANARY}-token") as client:
            for body in ({"agent": CANARY}, {"text": {"a": CANARY}}, {CANARY: CANARY}, [CANARY]):
                seen.append((await client.post(f"/api/v1/conversations/{CONVERSATION}/note", json=body)).text)
            desk.conversations.away = True
            seen.append((await client.get("/api/v1/conversations")).text)
            desk.conversations.get = None  # type: ignore[method-assign,assignment]
            broken = await client.get(f"/api/v1/conversations/{CONVERSATION}")
            assert broken.status_code == 500
            seen.append(broken.text)
        async with desk.client(f"{CANARY}-no-token") as client:
            seen.append((await client.get("/api/v1/company")).text)
    printed = capsys.readouterr()
    seen += [
        repr(logs),
        caplog.text,
        printed.out,
        printed.err,
        generate_latest().decode(),
        repr(Door),
        repr(desk.identity),
    ]
    asked = f'"/{CANARY}"'  # the name of a field that was not known is named back to who sent it
    assert [text for text in seen if CANARY in text.replace(asked, "")] == []
    assert [text for text in seen if cookie in text or key in text] == []


# --- the pages' own requests ------------------------------------------------------------------------------------------


def test_every_request_of_a_script_that_changes_something_carries_the_sessions_token() -> None:
    """One that is forgotten is refused for people who are signed in, and works in an open desk."""
    without = []
    for script in sorted(STATIC.glob("*.js")):
        text = script.read_text(encoding="utf-8")
        changes = len(re.findall(r"fetch\([^;]*?\bmethod\b", text)) + text.count("new XMLHttpRequest")
        if text.count("csrf()") < changes:
            without.append(script.name)
    assert without == []
