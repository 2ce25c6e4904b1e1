"""A door on real sockets over doubles of storage, and a client that says exactly what a test wants it to."""

import asyncio
import ssl
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, cast

from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.inbound import InboundReceived
from postroom_ingest.domain.inbound import Intake
from postroom_ingest.door.server import MailDoor
from postroom_ingest.door.settings import DoorSettings
from postroom_ingest.intake import IntakeStore
from postroom_ingest.ports import Place
from postroom_runtime.clock import ManualClock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAIL = b"From: Cleo <cleo@example.test>\r\nTo: support@acme.test\r\nMessage-ID: <one@example.test>\r\n\r\nHello\r\n"


def company(**changes: Any) -> Configuration:
    """Return two inboxes at one door, one at another door that takes from elsewhere, one in a mailbox, one answer address."""
    networks = {"networks": ["192.0.2.0/24"]}
    return Configuration.model_validate(
        {
            "company": {
                "name": "Acme",
                "default_calendar": "c",
                "answer_address": "answers@acme.test",
                **changes.pop("company", {}),
            },
            "calendars": [{"id": "c", "time_zone": "UTC", "hours": {}}],
            "accounts": [
                {"id": "door", "channel": "email", "door": {}, **changes.pop("door", {})},
                {"id": "elsewhere", "channel": "email", "door": networks},
                {"id": "box", "channel": "email", "smtp": {"host": "127.0.0.1"}},
            ],
            "inboxes": [
                _inbox("support", "door", aliases=["help@acme.test", "büro@acme.test"]),
                _inbox("sales", "door"),
                _inbox("far", "elsewhere"),
                _inbox("boxed", "box"),
            ],
            "teams": [{"id": "t", "name": "T", "members": ["ann"]}],
            "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@acme.test"}],
            **changes,
        }
    )


def _inbox(name: str, account: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "account": account, "address": f"{name}@acme.test", "teams": ["t"], **more}


@dataclass
class RecordingIntake:
    """What `IntakeStore` promises, in memory. `away`: MongoDB is; `gate`: storing waits for it; `chokes_on`: texts that it
    fails on by our fault.
    """

    ledger: dict[str, Intake] = field(default_factory=dict)
    away: bool = False
    broken_after: int | None = None
    gate: asyncio.Event | None = None
    chokes_on: str | None = None
    choked: int = 0
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    published: list[str] = field(default_factory=list)

    async def store(
        self,
        account_id: str,
        taken: Sequence[tuple[Intake, Place | None]],
        *,
        tidy: bool = False,
        outbox: str | None = None,
    ) -> dict[str, bool]:
        del account_id, tidy, outbox
        if self.chokes_on is not None and any(
            self.chokes_on in document["text"] for intake, _ in taken for document in intake.documents
        ):
            self.choked += 1
            raise ValueError("a document that cannot be written")
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        if self.away or (self.broken_after is not None and len(self.ledger) >= self.broken_after):
            raise InfrastructureError("store ledger")
        new = {intake.ledger_id: intake.ledger_id not in self.ledger for intake, _ in taken}
        for intake, _ in taken:
            self.ledger.setdefault(intake.ledger_id, intake)
        return new

    async def publish_soon(self, account_id: str) -> None:
        self.published.append(account_id)

    @property
    def records(self) -> list[InboundReceived]:
        found = [event.data for intake in self.ledger.values() for event in intake.events]
        return [data for data in found if isinstance(data, InboundReceived)]

    @property
    def raw(self) -> list[bytes]:
        return [max(intake.blobs.values(), key=len) for intake in self.ledger.values()]


class Doorway:
    """An open door. Use as `async with Doorway(...) as doorway`; settings are those of `DoorSettings`."""

    def __init__(
        self, configuration: Configuration | None = None, probe_keys: Sequence[bytes] = (), /, **settings: Any
    ) -> None:
        values = {"smtp_port": 0, "lmtp_port": 0, "name": "door.acme.test", **settings}
        configurations = Configurations()
        configurations.add(
            ConfigurationApplied(configuration_version=1, applied_at=NINE, configuration=configuration or company())
        )
        self.intake = RecordingIntake()
        self.door = MailDoor(
            DoorSettings(**values), configurations, cast("IntakeStore", self.intake), ManualClock(NINE), probe_keys
        )

    async def __aenter__(self) -> Self:
        await self.door.bind()
        self.running = asyncio.create_task(self.door.run())
        while not self.door.is_open:
            await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.wait({self.running})
        await self.door.close()

    async def client(self, protocol: str = "smtp", *, hello: bool = True) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.door.ports[protocol], limit=1024 * 1024)
        client = Client(reader, writer)
        if hello:
            await client.answer()
            await client.says("LHLO there" if protocol == "lmtp" else "EHLO there")
        return client


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> str:
        """Return one answer, the lines of a long one joined by newlines; '' when the door has closed."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 30)).decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def says(self, command: str) -> str:
        self.send(f"{command}\r\n".encode())
        return await self.answer()

    async def mail(self, *recipients: str, content: bytes = MAIL, sender: str = "cleo@example.test") -> list[str]:
        """Hand a mail over; return the answers to RCPT and to the end of the mail, one for each taken recipient in LMTP."""
        await self.says(f"MAIL FROM:<{sender}>")
        answers = [await self.says(f"RCPT TO:<{recipient}>") for recipient in recipients]
        if (given := await self.says("DATA"))[:3] != "354":
            return [*answers, given]
        self.send(content + b".\r\n")
        return [*answers, await self.answer()]

    async def closed(self) -> str:
        """Return what is still said before the connection ends; for who has not stopped talking it ends in a reset."""
        said = b""
        with suppress(ConnectionResetError):
            while piece := await asyncio.wait_for(self.reader.read(65536), 30):
                said += piece
        return said.decode()

    async def start_tls(self, authority: Path) -> None:
        await self.writer.start_tls(ssl.create_default_context(cafile=str(authority)), server_hostname="localhost")


def certificate(folder: Path) -> Path:
    """Write a self-signed certificate for `localhost` with its key into one file, by Debian's openssl."""
    path = folder / "door.pem"
    asked = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(folder / "public.pem")]
    subprocess.run(["openssl", *asked.split(), *more], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (folder / "public.pem").read_bytes())
    return path
