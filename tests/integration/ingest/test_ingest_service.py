"""Ingest as a process, on real Kafka, MongoDB and Dovecot: no mail lost, none twice, whatever dies."""

import asyncio
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import Event
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.topics import INBOUND_MESSAGES
from postroom_local.dovecot import DovecotServer
from postroom_local.mail import MailUser
from standardwebhooks.webhooks import Webhook

from tests.deployment import Deployment

pytestmark = pytest.mark.connected
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STEPS = [
    "ingest.blobs_stored",
    "ingest.content_stored",
    "ingest.ledger_stored",
    "ingest.places_noted",
    "ingest.cursor_saved",
    "ingest.published",
    "ingest.marked",
]


def company(accounts: list[dict[str, Any]]) -> Configuration:
    inboxes = [
        {
            "id": f"inbox-{account['id']}",
            "name": "Inbox",
            "account": account["id"],
            "address": f"{account['id']}@acme.test",
            "aliases": [f"{account['id']}-alias@acme.test"],
            "teams": ["team"],
        }
        for account in accounts
    ]
    return Configuration.model_validate(
        {
            "company": {"name": "Acme", "default_calendar": "always"},
            "calendars": [{"id": "always", "time_zone": "UTC", "hours": {}}],
            "accounts": accounts,
            "inboxes": inboxes,
            "teams": [{"id": "team", "name": "Team", "members": ["ann"]}],
            "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@acme.test"}],
        }
    )


def mail_account(name: str, server: DovecotServer, poll_seconds: int = 2) -> dict[str, Any]:
    imap: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "tls": False, "user": f"{name}@acme.test"}
    imap["poll_seconds"] = poll_seconds
    return {"id": name, "channel": "email", "imap": {**imap, "password": {"env": "MAIL_PASSWORD"}}}


def mail(name: str, n: int, message_id: str | None = "") -> bytes:
    message = EmailMessage()
    message["From"] = f"Customer {n} <customer{n}@example.test>"
    message["To"] = f"{name}@acme.test"
    message["Subject"] = f"Question {n}"
    if message_id is not None:
        message["Message-ID"] = message_id or f"<{name}-{n}@example.test>"
    message.set_content(f"Hello, this is question {n} to {name}.\n")
    return message.as_bytes()


def dovecot_for(names: list[str]) -> DovecotServer:
    server = DovecotServer([MailUser(f"{name}@acme.test", "secret") for name in names])
    server.start()
    return server


@pytest.fixture
async def deployment(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> AsyncIterator[Deployment]:
    place = Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix, lease_seconds=3)
    place.env["MAIL_PASSWORD"] = "secret"
    async with place:
        yield place


def inbound(events: list[Event]) -> list[InboundReceived]:
    return [e.data for e in events if isinstance(e.data, InboundReceived)]


def subjects(events: list[Event]) -> list[str]:
    return sorted(m.subject for m in inbound(events))


async def test_mail_becomes_one_record_with_its_content_stored(deployment: Deployment) -> None:
    server = dovecot_for(["support"])
    try:
        server.deliver("support@acme.test", mail("support", 1))
        server.deliver("support@acme.test", mail("support", 1))  # the same mail, delivered twice
        server.deliver("support@acme.test", mail("support", 2, message_id=None))
        await deployment.configure(company([mail_account("support", server, poll_seconds=120)]))
        ingest = deployment.start("ingest")
        await ingest.ready()
        await deployment.wait_for_events(INBOUND_MESSAGES, 2)
        server.deliver("support@acme.test", mail("support", 3))
        events = await deployment.wait_for_events(INBOUND_MESSAGES, 3, 60)  # by IDLE, not by the next look
        assert subjects(events) == ["Question 1", "Question 2", "Question 3"]
        first = next(m for m in inbound(events) if m.subject == "Question 1")
        assert first.inbox_id == "inbox-support"
        assert first.sender.address == "customer1@example.test"
        assert first.external_id == "support-1@example.test"
        assert first.received_at <= first.ingested_at
        metrics = ingest.get("/metrics")
        assert 'postroom_ingest_messages_total{account="support",outcome="duplicate"} 1.0' in metrics
        assert await ingest.stop() == 0
    finally:
        server.kill()


@pytest.mark.parametrize("step", STEPS)
async def test_kill_at_each_step_loses_and_doubles_nothing(deployment: Deployment, step: str) -> None:
    server = dovecot_for(["support"])
    try:
        for n in range(5):
            server.deliver("support@acme.test", mail("support", n))
        await deployment.configure(company([mail_account("support", server)]))
        doomed = deployment.start("ingest", POSTROOM_KILL_AT=f"{step}:1")
        await deployment.killed(doomed)
        survivor = deployment.start("ingest")
        await survivor.ready()
        await deployment.wait_for_events(INBOUND_MESSAGES, 5)
        server.deliver("support@acme.test", mail("support", 5))
        events = await deployment.wait_for_events(INBOUND_MESSAGES, 6)
        assert subjects(events) == [f"Question {n}" for n in range(6)]
        assert len({e.id for e in events}) == 6
    finally:
        server.kill()


async def test_three_replicas_share_twelve_accounts_and_one_may_die(deployment: Deployment) -> None:
    names = [f"box{n:02}" for n in range(12)]
    server = dovecot_for(names)
    try:
        await deployment.configure(company([mail_account(name, server) for name in names]))
        replicas = [deployment.start("ingest") for _ in range(3)]
        await asyncio.gather(*(r.ready() for r in replicas))

        def held() -> list[int]:
            lines = [
                next(x for x in r.get("/metrics").splitlines() if x.startswith("postroom_ingest_accounts_held "))
                for r in replicas
            ]
            return [int(float(line.split()[1])) for line in lines]

        deadline = time.monotonic() + 60
        while held() != [4, 4, 4]:
            assert time.monotonic() < deadline, f"accounts are not spread: {held()}"
            await asyncio.sleep(0.2)
        sent: dict[str, float] = {}
        for n in range(48):
            if n == 16:
                replicas[0].kill()
            server.deliver(f"{names[n % 12]}@acme.test", mail(names[n % 12], n))
            sent[f"Question {n}"] = datetime.now(UTC).timestamp()
            await asyncio.sleep(0.05)
        events = await deployment.wait_for_events(INBOUND_MESSAGES, 48)
        assert subjects(events) == sorted(sent)
        # The lease is 3 s here, and by its end alone the accounts change hands; the rest is for a busy machine.
        late = [m.ingested_at.timestamp() - sent[m.subject] for m in inbound(events)]
        assert max(late) < 30, f"late by {max(late):.1f} s"
        raw = [r async for r in deployment.records(INBOUND_MESSAGES)]
        assert len({r.value for r in raw}) == 48
    finally:
        server.kill()


def webhook_request(url: str, body: dict[str, Any] | bytes, webhook_id: str, secret: str = SECRET) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    now = datetime.now(UTC)
    signature = Webhook(secret).sign(webhook_id, now, raw.decode())
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
        "content-type": "application/json",
    }
    request = urllib.request.Request(url, raw, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


async def test_webhooks_are_verified_deduplicated_and_never_refused_for_their_kind(deployment: Deployment) -> None:
    deployment.env["HOOK_SECRET"] = SECRET
    account = {"id": "shop", "channel": "webhook", "secrets": [{"env": "HOOK_SECRET"}]}
    await deployment.configure(company([account]))
    ingest = deployment.start("ingest")
    await ingest.ready()
    url = f"{ingest.url}/webhooks/shop"
    body = {"type": "message.received", "data": {"from": {"address": "cust-1"}, "text": "Where is my order?"}}
    identifier = f"msg_{uuid.uuid4().hex}"
    assert webhook_request(url, body, identifier)[1]["status"] == "accepted"
    assert webhook_request(url, body, identifier)[1]["status"] == "duplicate"
    assert webhook_request(url, body, "msg_2", secret="whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")[0] == 401
    assert webhook_request(url, {"type": "something.else"}, "msg_3") == (200, {"status": "ignored", "message_id": None})
    assert webhook_request(url, b"not json", "msg_4")[0] == 200
    assert webhook_request(url, {"type": "message.received", "data": {"text": "x"}}, "msg_5")[0] == 422
    assert webhook_request(f"{ingest.url}/webhooks/nobody", body, "msg_6")[0] == 404
    assert webhook_request(url, b"x" * (3 * 1024 * 1024 + 1), "msg_7")[0] == 413
    events = await deployment.wait_for_events(INBOUND_MESSAGES, 1)
    assert [m.text for m in inbound(events)] == ["Where is my order?"]


async def test_kafka_away_means_lag_not_refusals(
    kafka_server: Any, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> None:
    kafka = await asyncio.to_thread(kafka_server)
    async with Deployment(kafka.bootstrap, mongo_uri, topic_prefix, database_prefix, lease_seconds=3) as deployment:
        deployment.env["HOOK_SECRET"] = SECRET
        account = {"id": "shop", "channel": "webhook", "secrets": [{"env": "HOOK_SECRET"}]}
        await deployment.configure(company([account]))
        ingest = deployment.start("ingest", POSTROOM_PUBLISH_TIMEOUT_SECONDS="5")
        await ingest.ready()
        await asyncio.to_thread(kafka.kill)
        for n in range(3):
            body = {"type": "message.received", "data": {"from": {"address": f"c{n}"}, "text": f"message {n}"}}
            status, answer = await asyncio.to_thread(webhook_request, f"{ingest.url}/webhooks/shop", body, f"msg_{n}")
            assert (status, answer["status"]) == (200, "accepted")
        await asyncio.to_thread(kafka.start)
        events = await deployment.wait_for_events(INBOUND_MESSAGES, 3, 60)
        assert sorted(m.text for m in inbound(events)) == [
            "message 0",
            "message 1",
            "message 2",
        ]
