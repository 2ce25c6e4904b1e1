"""The mail door of ingest as a process, on real Kafka and MongoDB: what was answered with 250 is there, once."""

import asyncio
import smtplib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.topics import INBOUND_MESSAGES
from postroom_local.mongo import MongoServer

from tests.component.ingest.doorway import company
from tests.deployment import Deployment, ServiceProcess

pytestmark = pytest.mark.connected


def mail(n: int) -> bytes:
    return (
        f"From: cleo@example.test\r\nTo: support@acme.test\r\nMessage-ID: <{n}@example.test>\r\n"
        f"Subject: Question {n}\r\n\r\nHello\r\n"
    ).encode()


class Door:
    """A running ingest with a door. `hand_over` returns the code of the answer, None when the connection broke."""

    def __init__(self, deployment: Deployment, folder: Path, **env: str) -> None:
        self._file = folder / f"ports-{len(deployment.processes)}"
        settings = {"SMTP_PORT": "0", "LMTP_PORT": "0", "PORTS_FILE": str(self._file)}
        self.process: ServiceProcess = deployment.start(
            "ingest", **{f"POSTROOM_DOOR_{name}": value for name, value in settings.items()}, **env
        )

    async def open(self) -> None:
        await self.process.ready()
        deadline = time.monotonic() + 60
        while not self._file.exists() or "lmtp=" not in self._file.read_text():
            assert time.monotonic() < deadline, "the door did not open"
            await asyncio.sleep(0.05)

    def _port(self, protocol: str) -> int:
        return int(dict(part.split("=") for part in self._file.read_text().split())[protocol])

    async def hand_over(self, raw: bytes, protocol: str = "smtp") -> int | None:
        return await asyncio.to_thread(self._hand_over, raw, protocol)

    def _hand_over(self, raw: bytes, protocol: str) -> int | None:
        kind = smtplib.LMTP if protocol == "lmtp" else smtplib.SMTP
        try:
            with kind("127.0.0.1", self._port(protocol), timeout=60) as client:
                client.sendmail("cleo@example.test", ["support@acme.test"], raw)
        except smtplib.SMTPDataError as refused:
            return refused.smtp_code
        except smtplib.SMTPServerDisconnected:
            return None
        return 250


async def test_killed_between_storing_and_250_makes_one_message_of_two_mails(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, tmp_path: Path
) -> None:
    async with Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix, lease_seconds=3) as deployment:
        await deployment.configure(company())
        doomed = Door(deployment, tmp_path, POSTROOM_KILL_AT="door.stored:1")
        await doomed.open()
        assert await doomed.hand_over(mail(1)) is None
        await deployment.killed(doomed.process)
        survivor = Door(deployment, tmp_path)
        await survivor.open()
        assert await survivor.hand_over(mail(1), "lmtp") == 250
        assert await survivor.hand_over(mail(2)) == 250
        events = await deployment.wait_for_events(INBOUND_MESSAGES, 2)
        subjects = [e.data.subject for e in events if isinstance(e.data, InboundReceived)]
        assert sorted(subjects) == ["Question 1", "Question 2"]
        assert await survivor.process.stop() == 0


async def test_mongodb_away_asks_senders_to_come_again(
    kafka_bootstrap: str,
    mongo_server: Callable[..., MongoServer],
    topic_prefix: str,
    database_prefix: str,
    tmp_path: Path,
) -> None:
    mongo: Any = await asyncio.to_thread(mongo_server)
    async with Deployment(kafka_bootstrap, mongo.uri, topic_prefix, database_prefix, lease_seconds=3) as deployment:
        await deployment.configure(company())
        door = Door(deployment, tmp_path, POSTROOM_DOOR_STORE_SECONDS="3")
        await door.open()
        await asyncio.to_thread(mongo.kill)
        assert await door.hand_over(mail(1)) == 451
        await asyncio.to_thread(mongo.start)
        deadline = time.monotonic() + 30
        while (answer := await door.hand_over(mail(1))) != 250:
            assert answer == 451
            assert time.monotonic() < deadline, "MongoDB is back, the door does not see it"
        events = await deployment.wait_for_events(INBOUND_MESSAGES, 1)
        assert [e.data.subject for e in events if isinstance(e.data, InboundReceived)] == ["Question 1"]
