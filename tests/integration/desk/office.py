"""A small office at work: real router, assigner and desk as processes, customers whose mail has been ingested already."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
from postroom_contracts.configuration import Configuration
from postroom_contracts.events import new_event
from postroom_contracts.ids import content_id, derived_id, digest, message_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import source_of
from postroom_contracts.topics import INBOUND_MESSAGES
from postroom_contracts.values import Address, Attachment, Channel, ContentReference
from postroom_runtime import mongo
from postroom_runtime.content_store import MongoContentStore, text_sha256

from tests.deployment import Deployment, ServiceProcess

T = TypeVar("T")
TOKEN = "token-of-the-tests-0001"
ANA_TOKEN = "token-of-ana-alone-0001"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(40)
TOKENS = {"POSTROOM_API_TOKENS": f"tests={TOKEN},ana@ana={ANA_TOKEN}"}
START_SECONDS = 150
ALWAYS = {day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


def company() -> Configuration:
    """Two inboxes with a team each; everybody of the workshop is on duty, sales assigns by hand."""
    account = {"id": "mail", "channel": "email", "smtp": {"host": "127.0.0.1", "port": 25, "tls": "none"}}
    return Configuration.model_validate(
        {
            "company": {"name": "Velo", "default_calendar": "always", "domain": "velo.test"},
            "calendars": [{"id": "always", "time_zone": "Europe/Lisbon", "hours": ALWAYS}],
            "accounts": [account],
            "inboxes": [
                {"id": "support", "name": "Support", "account": "mail", "address": "support@velo.test", "teams": ["workshop"]},
                {"id": "sales", "name": "Sales", "account": "mail", "address": "sales@velo.test", "teams": ["sales"]},
            ],
            "teams": [
                {"id": "workshop", "name": "Workshop", "members": ["ana", "ben"], "assignment": "least_loaded"},
                {"id": "sales", "name": "Sales", "members": ["mira"], "assignment": "manual"},
            ],
            "agents": [
                {"id": "ana", "first_name": "Ana", "last_name": "Ruiz", "email": "ana@velo.test", "capacity": 20},
                {"id": "ben", "first_name": "Ben", "last_name": "Okafor", "email": "ben@velo.test", "capacity": 20},
                {"id": "mira", "first_name": "Mira", "last_name": "Lindqvist", "email": "mira@velo.test"},
            ],
            "tags": [
                {"id": "brakes", "name": "Brakes", "color": "#dc2626"},
                {"id": "order", "name": "Order", "color": "#2563eb"},
            ],
            "saved_replies": [
                {"id": "saturday", "name": "Saturday", "text": "Come on Saturday, [agent.first_name] is here."},
            ],
            "rules": [
                {"id": "brakes", "when": {"field": "subject", "operator": "contains", "value": "brake"},
                 "then": {"add_tags": ["brakes"], "priority": "high"}},
            ],
        }
    )  # fmt: skip


def with_two_in_sales() -> Configuration:
    """The company, in which ben may handle sales beside mira, who is its team."""
    plain = company().model_dump()
    access = [{"team": "sales", "rights": ["send_as"]}, {"agent": "ben", "rights": ["send_as"]}]
    support, sales = plain["inboxes"]
    return Configuration.model_validate({**plain, "inboxes": [support, sales | {"access": access}]})


class Office:
    """What a test does with the office. `client` asks the desk with a token that names no agent."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.mongo_client = mongo.connect(deployment.settings)
        self.content = MongoContentStore(mongo.database(self.mongo_client, deployment.settings, "content"))
        self.desk: ServiceProcess
        self._client: httpx.AsyncClient | None = None
        self._count = 0

    async def open(self, **desk: str) -> None:
        """Start the services together and wait until all are ready."""
        others = [self.deployment.start(name) for name in ("router", "assigner")]
        self.desk = self.deployment.start("desk", **TOKENS, **desk)
        for process in (*others, self.desk):
            await process.ready(START_SECONDS)
        self._client = self.as_token(TOKEN)

    async def another_desk(self, **desk: str) -> None:
        """Start another replica, and ask that one from now on."""
        self.desk = self.deployment.start("desk", **TOKENS, **desk)
        await self.desk.ready(START_SECONDS)
        await self.client.aclose()
        self._client = self.as_token(TOKEN)

    @property
    def client(self) -> httpx.AsyncClient:
        assert self._client is not None
        return self._client

    def as_token(self, token: str, process: ServiceProcess | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"}
        url = (process or self.desk).url
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=15, trust_env=False)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
        await mongo.close(self.mongo_client)

    async def customer_writes(
        self,
        text: str = "The brakes squeal since Tuesday.",
        subject: str = "Squealing brakes",
        sender: tuple[str, str] | None = None,
        inbox: str = "support",
        answers: str | None = None,
        html: str | None = None,
        picture: bool = False,
        age: timedelta = timedelta(),
        cc: str | None = None,
        quoted: str = "",
    ) -> str:
        """Put an ingested mail on its topic; return its Message-ID. `answers`: the Message-ID that it replies to.

        `quoted` stands below what is new. Without `sender` it is Carla Cruz, at an address that her subject makes her own.
        """
        sender = sender or (f"carla-{digest(subject)[:8]}@example.test", "Carla Cruz")
        self._count += 1
        external_id = f"mail-{self._count}@example.test"
        ledger_id = derived_id("ledger", self.deployment.settings.topic_prefix, external_id)
        identifier = message_id(ledger_id, inbox)
        now = datetime.now(UTC) - age
        attachments = []
        if picture:
            await self.content.put_blob("picture-blob", PICTURE)
            attachments = [
                Attachment(filename="../brake ünd.png", content_type="image/png", body_bytes=len(PICTURE), sha256="0",
                           blob_id="picture-blob", content_id="brake")
            ]  # fmt: skip
        raw = f"From: {sender[0]}\r\nSubject: {subject}\r\nMessage-ID: <{external_id}>\r\n\r\n{text}\r\n".encode()
        raw_id = content_id(ledger_id, "raw")
        await self.content.put_blob(raw_id, raw)
        inbound = InboundReceived(
            message_id=identifier,
            ledger_id=ledger_id,
            account_id="mail",
            inbox_id=inbox,
            channel=Channel.EMAIL,
            external_id=external_id,
            in_reply_to=[answers] if answers else [],
            references=[answers] if answers else [],
            sender=Address(address=sender[0], name=sender[1]),
            to=[Address(address=f"{inbox}@velo.test")],
            cc=[Address(address=cc)] if cc else [],
            subject=subject,
            text=text,
            body_bytes=len(raw),
            content=ContentReference(content_id=content_id(identifier), sha256=text_sha256(text)),
            attachments=attachments,
            received_at=now,
            ingested_at=now,
        )
        await self.content.put([_document(inbound, text, html, raw_id, quoted)])
        event = new_event(
            inbound, source=source_of("ingest"), cause_id=ledger_id, subject=inbox, time=now, key=sender[0]
        )
        await self.deployment.publisher.publish_events(INBOUND_MESSAGES, [event])
        return external_id

    async def conversations(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.client.get("/api/v1/conversations", params=query)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def conversation(
        self, subject: str, where: Callable[[dict[str, Any]], bool] = bool, seconds: float = 40
    ) -> dict[str, Any]:
        """Return the conversation of this subject, when it is there and fits, as it reads on its own."""

        async def found() -> dict[str, Any] | None:
            rows = await self.conversations(sort="newest")
            return next((row for row in rows if row["subject"] == subject and where(row)), None)

        row = await eventually(found, "the conversation", seconds)
        return await self.read(row["id"])

    async def read(self, conversation: str, min_position: str | None = None) -> dict[str, Any]:
        query = {"min_position": min_position} if min_position else {}
        answer = await self.client.get(f"/api/v1/conversations/{conversation}", params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"] == f'"{answer.json()["etag"]}"'
        body: dict[str, Any] = answer.json()
        return body

    async def ask(
        self, conversation: str, action: str, body: Mapping[str, Any], seen: str | None = None, key: str | None = None
    ) -> httpx.Response:
        headers = {"If-Match": f'"{seen}"'} if seen else {}
        headers |= {"Idempotency-Key": key} if key else {}
        path = f"/api/v1/conversations/{conversation}/{action}"
        return await self.client.post(path, json={"agent": "ana", **body}, headers=headers)


def _document(inbound: InboundReceived, text: str, html: str | None, raw_id: str, quoted: str) -> dict[str, Any]:
    return {
        "_id": inbound.content.content_id,
        "kind": "message",
        "inbox_id": inbound.inbox_id,
        "text": text + quoted,
        "html": html,
        "reply_text": text,
        "sha256": inbound.content.sha256,
        "subject": inbound.subject,
        "from": inbound.sender.model_dump(),
        "reply_to": [],
        "to": [a.model_dump() for a in inbound.to],
        "cc": [a.model_dump() for a in inbound.cc],
        "external_id": inbound.external_id,
        "in_reply_to": list(inbound.in_reply_to),
        "references": list(inbound.references),
        "attachments": [a.model_dump() for a in inbound.attachments],
        "raw_blob_id": raw_id,
        "received_at": inbound.received_at,
    }


async def eventually(look: Callable[[], Awaitable[T | None]], what: str, seconds: float = 20) -> T:
    """Return what `look` finds as soon as that is true; fail, naming `what`, when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := await look():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what} did not come within {seconds:g} s")
