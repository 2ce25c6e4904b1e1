"""The ledger reconciles: for each mail on the server the audit says what became of it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from postroom_ingest import taking
from postroom_ingest.domain.mail import parse_mail

from tests.integration.ingest.reading import ReadingPlace, command, mail, reading_place, until
from tests.standins.imap import ImapStandIn, Peer

pytestmark = pytest.mark.connected
USER = "support@acme.test"


@pytest.fixture
async def place(mongo_uri: str, database_prefix: str) -> AsyncIterator[ReadingPlace]:
    async with reading_place(mongo_uri, database_prefix) as opened:
        yield opened


async def test_every_mail_on_the_server_is_accounted_for(
    place: ReadingPlace, mongo_uri: str, database_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "secret")

    def fails_on_five(raw: bytes) -> Any:
        if b"Question 5" in raw:
            raise RuntimeError("our bug")
        return parse_mail(raw)

    async def withholds_six(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        pieces[:] = [p for p in pieces if not (name == "UID FETCH" and b"(UID 6 " in p and b"BODY[]" in p)]

    monkeypatch.setattr(taking, "parse_mail", fails_on_five)
    async with ImapStandIn(passwords={USER: "secret"}, fault=withholds_six).running() as server:
        imap = {"host": "127.0.0.1", "port": server.port, "tls": False, "user": USER}
        password = {"env": "MAIL_PASSWORD"}
        accounts = place.configure({"id": "support", "channel": "email", "imap": imap | {"password": password}})
        await server.deliver(USER, mail(1), at=datetime.now(UTC) - timedelta(days=90))
        for n in (2, 3, 3, 5, 6, 7):
            await server.deliver(USER, mail(n))
        async with place.reading(*accounts):
            await until(lambda: len(place.publisher.records) == 4)
            await server.deliver(USER, mail(8))
            await until(lambda: len(place.publisher.records) == 5)
        await server.deliver(USER, mail(9))
        server.folder(USER).mails = [m for m in server.folder(USER).mails if m.uid != 2]

        file = tmp_path / "company.yaml"
        file.write_text(place.configurations.latest.model_dump_json(exclude_none=True))
        env = {"POSTROOM_MONGO_URI": mongo_uri, "POSTROOM_DATABASE_PREFIX": database_prefix}
        status, said, _ = await command(env, "audit", "support", "--config", str(file))
        assert status == 1
        lines = [line.split() for line in said.splitlines()]
        assert [(line[1], line[2]) for line in lines[:-1]] == [
            ("1", "history"),
            ("3", "stored"),
            ("4", "duplicate"),
            ("5", "quarantined"),
            ("6", "missing"),
            ("7", "stored"),
            ("8", "stored"),
            ("9", "waiting"),
        ]
        assert lines[1][3] == lines[2][3], "both are one ledger entry"
        assert lines[3][4] == "RuntimeError"
        assert said.splitlines()[-1] == (
            "INBOX: 8 on the server: 3 stored, 1 duplicate, 0 ignored, 1 quarantined, 1 history, 1 waiting, 1 missing;"
            " 1 in the ledger are there no more"
        )
        kept = next(m for m in place.publisher.inbound() if "could not be read" in m.text)
        raw = place.content.documents[kept.content.content_id]["raw_blob_id"]
        assert place.content.blobs[raw] == mail(5), "the mail that our code failed on is kept as it came"

        server.fault = None
        async with place.reading(*accounts):  # the reconciliation finds what was withheld
            await until(lambda: "Question 6" in place.publisher.subjects())
            await until(lambda: "Question 9" in place.publisher.subjects())
        status, said, _ = await command(env, "audit", "support", "--summary", "--json", "--config", str(file))
        assert status == 0
        assert json.loads(said)["missing"] == 0
        assert json.loads(said)["stored"] == 5

        await place.database["ledger"].delete_one({"_id": kept.ledger_id})
        status, said, _ = await command(env, "audit", "support", "--summary", "--config", str(file))
        assert (status, "INBOX 5 missing" in said, "its ledger entry is not there" in said) == (1, True, True)
