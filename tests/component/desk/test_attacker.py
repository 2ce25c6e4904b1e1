"""The desk by an attacker's eye: whatever the route, what may come in, what stands on each answer, who may make a browser ask."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from postroom_desk.api.doorway import MAX_BODY_BYTES
from postroom_desk.console.signing_in import local

from tests.component.desk.doubles import TOKEN, DeskBench
from tests.component.desk.facts import CONVERSATION, customer_content, received
from tests.component.desk.routes_of import addresses
from tests.component.desk.test_login import PASSWORD, give, visitor
from tests.component.desk.test_web_safety import still  # noqa: F401 - a fixture
from tests.integration.desk.vectors import VECTORS, vector

CHANGING = ("POST", "PUT", "DELETE", "PATCH")
SIGNED = "/u/{token}"
"""One click in a mail program comes from anywhere: the signed token is the right (RFC 8058)."""


def changing() -> list[tuple[str, str]]:
    """Return every (method, path) that changes something, the parameters filled."""
    found = []
    for address in addresses(DeskBench().app):
        path = address.path.replace("{conversation}", CONVERSATION).replace("{conversation_id}", CONVERSATION)
        filled = "/".join("x1" if part.startswith("{") else part for part in path.split("/"))
        found += [(m, filled) for m in sorted(address.methods) if m in CHANGING and address.path != SIGNED]
    return found


async def test_no_other_site_makes_a_browser_change_anything_at_any_address() -> None:
    desk = DeskBench()
    client = await desk.browser("ana")
    own = dict(client.headers)
    attacks: list[dict[str, str]] = [
        {"origin": "https://evil.test", "x-csrf-token": own["x-csrf-token"]},
        {"origin": "null", "x-csrf-token": own["x-csrf-token"]},
        {"sec-fetch-site": "cross-site", "origin": ""},
    ]
    let_in = []
    assert len(changing()) > 70
    async with client:
        for method, path in changing():
            for headers in attacks:
                for name in ("origin", "x-csrf-token"):
                    client.headers.pop(name, None)
                answer = await client.request(method, path, headers={k: v for k, v in headers.items() if v}, json={})
                if answer.status_code != 403:
                    let_in.append((method, path, headers, answer.status_code))
    assert let_in == []
    assert desk.commands.published == []


async def test_our_own_page_without_its_token_changes_nothing_either() -> None:
    desk = DeskBench()
    client = await desk.browser("ana")
    del client.headers["x-csrf-token"]
    public = (
        "/login",
        "/invitation",
        "/reset",
        "/logout",
        "/start",
    )  # before anybody is signed in; log-out by its own test
    async with client:
        for method, path in changing():
            if not path.startswith(public):
                answer = await client.request(method, path, json={})
                assert answer.status_code == 403, (method, path, answer.text)


async def test_every_answer_says_that_nothing_in_it_may_run_or_be_framed() -> None:
    desk = DeskBench()
    await desk.content.put([customer_content(html="<p>x</p>")])
    await desk.happens(received(), CONVERSATION)
    message = f"/api/v1/conversations/{CONVERSATION}/messages/m1"
    paths = (
        "/", "/login", "/tags.css", "/static/desk.js", "/static/nothing", "/api/v1/company", "/api/v1/openapi.json",
        "/api/v1/schemas", "/api/v1/nothing", "/nothing", message, f"{message}/html", f"{message}/attachments/9",
    )  # fmt: skip
    async with await desk.browser("ana") as client:
        for path in paths:
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            framed = "frame-ancestors 'self'" if path.endswith("/html") else "frame-ancestors 'none'"
            assert "default-src 'none'" in policy, path
            assert framed in policy, path
            assert "unsafe" not in policy or path.endswith("/html"), path  # where no script runs at all
            assert headers["x-content-type-options"] == "nosniff", path
            if not path.startswith(("/static", "/tags", "/api/v1/schemas")):
                assert "no-store" in headers["cache-control"], path


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/pdf", "text/xml", "message/rfc822"])
async def test_attachments_are_downloads_whatever_they_say_they_are(kind: str) -> None:
    desk = DeskBench()
    await desk.content.put_blob("b", b"<script>x()</script>")
    files = [
        {"filename": vector(n), "content_type": kind, "body_bytes": 3, "sha256": "0", "blob_id": "b"}
        for n in range(len(VECTORS))
    ]
    await desk.content.put([customer_content(attachments=files)])
    await desk.happens(received(), CONVERSATION)
    async with desk.client(TOKEN) as client:
        for n in range(0, len(VECTORS), 5):
            answer = await client.get(f"/api/v1/conversations/{CONVERSATION}/messages/m1/attachments/{n}")
            assert answer.headers["content-type"] == "application/octet-stream"
            said = answer.headers["content-disposition"]
            assert said.startswith('attachment; filename="')
            assert said.isascii()
            assert said.isprintable()
            assert said.count('"') == 2
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/login", "/login/forgot", "/api/v1/bulk", f"/api/v1/conversations/{CONVERSATION}/note"]
)
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_without_bound_is_refused_before_anybody_is_known(path: str, declared: bool) -> None:
    taken = 0

    async def pieces() -> Any:
        nonlocal taken
        for _ in range(64):
            taken += 1
            yield b"x" * (MAX_BODY_BYTES // 16)

    kind = "application/x-www-form-urlencoded" if "login" in path else "application/json"
    async with visitor(DeskBench()) as client:
        body = b"x" * (MAX_BODY_BYTES + 1) if declared else pieces()
        answer = await client.post(path, content=body, headers={"Content-Type": kind})
    form_field = not declared and "login" in path  # one field of a form ends earlier still
    assert answer.status_code == (400 if form_field else 413), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert declared or taken <= 18


async def test_a_session_that_an_attacker_planted_is_not_the_one_that_begins() -> None:
    desk = DeskBench()
    await desk.stores.people.set_password("ana", await desk.identity.hasher.hash(PASSWORD), desk.clock.now())
    async with visitor(desk) as client:
        client.cookies.set("postroom_session", "planted-by-somebody-else-0001", domain="127.0.0.1")
        assert (await give(client)).status_code == 303
        begun = [
            c.value for c in client.cookies.jar if c.name == "postroom_session" and "planted" not in (c.value or "")
        ]
        assert len(begun) == 1
        assert len(begun[0] or "") >= 43
    async with visitor(desk) as thief:
        thief.cookies.set("postroom_session", "planted-by-somebody-else-0001", domain="127.0.0.1")
        assert (await thief.get("/api/v1/company")).status_code == 401


@pytest.mark.parametrize(
    "given",
    ["//evil.test", "/\\evil.test", "https://evil.test", "javascript:x()", "\t//evil.test", "/\t/evil.test", "/\n/evil.test",
     "evil.test", "\\\\evil.test", "/%0d%0aLocation:x\r\n", "", None, "@evil.test", "///evil.test"],
)  # fmt: skip
def test_nobody_is_sent_to_another_site_after_signing_in(given: str | None) -> None:
    assert local(given) == "/"


@pytest.mark.usefixtures("still")
async def test_whoever_asks_without_a_session_is_counted_by_their_network_at_every_address() -> None:
    desk = DeskBench()
    statuses = []
    for n in range(70):
        async with visitor(desk, f"2001:db8:1:1::{n:x}") as guesser:
            guesser.headers["Authorization"] = f"Bearer guessed-token-{n:04}"
            statuses.append((await guesser.get("/api/v1/company")).status_code)
    assert statuses == [401] * 60 + [429] * 10, "an IPv6 network is one"
    async with visitor(desk, "2001:db8:1:2::1") as other:
        assert (await other.get("/login")).headers["ratelimit-policy"].startswith('"requests"')
        for path in ("/login/forgot", "/invitation/x", "/reset/x", "/u/x", "/api/v1/schemas", "/login/sso", "/nothing"):
            answer: httpx.Response = await other.get(path)
            assert "ratelimit" in answer.headers, path


@pytest.mark.parametrize(
    "query", ['{"$gt": ""}', "$where", "[$ne]", "\u0000", "\udcff".encode("utf-8", "surrogatepass").hex()]
)
async def test_operators_in_addresses_are_texts_that_find_nothing(query: str) -> None:
    desk = DeskBench()
    await desk.happens(received(), CONVERSATION)
    async with desk.client(TOKEN) as client:
        for name in ("inbox", "team", "tag", "contact"):
            found = await client.get("/api/v1/conversations", params={name: query})
            assert found.status_code == 200
            assert found.json()["items"] == []
            assert (await client.get("/api/v1/conversations", params={f"{name}[$gt]": ""})).status_code == 422
        for path in ("/conversations/{}", "/requests/{}", "/contacts/{}/conversations", "/uploads/{}"):
            answer = await client.get(f"/api/v1{path}".replace("{}", quote(query, safe="")))
            assert answer.status_code == 404 or answer.json()["items"] == [], path
