"""Accounts that log in by OAuth, against a provider whose tokens end within a second."""

import asyncio
import base64
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from postroom_contracts.configuration import MailAccount, OAuth
from postroom_ingest.adapters.oauth_flows import code_flow, device_flow
from postroom_notifier.adapters.smtp import SmtpMailSender
from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import Accepted, TryAgain
from postroom_notifier.settings import NotifierSettings
from postroom_runtime.metrics import REGISTRY
from postroom_runtime.oauth import AuthorisationError, TokenServerError
from postroom_runtime.oauth_grants import Tokens

from tests.integration.ingest.reading import KEY, ReadingPlace, command, mail, reading_place, until
from tests.standins.imap import ImapStandIn
from tests.standins.oauth import OAuthStandIn
from tests.standins.smtp import SmtpStandIn

pytestmark = pytest.mark.connected


@pytest.fixture
async def place(mongo_uri: str, database_prefix: str) -> AsyncIterator[ReadingPlace]:
    async with reading_place(mongo_uri, database_prefix) as opened:
        yield opened


@pytest.fixture
async def provider() -> AsyncIterator[OAuthStandIn]:
    async with OAuthStandIn().running() as running:
        yield running


@pytest.fixture
async def server(provider: OAuthStandIn) -> AsyncIterator[ImapStandIn]:
    async with ImapStandIn(tokens=provider.accepts, ends_at=provider.ends_at).running() as running:
        yield running


def account(name: str, provider: OAuthStandIn, server: ImapStandIn, **changes: Any) -> dict[str, Any]:
    imap = {"host": "127.0.0.1", "port": server.port, "tls": False, "user": f"{name}@acme.test"}
    server.folder(f"{name}@acme.test")
    return {"id": name, "channel": "email", "imap": imap, "oauth": provider.config()} | changes


async def connected(place: ReadingPlace, provider: OAuthStandIn, name: str) -> None:
    expired = Tokens("none", place.clock.now(), provider.grant(f"{name}@acme.test"))
    await place.grants().replace(name, expired)


def series(name: str, account_id: str) -> float:
    found = REGISTRY.get_sample_value(name, {"account": account_id})
    return -1 if found is None else found


async def test_idle_session_lives_through_ten_expiries_and_no_mail_is_lost(
    place: ReadingPlace, provider: OAuthStandIn, server: ImapStandIn
) -> None:
    provider.life_seconds, provider.grace_seconds = 0.5, 10
    accounts = place.configure(account("lives", provider, server))
    await connected(place, provider, "lives")
    began = place.clock.now().timestamp()
    async with place.reading(*accounts):
        for n in range(24):
            await server.deliver("lives@acme.test", mail(n))
            await until(lambda n=n: provider.refreshes > n // 2)  # type: ignore[misc]
        await until(lambda: len(place.publisher.records) >= 24)
    assert place.publisher.subjects() == sorted(f"Question {n}" for n in range(24))
    assert provider.refreshes >= 11
    assert server.refused == 0, "a token is renewed before it ends"
    assert series("postroom_ingest_login_failed", "lives") == 0
    ends = series("postroom_oauth_token_expires_timestamp_seconds", "lives")
    assert began + 11 * 0.4 < ends < place.clock.now().timestamp() + 1


@pytest.mark.parametrize("style", ["google", "microsoft"])
async def test_token_that_the_server_ends_early_is_replaced_at_once(
    place: ReadingPlace, provider: OAuthStandIn, server: ImapStandIn, style: str
) -> None:
    server.style = style
    accounts = place.configure(account(f"early-{style}", provider, server))
    user = f"early-{style}@acme.test"
    await connected(place, provider, accounts[0].id)
    token = (await place.tokens().token(accounts[0])).value
    provider.expire()
    assert not provider.accepts(user, token)
    async with place.reading(*accounts):
        await server.deliver(user, mail(1))
        await until(lambda: place.publisher.records)
    assert (server.refused, provider.refreshes) == (1, 2)
    assert series("postroom_ingest_login_failed", accounts[0].id) == 0


async def test_revoked_grant_turns_its_own_account_red_until_it_is_connected_anew(
    place: ReadingPlace, provider: OAuthStandIn, server: ImapStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.life_seconds, provider.grace_seconds = 0.5, 10
    accounts = place.configure(account("taken-back", provider, server), account("goes-on", provider, server))
    await connected(place, provider, "taken-back")
    await connected(place, provider, "goes-on")
    async with place.reading(*accounts):
        await until(lambda: len(server.logins) >= 2)
        provider.revoke("taken-back@acme.test")
        await until(lambda: series("postroom_oauth_grant_refused", "taken-back") == 1)
        asked = len([a for a in provider.asked if "taken-back" in a.get("refresh_token", "")])
        await server.deliver("taken-back@acme.test", mail(1, "taken-back@acme.test"))
        for n in range(4):
            before = provider.refreshes
            await server.deliver("goes-on@acme.test", mail(n, "goes-on@acme.test"))
            await until(lambda before=before: provider.refreshes > before)  # type: ignore[misc]
        await until(lambda: len(place.publisher.records) == 4)
        assert series("postroom_ingest_login_failed", "taken-back") == 1
        assert series("postroom_ingest_login_failed", "goes-on") == 0
        assert series("postroom_oauth_grant_refused", "goes-on") == 0
        again = len([a for a in provider.asked if "taken-back" in a.get("refresh_token", "")])
        assert again == asked, "a refused grant is not asked for again"
        told = capsys.readouterr().out
        assert "invalid_grant AADSTS50173" in told
        assert "postroom ingest connect taken-back" in told
        await connected(place, provider, "taken-back")
        await until(lambda: len(place.publisher.records) == 5)
        assert series("postroom_ingest_login_failed", "taken-back") == 0
        assert series("postroom_oauth_grant_refused", "taken-back") == 0


async def test_one_process_refreshes_while_the_others_wait(place: ReadingPlace, provider: OAuthStandIn) -> None:
    provider.delay_seconds = 0.3
    async with ImapStandIn().running() as unused:
        accounts = place.configure(account("shared", provider, unused))
    await connected(place, provider, "shared")
    replicas = [place.tokens() for _ in range(4)]
    tokens = await asyncio.gather(*(replicas[n % 4].token(accounts[0]) for n in range(20)))
    assert len({t.value for t in tokens}) == 1
    assert provider.refreshes == 1


async def test_answers_of_the_token_endpoint(place: ReadingPlace, provider: OAuthStandIn, server: ImapStandIn) -> None:
    tokens = place.tokens()
    (one,) = place.configure(account("answers", provider, server))
    with pytest.raises(AuthorisationError, match=r"not connected.*postroom ingest connect answers"):
        await tokens.token(one)
    await connected(place, provider, "answers")
    for answer in ((503, b"busy"), (200, b"<html>"), (200, {}), (400, {"error": "temporarily_unavailable"})):
        provider.answers.append(answer)
        with pytest.raises(TokenServerError):
            await tokens.token(one)
    (stranger,) = place.configure(account("answers", provider, server, oauth=provider.config(client_id="x")))
    with pytest.raises(AuthorisationError, match=r"client of account answers .invalid_client.: look at client_id"):
        await tokens.token(stranger)
    assert (await tokens.token(one)).value.startswith("access-"), "and none of them has cost the grant"


@pytest.mark.parametrize("style", ["google", "microsoft"])
async def test_smtp_by_token_and_its_refusal(place: ReadingPlace, provider: OAuthStandIn, style: str) -> None:
    async with SmtpStandIn(provider.accepts, style).running() as smtp, ImapStandIn().running() as imap:
        server = {"host": "127.0.0.1", "port": smtp.port, "tls": "none"}
        (one,) = place.configure(account(f"smtp-{style}", provider, imap, smtp=server))
        sender = SmtpMailSender(NotifierSettings(smtp_hostname="test", smtp_idle_seconds=0), place.tokens())
        mail_out = OutgoingMail(
            f"smtp-{style}@acme.test", ("carla@example.test",), b"Subject: x\r\n\r\ntext\r\n", False
        )
        assert await sender.send(one, mail_out) == TryAgain("account_refused", unreachable=True)
        await connected(place, provider, one.id)
        assert await sender.send(one, mail_out) == Accepted()
        provider.expire()
        assert await sender.send(one, mail_out) == TryAgain("account_refused", unreachable=True, code="535")
        assert await sender.send(one, mail_out) == Accepted(), "the next try has a fresh token"
        provider.revoke(f"smtp-{style}@acme.test")
        await place.tokens().refused(one.id, await place.tokens().token(one))
        assert await sender.send(one, mail_out) == TryAgain("account_refused", unreachable=True)
        assert (len(smtp.mails), smtp.refused) == (2, 1)
        await sender.close()


async def test_device_flow_polls_until_the_person_is_done(place: ReadingPlace, provider: OAuthStandIn) -> None:
    provider.pending_polls = 2
    oauth = OAuth.model_validate(provider.config())
    told: list[str] = []
    tokens = await device_flow(oauth, place.clock, told.append, 60)
    assert tokens.refresh_token is not None
    assert told[0] == f"Open {provider.url}/login in any browser, log in as the mailbox, and enter the code ABCD-EFGH"
    provider.denied = True
    with pytest.raises(AuthorisationError, match="denied in the browser"):
        await device_flow(oauth, place.clock, told.append, 60)
    provider.denied, provider.pending_polls = False, 1000
    with pytest.raises(AuthorisationError, match="in time: run the command again"):
        await device_flow(oauth, place.clock, told.append, 0.2)


async def test_code_flow_takes_the_answer_to_its_own_question_alone(
    place: ReadingPlace, provider: OAuthStandIn
) -> None:
    oauth = OAuth.model_validate(provider.config())
    told: list[str] = []
    flow = asyncio.create_task(code_flow(oauth, place.clock, told.append, 60))
    await until(lambda: told)
    asked = parse_qs(urlsplit(told[0].splitlines()[1]).query)
    assert asked["code_challenge_method"] == ["S256"]
    redirect = asked["redirect_uri"][0].replace("localhost", "127.0.0.1")

    async def browser(query: str) -> str:
        def get() -> str:
            with urllib.request.urlopen(f"{redirect}?{query}", timeout=30) as answer:
                return str(answer.read().decode())

        return await asyncio.to_thread(get)

    assert "was not connected" in await browser("code=stolen&state=another")
    assert "is connected" in await browser(f"code=code-1&state={asked['state'][0]}")
    assert (await flow).refresh_token is not None


async def test_connect_command_stores_an_encrypted_grant_and_logs_in(
    place: ReadingPlace,
    provider: OAuthStandIn,
    server: ImapStandIn,
    mongo_uri: str,
    database_prefix: str,
    tmp_path: Path,
) -> None:
    (one,) = place.configure(account("support", provider, server))
    file = tmp_path / "company.yaml"
    file.write_text(place.configurations.latest.model_dump_json(exclude_none=True))
    key = base64.b64encode(KEY).decode()
    env = {"POSTROOM_MONGO_URI": mongo_uri, "POSTROOM_DATABASE_PREFIX": database_prefix}
    status, _, told = await command(env, "connect", "support", "--config", str(file))
    assert (status, "openssl rand -base64 32" in told) == (1, True)
    env["POSTROOM_TOKEN_KEYS"] = key
    status, said, _ = await command(env, "connect", "support", "--config", str(file))
    assert status == 0, said
    assert "support: logged in as support@acme.test, 0 mails in INBOX" in said
    found = await place.client[f"{database_prefix}grants"]["grants"].find_one({"_id": "support"})
    assert not any(b"refresh-" in bytes(v) or b"access-" in bytes(v) for v in found.values() if isinstance(v, bytes))
    assert (await place.tokens().token(one)).value.startswith("access-")


def test_microsoft_and_google_need_no_addresses() -> None:
    def endpoints(provider: str) -> tuple[str, str | None]:
        from postroom_runtime.oauth_providers import endpoints_of

        found = endpoints_of(OAuth.model_validate({"provider": provider, "client_id": "x", "tenant": "acme.test"}))
        return found.token_url, found.device_url

    assert endpoints("google") == ("https://oauth2.googleapis.com/token", None)
    assert endpoints("microsoft") == (
        "https://login.microsoftonline.com/acme.test/oauth2/v2.0/token",
        "https://login.microsoftonline.com/acme.test/oauth2/v2.0/devicecode",
    )


def test_account_needs_a_password_or_oauth() -> None:
    imap = {"host": "x", "user": "u"}
    with pytest.raises(ValueError, match="password"):
        MailAccount.model_validate({"id": "a", "imap": imap})
    oauth = {"provider": "microsoft", "client_id": "x"}
    assert MailAccount.model_validate({"id": "a", "imap": imap, "oauth": oauth}).imap is not None
    with pytest.raises(ValueError, match="must begin with https"):
        OAuth.model_validate(
            {"provider": "custom", "client_id": "x", "token_url": "http://x/", "device_url": "https://x"}
        )
