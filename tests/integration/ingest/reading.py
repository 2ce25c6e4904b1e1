"""A reader of mail accounts over the real ledger and grants, without Kafka: what would be published is kept."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from email.message import EmailMessage
from typing import Any

from postroom_contracts.configuration import Configuration, ConfigurationApplied, MailAccount
from postroom_contracts.events import Event, decode, encode_body, encode_headers
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.registry import MODELS
from postroom_contracts.topics import Topic
from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.cli import app
from postroom_ingest.intake import IntakeStore
from postroom_ingest.mailbox import MailboxReader, Patience
from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import InMemoryContentStore
from postroom_runtime.kafka import Outgoing
from postroom_runtime.leases import Lease
from postroom_runtime.oauth import AccessTokens, refreshed
from postroom_runtime.oauth_cipher import TokenCipher
from postroom_runtime.oauth_grants import MongoGrantStore
from postroom_runtime.settings import RuntimeSettings
from pydantic import SecretStr
from typer.testing import CliRunner

KEY = b"k" * 32


def mail(n: int, to: str = "support@acme.test", **headers: str) -> bytes:
    message = EmailMessage()
    message["From"] = f"Customer {n} <customer{n}@example.test>"
    message["To"] = to
    message["Subject"] = f"Question {n}"
    message["Message-ID"] = f"<{to.partition('@')[0]}-{n}@example.test>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(f"Hello, this is question {n}.\n")
    return message.as_bytes().replace(b"\n", b"\r\n")


class KeptPublisher:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    def outgoing(self, topic: Topic, event: Event) -> Outgoing:
        return Outgoing(topic.name, event.key.encode(), encode_body(event.data), encode_headers(event))

    async def publish(self, records: Iterable[Outgoing]) -> None:
        self.records.extend(records)

    def inbound(self) -> list[InboundReceived]:
        found = (decode(dict(r.headers), r.body or b"", MODELS).data for r in self.records)
        return [data for data in found if isinstance(data, InboundReceived)]

    def subjects(self) -> list[str]:
        """Return the subjects of everything published, repeats too, sorted."""
        return sorted(message.subject for message in self.inbound())


class ReadingPlace:
    """Accounts with their parts."""

    def __init__(self, uri: str, database_prefix: str) -> None:
        self.settings = RuntimeSettings(mongo_uri=SecretStr(uri), database_prefix=database_prefix)
        self.clock = SystemClock()
        self.client = mongo.connect(self.settings)
        self.database = mongo.database(self.client, self.settings, "ingest")
        self.publisher = KeptPublisher()
        self.content = InMemoryContentStore()
        self.ledger = MongoLedger(self.database, self.clock)
        self.intake = IntakeStore(self.ledger, self.content, self.publisher)  # type: ignore[arg-type]
        self.configurations = Configurations()
        self.version = 0

    def grants(self) -> MongoGrantStore:
        return MongoGrantStore(mongo.database(self.client, self.settings, "grants"), TokenCipher([KEY]), self.clock)

    def tokens(self) -> AccessTokens:
        return AccessTokens(self.grants, refreshed, self.clock)

    def configure(self, *accounts: dict[str, Any]) -> list[MailAccount]:
        inboxes = [
            {
                "id": f"inbox-{a['id']}",
                "name": "x",
                "account": a["id"],
                "address": f"{a['id']}@acme.test",
                "teams": ["t"],
            }
            for a in accounts
        ]
        configuration = Configuration.model_validate(
            {
                "company": {"name": "Acme", "default_calendar": "c"},
                "calendars": [{"id": "c", "time_zone": "UTC", "hours": {}}],
                "accounts": list(accounts),
                "inboxes": inboxes,
                "teams": [{"id": "t", "name": "T", "members": ["ann"]}],
                "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@acme.test"}],
            }
        )
        self.version += 1
        self.configurations.add(
            ConfigurationApplied(
                configuration_version=self.version, applied_at=self.clock.now(), configuration=configuration
            )
        )
        return [a for a in configuration.accounts if isinstance(a, MailAccount)]

    def reader(self, timeout_seconds: float = 2.0, **options: Any) -> MailboxReader:
        quick = Patience(first_seconds=0.01, longest_seconds=0.2, refused_seconds=0.3, grant_seconds=0.2)
        return MailboxReader(
            self.configurations,
            self.ledger,
            self.intake,
            self.clock,
            timeout_seconds,
            **{"tokens": self.tokens(), "patience": quick, **options},
        )

    async def all_marked(self) -> None:
        """Return when all that was published is marked so: a reader that ends before publishes it once more."""
        deadline = time.monotonic() + 40
        while (await self.ledger.outbox())[0]:
            assert time.monotonic() < deadline, "what was published is not marked"
            await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def reading(self, *accounts: MailAccount, fence: int = 1, **options: Any) -> AsyncIterator[MailboxReader]:
        """Read the accounts until the block ends."""
        reader = self.reader(**options)
        tasks = [asyncio.create_task(reader.read(a, Lease(f"account:{a.id}", "test", fence))) for a in accounts]
        try:
            yield reader
        finally:
            for task in tasks:
                task.cancel()
            _, still = await asyncio.wait(tasks, timeout=30)
            assert not still, "a reader goes on although it was told to stop"


@contextlib.asynccontextmanager
async def reading_place(uri: str, database_prefix: str) -> AsyncIterator[ReadingPlace]:
    place = ReadingPlace(uri, database_prefix)
    await place.ledger.prepare()
    try:
        yield place
    finally:
        await mongo.close(place.client)


async def until(condition: Callable[[], Any], seconds: float = 40, what: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what or "not in time"
        await asyncio.sleep(0.02)


async def command(env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run `postroom ingest ...` in a thread; return its status and what it printed on both streams."""
    result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env={**env, "COLUMNS": "300"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr
