"""Mail and webhook figures: IMAP to owned conversations, delivery to notification, webhook to SSE."""

import asyncio
import email
import email.policy
import json
import re
import statistics
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

from aiokafka import AIOKafkaConsumer
from postroom_contracts.configuration import Configuration
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_local.dovecot import DovecotServer
from postroom_local.mail import MailUser
from postroom_local.smtp_sink import SmtpSink
from postroom_runtime.settings import RuntimeSettings
from standardwebhooks.webhooks import Webhook

from benchmarks.messages import company
from benchmarks.pipeline import quantile
from benchmarks.world import Round, Servers

IMAP_MAILS = 500
NOTIFY_MAILS = 200
NOTIFY_RATE = 10.0
WEBHOOKS = 400
WEBHOOK_RATE = 20.0
HOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "a-token-of-the-benchmark-0001"


def mail_company(imap_port: int, smtp_port: int, *, notify: bool) -> Configuration:
    base = company().model_dump(mode="json", exclude_none=True)
    base["accounts"] = [
        {
            "id": "mail",
            "channel": "email",
            "imap": {
                "host": "127.0.0.1",
                "port": imap_port,
                "tls": False,
                "user": "support@acme.test",
                "password": {"env": "BENCH_MAIL_PASSWORD"},
            },
            "smtp": {"host": "127.0.0.1", "port": smtp_port, "tls": "none"},
        }
    ]
    base["company"]["answer_address"] = "answers@acme.test"
    base["notifications"] = {"assigned": notify, "replied": False}
    return Configuration.model_validate(base)


def mail(n: int, run: str, body_bytes: int = 7200) -> bytes:
    message = EmailMessage()
    message["From"] = f"Customer {n} <customer{n}@customers.test>"
    message["To"] = "support@acme.test"
    message["Subject"] = f"Question {n}"
    message["Message-ID"] = f"<{run}-{n}@customers.test>"
    lines = "We have been waiting for the parcel since Monday and would like to know.\n"
    message.set_content(lines * (body_bytes // len(lines)))
    return message.as_bytes()


async def follow_type(
    settings: RuntimeSettings, type_name: bytes, on_event: Callable[[Any], bool], timeout: float
) -> None:
    """Call `on_event` with each record of the type until it returns True; raise TimeoutError otherwise."""
    consumer = AIOKafkaConsumer(
        settings.topic(CONVERSATION_EVENTS.name),
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(timeout):
            async for record in consumer:
                if dict(record.headers).get("ce_type") == type_name and on_event(record):
                    return
    finally:
        await consumer.stop()


async def imap_rate(servers: Servers, say: Callable[[str], None]) -> dict[str, float]:
    """Return mails per second from a full mailbox to conversations with an owner; median of three, the first dropped."""
    rates: list[float] = []
    for number in range(4):
        rates.append(await _imap_once(servers, f"i{number}"))
        say(f"imap {number + 1}/4: {rates[-1]:.0f} mails/s")
    return {"mails_per_second": statistics.median(rates[1:])}


async def _imap_once(servers: Servers, run: str) -> float:
    dovecot = DovecotServer([MailUser("support@acme.test", "secret")])
    dovecot.start()
    round_ = Round(servers, extra={"BENCH_MAIL_PASSWORD": "secret"})
    try:
        await round_.prepare(mail_company(dovecot.port, 9, notify=False))
        round_.start_services(("router", "assigner"))
        for n in range(IMAP_MAILS):
            dovecot.deliver("support@acme.test", mail(n, run))
        owned: set[bytes] = set()

        def on_assigned(record: Any) -> bool:
            owned.add(record.key)
            return len(owned) >= IMAP_MAILS

        waiting = asyncio.create_task(
            follow_type(round_.settings, b"org.postroom.conversation-assigned.v1", on_assigned, 60)
        )
        ingest = round_.start("ingest", [sys.executable, "-m", "postroom_runtime.cli", "run", "ingest"])
        first = await _first_login(dovecot, ingest)
        await waiting
        return IMAP_MAILS / (time.time() - first)
    finally:
        round_.stop()
        dovecot.stop()


async def _first_login(_dovecot: DovecotServer, ingest: Any) -> float:
    """Return the moment at which ingest was ready: the clock starts before its first mail, not at its imports."""
    await asyncio.to_thread(ingest.wait_ready)
    return time.time()


async def notify_delay(servers: Servers, say: Callable[[str], None]) -> dict[str, float]:
    """Return the median from a mail's drop to the owner's notification at SMTP, less the server's own IDLE delay."""
    dovecot = DovecotServer([MailUser("support@acme.test", "secret")])
    dovecot.start()
    arrived: dict[str, float] = {}
    sink = SmtpSink(deliver=lambda _to, raw: arrived.setdefault(_token(raw), time.time()), keep=False)
    sink.start()
    round_ = Round(servers, extra={"BENCH_MAIL_PASSWORD": "secret"})
    try:
        await round_.prepare(mail_company(dovecot.port, sink.port, notify=True))
        round_.start_services(("router", "assigner", "notifier", "ingest"))
        idle = await _idle_delay(dovecot)
        say(f"the mail server's own IDLE delay: {idle * 1000:.0f} ms")
        sent: dict[str, float] = {}
        started = time.time()
        for n in range(NOTIFY_MAILS):
            await asyncio.sleep(max(0.0, started + n / NOTIFY_RATE - time.time()))
            token = f"Question {n}"
            sent[token] = time.time()
            dovecot.deliver("support@acme.test", mail(n, "n", 2000))
        deadline = time.time() + 20
        while not arrived.keys() >= sent.keys() and time.time() < deadline:
            await asyncio.sleep(0.1)
        delays = [arrived[t] - at for t, at in sent.items() if t in arrived][20:]
        say(f"{len(delays) + 20} of {NOTIFY_MAILS} notifications, median {statistics.median(delays) * 1000:.0f} ms")
        return {
            "median_ms_over_idle": (statistics.median(delays) - idle) * 1000,
            "median_ms": statistics.median(delays) * 1000,
            "idle_ms": idle * 1000,
            "missing": len(sent.keys() - arrived.keys()),
        }
    finally:
        round_.stop()
        sink.stop()
        dovecot.stop()


def _token(raw: bytes) -> str:
    subject = str(email.message_from_bytes(raw, policy=email.policy.default)["Subject"])
    found = re.search(r"Question \d+", subject)
    return found[0] if found else subject


async def _idle_delay(dovecot: DovecotServer) -> float:
    """Return the median from a drop to the server's own push, by a plain IMAP session of ours."""
    from postroom_ingest.adapters.imap import ImapAccount, ImapSession  # noqa: PLC0415

    account = ImapAccount("127.0.0.1", dovecot.port, "support@acme.test", "secret")
    session = await ImapSession.connect(account)
    delays = []
    try:
        await session.select("INBOX")
        never = asyncio.Event()
        for n in range(12):
            await session.search_uids(0)  # what came before is no news
            waiting = asyncio.create_task(session.idle(never, 5))
            await asyncio.sleep(0.3 + 0.037 * n)
            at = time.time()
            dovecot.deliver(
                "support@acme.test", mail(n, f"idle{uuid.uuid4().hex[:6]}", 500).replace(b"Question", b"Idle")
            )
            await waiting
            delays.append(time.time() - at)
    finally:
        await session.close()
    return statistics.median(delays[2:])


async def webhook_delay(servers: Servers, say: Callable[[str], None]) -> dict[str, float]:
    """Return p50 and p99 from a webhook's post to its event on the desk's SSE stream, at 20 a second."""
    round_ = Round(servers, extra={"BENCH_HOOK_SECRET": HOOK_SECRET, "POSTROOM_API_TOKEN": TOKEN})
    seen: dict[str, float] = {}
    try:
        await round_.prepare(company(webhook=True))
        processes = {p.name: p for p in round_.start_services(("router", "assigner", "ingest", "desk"))}
        listening = asyncio.create_task(asyncio.to_thread(_listen, f"{processes['desk'].url}/api/v1/events", seen))
        await asyncio.sleep(1.0)
        sent: dict[str, float] = {}
        started = time.time()
        url = f"{processes['ingest'].url}/webhooks/mail"
        posts = []
        for n in range(WEBHOOKS):
            await asyncio.sleep(max(0.0, started + n / WEBHOOK_RATE - time.time()))
            posts.append(asyncio.create_task(asyncio.to_thread(_post, url, n, sent)))
        await asyncio.gather(*posts)
        await asyncio.sleep(2)
        found = [(seen[m] - at) * 1000 for m, at in sent.items() if m in seen]
        p50, p99 = quantile(found[40:], 0.5), quantile(found[40:], 0.99)
        say(f"{len(found)} of {WEBHOOKS} seen, p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        return {"p50_ms": p50, "p99_ms": p99, "missing": WEBHOOKS - len(found)}
    finally:
        round_.stop()
        with_suppressed = asyncio.gather(listening, return_exceptions=True)
        await asyncio.wait_for(with_suppressed, 15)


def _post(url: str, n: int, sent: dict[str, float]) -> None:
    body = json.dumps({"type": "message.received", "data": {"from": {"address": f"hook-{n}"}, "text": f"Question {n}"}})
    now = datetime.now(UTC)
    identifier = f"msg_{uuid.uuid4().hex}"
    headers = {
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(HOOK_SECRET).sign(identifier, now, body),
        "content-type": "application/json",
    }
    at = time.time()
    request = urllib.request.Request(url, body.encode(), headers, method="POST")  # noqa: S310 - our own loopback address
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        sent[json.loads(answer.read())["message_id"]] = at


def _listen(url: str, seen: dict[str, float]) -> None:
    """Read the SSE stream until it ends; note when each message id is first named."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {TOKEN}", "accept": "text/event-stream"})  # noqa: S310
    pattern = re.compile(rb'"message_id":\s*"([^"]+)"')
    with urllib.request.urlopen(request, timeout=30) as stream:  # noqa: S310
        for line in stream:
            found = pattern.search(line)
            if found:
                seen.setdefault(found[1].decode(), time.time())
