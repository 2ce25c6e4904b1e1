"""A person with unusual words goes through the whole house and is erased: no trace afterwards, and no number changed.

By itself it looks at databases, content store, `conversation-events`, `conversation-states`, metrics and logs. With
POSTROOM_ERASURE_RETENTION=1 (`make check-erasure`) it has a broker of its own whose work topics keep a minute, and waits until
nothing stands on any topic either.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from email.message import EmailMessage
from typing import Any

import bson
import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from postroom_contracts.configuration import Configuration
from postroom_contracts.facts import ContentErased, MessageReceived, MessageSent
from postroom_contracts.topics import CONVERSATION_EVENTS, CONVERSATION_STATES, GROUPS, all_topics
from postroom_local.dovecot import DovecotServer
from postroom_local.kafka import KafkaServer
from postroom_local.mail import MailUser
from postroom_local.ports import free_port
from postroom_local.smtp_sink import SmtpSink
from postroom_runtime import mongo
from postroom_runtime.cli import build
from postroom_runtime.kafka import client_options
from postroom_runtime.seeking import Seeker, in_databases, in_topics, unpacked
from postroom_runtime.tail import read_to_end
from typer.testing import CliRunner, Result

from tests.deployment import Deployment, ServiceProcess
from tests.quiet import ends_if_done
from tests.standins.receiver import Receiver

pytestmark = [pytest.mark.connected, pytest.mark.timeout(420)]
RETENTION = os.environ.get("POSTROOM_ERASURE_RETENTION") == "1"
SHOP, TOKEN = "shop@acme.test", "a-token-of-the-erasure-test"
SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")
WHO = "zebulona.quaxworthy@canary.example"
DORA = "dora@other.example"
CANARIES = (
    WHO,
    "zebulona",
    "quaxworthy",
    "5550199",
    "xylocarp",
    "brimborion",
    "gallimaufry",
    "flibbertigibbet",
    "kerfuffle",
)
"""Address, first and last name, telephone, words of subject, body, name and content of files, Message-ID."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def company(imap_port: int, smtp_port: int, hook: str) -> Configuration:
    imap = {"host": "127.0.0.1", "port": imap_port, "tls": False, "user": SHOP, "password": {"env": "MAIL_PASSWORD"}}
    smtp = {"host": "127.0.0.1", "port": smtp_port, "tls": "none"}
    return Configuration.model_validate(
        {
            "company": {"name": "Acme", "default_calendar": "c", "domain": "acme.test"},
            "calendars": [{"id": "c", "time_zone": "UTC", "hours": {d: ["00:00-24:00"] for d in DAYS}}],
            "accounts": [{"id": "shop", "channel": "email", "imap": {**imap, "poll_seconds": 5}, "smtp": smtp}],
            "inboxes": [{"id": "shop", "name": "Shop", "account": "shop", "address": SHOP, "teams": ["care"]}],
            "teams": [{"id": "care", "name": "Care", "members": ["ann"]}],
            "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@staff.example"}],
            "webhooks": [{"id": "crm", "url": hook, "secrets": [{"env": "HOOK_SECRET"}]}],
        }
    )


def mail(number: int, sender: str = f"Zebulona Quaxworthy <{WHO}>", word: str = "xylocarp") -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, SHOP, f"About my {word} {number}"
    made["Message-ID"] = f"<m{number}.{'kerfuffle' if word == 'xylocarp' else 'plain'}@mail.example>"
    if word == "xylocarp":
        made.set_content("The brimborion is broken. Call me: +49 170 5550199.\nZebulona\n", cte="base64")
        made.add_attachment(b"flibbertigibbet", maintype="text", subtype="plain", filename="gallimaufry.txt")
    else:
        made.set_content("Where is my order?\n")
    return made.as_bytes()


class House:
    """The six services as processes, and the hands of customers and agents."""

    def __init__(
        self, deployment: Deployment, services: dict[str, ServiceProcess], dovecot: DovecotServer, hook: Receiver
    ) -> None:
        self.deployment, self.services = deployment, services
        self.dovecot, self.hook = dovecot, hook
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.desk = httpx.AsyncClient(base_url=services["desk"].url, headers=headers, timeout=30)
        self.client = mongo.connect(deployment.settings)

    async def until(self, is_true: Callable[[], Awaitable[Any]], what: str, seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := await is_true()):
            logs = "\n".join(f"--- {n}\n{s.log.read_text()[-1500:]}" for n, s in self.services.items())
            assert time.monotonic() < deadline, f"{what}\n{logs}"
            await asyncio.sleep(0.2)
        return found

    async def facts(self, model: Any, count: int) -> list[Any]:
        async def there() -> list[Any]:
            found = [e for e in await self.deployment.events(CONVERSATION_EVENTS) if isinstance(e.data, model)]
            return found if len(found) >= count else []

        found: list[Any] = await self.until(there, f"{count} {model.__name__}")
        return found

    async def asks(self, path: str, body: dict[str, Any], status: int = 200, **headers: str) -> Any:
        answer = await self.desk.post(f"/api/v1/{path}", json={"agent": "ann", **body}, headers=headers)
        assert answer.status_code in (status, 202), (path, answer.text)
        return answer.json()

    async def settled(self) -> None:
        """Return when nothing is left to do: every record was folded, every mail that is due sent and told of."""
        settings = self.deployment.settings
        deliveries = self.client[settings.database("notifier")]["deliveries"]
        consumer = AIOKafkaConsumer(**client_options(settings))
        admin = AIOKafkaAdminClient(**client_options(settings))
        await asyncio.gather(consumer.start(), admin.start())

        async def done() -> bool:
            before = await ends_if_done(settings, consumer, admin, (group.name for group in GROUPS))
            due = {"next_at": {"$exists": True}, "due_at": {"$lte": self.deployment.clock.now()}}
            waits = await deliveries.find_one({"$or": [due, {"unreported_since": {"$exists": True}}]})
            after = await ends_if_done(settings, consumer, admin, (group.name for group in GROUPS))
            return before is not None and waits is None and before == after

        try:
            await self.until(done, "everything is read and told of")
        finally:
            await asyncio.gather(consumer.stop(), admin.close())

    async def numbers(self) -> dict[str, Any]:
        """Return every number of analytics: its REST answers, its business series, its rows and rollups."""

        await self.settled()
        paths = ("summary", "summary?cut=agent&value=ann", "rows?kind=first_response", "rows?kind=turn", "now")
        async with httpx.AsyncClient(base_url=self.services["analytics"].url, timeout=30) as http:
            rest = {path: (await http.get(f"/api/v1/metrics/{path}")).json() for path in paths}
            lines = (await http.get("/metrics")).text.splitlines()
        business = ("first_response", "next_response", "resolution", "net_resolution", "conversations", "unanswered")
        series = [line for line in lines if line.startswith(tuple(f"postroom_{name}" for name in business))]
        database = self.client[self.deployment.settings.database("analytics")]
        stored = {
            name: sorted([str(d) async for d in database[name].find()])
            for name in await database.list_collection_names()
            if name.startswith(("rows_", "rollups_"))
        }
        return {"rest": rest, "series": series, "stored": stored}

    async def command(self, *arguments: str) -> Result:
        """Run `postroom erase ...` against this deployment."""
        runner = CliRunner(env=self.deployment.env)
        return await asyncio.to_thread(runner.invoke, build("erase"), ["erase", *arguments])

    async def close(self) -> None:
        await self.desk.aclose()
        await mongo.close(self.client)


@pytest.fixture
async def house(
    request: pytest.FixtureRequest, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> AsyncIterator[House]:
    if RETENTION:
        checks = {"log.retention.check.interval.ms": "5000", "log.cleaner.backoff.ms": "1000"}
        kafka: KafkaServer = request.getfixturevalue("kafka_server")(settings=checks)
        bootstrap = kafka.bootstrap
    else:
        bootstrap = request.getfixturevalue("kafka_bootstrap")
    async with AsyncExitStack() as stack:
        dovecot = DovecotServer([MailUser(SHOP, "secret")])
        stack.callback(dovecot.close)
        sink = SmtpSink()
        stack.callback(sink.stop)
        dovecot.start()
        sink.start()
        hook = await stack.enter_async_context(Receiver())
        settings = {"api_token": TOKEN, "erasure_settle_seconds": 1, "webhook_networks": "127.0.0.0/8"}
        settings |= {"request_wait_seconds": 30, "read_wait_seconds": 30}  # an answer says what became of it
        deployment = await stack.enter_async_context(
            Deployment(bootstrap, mongo_uri, topic_prefix, database_prefix, **settings)
        )
        await deployment.configure(company(dovecot.port, sink.port, hook.url()))
        port = str(free_port())
        env = {"MAIL_PASSWORD": "secret", "HOOK_SECRET": SECRET, "POSTROOM_ROUTER_URL": f"http://127.0.0.1:{port}"}
        at = {"router": {"POSTROOM_HTTP_PORT": port}}
        services = {name: deployment.start(name, **env, **at.get(name, {})) for name in SERVICES}
        await asyncio.gather(*(service.ready(150) for service in services.values()))
        made = House(deployment, services, dovecot, hook)
        stack.push_async_callback(made.close)
        yield made


async def test_no_trace_of_an_erased_person_and_no_number_changed(house: House) -> None:
    contact, erased_messages = await _lives(house)
    before = await house.numbers()
    assert await _found(house) >= set(CANARIES), "the test could not fail"
    assert (await house.command("verify", WHO)).exit_code == 1
    planned = (await house.command("plan", WHO)).output
    assert f"contact {contact}: 2 conversations, 2 messages" in planned
    assert "2 with nobody else: all 6 messages" in planned, "those of the merged one stand in both"
    answer = await house.asks(f"contacts/{contact}/erase", {})
    await house.until(lambda: _done(house, contact), "the erasure is done")
    facts = [f for f in await house.facts(ContentErased, 2) if f.data.contact_id == contact]
    assert {m for f in facts for m in f.data.message_ids} >= erased_messages
    assert {f.causation_id for f in facts} == {answer["request_id"]}

    async def clean() -> bool:
        return not await _found(house)

    await house.until(clean, f"nothing is left: {await _found(house)}")
    assert await _in_bytes(house) == []
    for topic in (CONVERSATION_EVENTS, CONVERSATION_STATES):
        assert await _on(house, topic.name) == []
    for name, service in house.services.items():
        shown = (service.get("/metrics") + service.log.read_text(errors="replace")).lower()
        assert [c for c in CANARIES if c in shown] == [], name
    assert await house.numbers() == before
    await _the_desk_says_so(house, contact, answer["request_id"])
    await _the_command_line_says_so(house, contact)
    if RETENTION:
        await _topics_forget(house)
    await _comes_again(house)


async def _lives(house: House) -> tuple[str, set[str]]:
    """Let the person write twice, be answered, noted, merged, drafted, refused and scheduled; and somebody else write."""
    for raw in (mail(1), mail(2), mail(3, f"Dora <{DORA}>", "order")):
        house.dovecot.deliver(SHOP, raw)
    received = await house.facts(MessageReceived, 3)
    rows = (await house.desk.get("/api/v1/search", params={"q": "brimborion"})).json()

    async def searched() -> bool:
        nonlocal rows
        rows = (await house.desk.get("/api/v1/search", params={"q": "brimborion"})).json()
        return len(rows["items"]) == 2

    await house.until(searched, "both can be found")
    first, second = (row["id"] for row in rows["items"])
    contact = next(e.data.contact_id for e in received if e.subject == first)
    upload = await house.desk.post(
        "/api/v1/uploads", params={"filename": "gallimaufry-offer.txt", "agent": "ann"}, content=b"flibbertigibbet"
    )
    assert upload.status_code == 201, upload.text
    await house.asks(
        f"conversations/{first}/reply",
        {"text": "Dear Zebulona, no brimborion.", "attachments": [upload.json()["upload_id"]]},
    )
    await house.asks(f"conversations/{first}/note", {"text": "Quaxworthy called from 5550199."})
    await house.facts(MessageSent, 1)
    await house.asks(f"conversations/{second}/merge", {"target_id": first})
    later = "2031-01-01T00:00:00Z"
    await house.asks(f"conversations/{first}/reply", {"text": "Still there, Zebulona?", "send_at": later})
    stale = await house.desk.post(
        f"/api/v1/conversations/{first}/reply",
        json={"agent": "ann", "text": "Kerfuffle!"},
        headers={"If-Match": '"1.0"'},
    )
    assert stale.status_code == 409, stale.text
    draft = await house.desk.put(
        f"/api/v1/conversations/{first}/draft",
        json={"agent": "ann", "text": "Dear Ms Quaxworthy", "to": [{"address": WHO}]},
    )
    assert draft.status_code == 200, draft.text
    begun = {
        "agent": "ann",
        "inbox_id": "shop",
        "to": [{"address": WHO}],
        "subject": "Kerfuffle",
        "text": "Quaxworthy!",
    }
    first_message = await house.desk.put("/api/v1/drafts/a-draft-to-her", json=begun)
    assert first_message.status_code == 200, first_message.text
    await house.asks("filters", {"name": "Hers", "search": f"from:{WHO}"}, 201)

    async def told() -> bool:
        return any(r.event["type"].endswith("merged.v1") for r in house.hook.received)

    await house.until(told, "the webhook was told")
    messages = {e.data.message_id for e in received if e.data.contact_id == contact}
    return contact, messages


async def _the_desk_says_so(house: House, contact: str, request_id: str) -> None:
    """It asks the router, sees each service past the facts, and looks for what they name."""

    async def shown() -> dict[str, Any]:
        answer = await house.desk.get(f"/api/v1/contacts/{contact}/erasure", params={"request_id": request_id})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def verified() -> bool:
        return bool((await shown())["state"] == "verified")

    await house.until(verified, "the desk has looked after it")
    found = await shown()
    assert found["services"] == {"ingest": True, "notifier": True, "desk": True}
    assert (found["request_id"], found["asked_by"], found["conversations"], found["left"]) == (request_id, "ann", 2, 0)


async def _the_command_line_says_so(house: House, contact: str) -> None:
    """And erases somebody else, and once more whoever was erased."""
    verified = await house.command("verify", *CANARIES)
    assert (verified.exit_code, verified.output) == (0, "nothing found\n")
    assert (await house.command("plan", WHO)).exit_code == 1
    erased = await house.command("person", DORA, "--agent", "ann", "--yes")
    assert (erased.exit_code, "is erased in 1 conversations" in erased.output) == (0, True), erased.output
    assert f"{contact}  asked " in (status := (await house.command("status")).output)
    assert status.count(": done ") == 2, status
    again = await house.command("again", "--since", "2026-01-01T00:00:00Z", "--agent", "ann")
    assert (again.exit_code, again.output.partition(":")[0]) == (0, "2 people"), again.output


async def _done(house: House, contact: str) -> bool:
    erasures = house.client[house.deployment.settings.database("router")]["erasures"]
    return bool(await erasures.find_one({"_id": contact, "done_at": {"$ne": None}}))


async def _found(house: House) -> set[str]:
    """Return the canaries that `postroom erase verify` finds in the databases."""
    found = in_databases(house.client, house.deployment.settings, Seeker(CANARIES))
    return {hit.text async for hit in found}


async def _in_bytes(house: House) -> list[tuple[str, str]]:
    """Return where a canary stands in the bytes of a dump of all databases, blobs put together and unpacked."""
    hits = []
    for name in await house.client.list_database_names():
        if not name.startswith(house.deployment.settings.database_prefix):
            continue
        for collection in await house.client[name].list_collection_names():
            blobs: dict[str, bytes] = {}
            async for document in house.client[name][collection].find().sort("_id", 1):
                if "body" in document and "blob" in document:
                    blobs[document["blob"]] = blobs.get(document["blob"], b"") + document["body"]
                dumped = bson.encode(document).lower()
                hits += [(f"{name}.{collection}", c) for c in CANARIES if c.encode() in dumped]
            for body in blobs.values():
                parts = [p.lower() if isinstance(p, bytes) else str(p).lower().encode() for p in unpacked(body)]
                hits += [(f"{name}.{collection}", c) for c in CANARIES if any(c.encode() in p for p in parts)]
    return hits


async def _on(house: House, topic: str) -> list[tuple[int, str]]:
    hits = []
    async for record in read_to_end(house.deployment.settings, house.deployment.settings.topic(topic)):
        parts = [
            record.key or b"",
            record.value or b"",
            *(v for _, v in record.headers),
            *(n.encode() for n, _ in record.headers),
        ]
        hits += [(record.offset, c) for c in CANARIES if any(c.encode() in p.lower() for p in parts)]
    return hits


async def _comes_again(house: House) -> None:
    """The server gives an old mail once more: nothing comes back. A new one is from somebody new."""
    house.dovecot.deliver(SHOP, mail(1))
    places = house.client[house.deployment.settings.database("ingest")]["places"]
    await house.until(lambda: places.count_documents({"outcome": "duplicate"}), "the old mail is known")
    assert await _found(house) == set()
    house.dovecot.deliver(SHOP, mail(4, f"Zeb <{WHO}>", "order"))
    received = await house.facts(MessageReceived, 4)
    assert len({e.data.contact_id for e in received}) == 3, "she who was erased, somebody else, and somebody new"


async def _topics_forget(house: House) -> None:
    """Wait until the canaries stand on no topic: they did at first, and are gone after a minute and what Kafka takes to look."""
    began = time.monotonic()

    async def clean() -> bool:
        return not [hit async for hit in in_topics(house.deployment.settings, Seeker(CANARIES))]

    assert not await clean(), "the test could not fail"
    await _keep_a_minute(house)
    await house.until(clean, "the topics have forgotten", 180)
    print(f"on no topic after {time.monotonic() - began:.0f} s of a retention of 60 s")
    assert len(await house.facts(ContentErased, 2)) >= 2, "the log itself is kept"


async def _keep_a_minute(house: House) -> None:
    """Have every topic forget after a minute that forgets at all: work topics and dead letters."""
    settings = house.deployment.settings
    names = [settings.topic(t.name) for t in all_topics() if t.retention_ms > 0 and not t.compacted]
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    short = {"retention.ms": "60000", "segment.ms": "10000"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, n, configs=short) for n in names])
    await admin.close()
