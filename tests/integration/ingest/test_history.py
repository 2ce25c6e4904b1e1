"""Importing history: beside the live reader, interrupted, repeated, over lost connections."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from postroom_contracts.configuration import MailAccount
from postroom_ingest.connection import MailboxDoor
from postroom_ingest.history import HistoryImport, Imported, NotYetReadError
from postroom_ingest.intake import history_outbox
from postroom_ingest.taking import MailTaker

from tests.integration.ingest.reading import ReadingPlace, command, mail, reading_place, until
from tests.standins.imap import DropError, ImapStandIn, Peer

pytestmark = pytest.mark.connected
USER = "support@acme.test"
LONG_AGO = date(2020, 1, 1)


@pytest.fixture
async def place(mongo_uri: str, database_prefix: str) -> AsyncIterator[ReadingPlace]:
    async with reading_place(mongo_uri, database_prefix) as opened:
        yield opened


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ImapStandIn]:
    monkeypatch.setenv("MAIL_PASSWORD", "secret")
    async with ImapStandIn(passwords={USER: "secret"}).running() as running:
        running.folder(USER)
        yield running


def account(server: ImapStandIn, **imap: Any) -> dict[str, Any]:
    given = {"host": "127.0.0.1", "port": server.port, "tls": False, "user": USER, "password": {"env": "MAIL_PASSWORD"}}
    return {"id": "support", "channel": "email", "imap": given | imap}


def history(place: ReadingPlace, account: MailAccount) -> HistoryImport:
    taker = MailTaker(place.configurations, place.ledger, place.intake, place.clock)
    return HistoryImport(account, MailboxDoor(None, 2), place.ledger, taker, place.clock)


async def imported(
    place: ReadingPlace, account: MailAccount, since: date = LONG_AGO, folder: str = "INBOX"
) -> Imported:
    return await history(place, account).run(folder, since, lambda *_: None, pause_seconds=0.01)


async def published(place: ReadingPlace) -> dict[str, bool]:
    """Publish what waits; return subject -> whether it is marked as history. Nothing is there twice."""
    await place.intake.publish(history_outbox("support"))
    assert len(place.publisher.subjects()) == len(set(place.publisher.subjects()))
    return {m.subject: m.imported for m in place.publisher.inbound()}


async def test_history_and_news_meet_without_a_gap_or_a_double(place: ReadingPlace, server: ImapStandIn) -> None:
    now = datetime.now(UTC)
    for n in range(120):
        await server.deliver(USER, mail(n), at=now - timedelta(days=400 - 3.4 * n))  # the last of them hours ago
    (one,) = place.configure(account(server, after_import="mark_seen"))
    async with place.reading(one):
        await until(lambda: place.publisher.records)
        working = asyncio.create_task(imported(place, one))
        for n in range(120, 125):
            await server.deliver(USER, mail(n))
        done = await working
        await until(lambda: server.folder(USER).mails[-1].flags)
    found = await published(place)
    assert len(found) == 125
    news = sorted(int(s.split()[1]) for s, old in found.items() if not old)
    assert news == list(range(125 - len(news), 125))
    assert done.taken == 125 - len(news)
    assert done.missing == 0
    assert [bool(m.flags) for m in server.folder(USER).mails].count(True) == len(news), "history stays unread"
    assert await imported(place, one) == Imported(0, done.taken, len(news), 0)
    assert await published(place) == found


async def test_import_before_the_first_reading_leaves_the_young_mails_to_it(
    place: ReadingPlace, server: ImapStandIn
) -> None:
    now = datetime.now(UTC)
    for n, days in enumerate([300, 20, 0.1]):
        await server.deliver(USER, mail(n), at=now - timedelta(days=days))
    (one,) = place.configure(account(server))
    assert await imported(place, one) == Imported(2, 0, 1, 0)
    assert await imported(place, one, date.today() - timedelta(days=30)) == Imported(0, 1, 1, 0)  # noqa: DTZ011
    async with place.reading(one):
        await until(lambda: place.publisher.records)
    assert await published(place) == {"Question 0": True, "Question 1": True, "Question 2": False}


async def test_lost_connections_and_a_crash_cost_nothing(place: ReadingPlace, server: ImapStandIn) -> None:
    now = datetime.now(UTC)
    for n in range(160):
        await server.deliver(USER, mail(n), at=now - timedelta(days=200))
    broken = 0

    async def drops_every_second_window(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        nonlocal broken
        if name == "UID FETCH" and b"BODY[]" in b"".join(pieces):
            broken += 1
            if broken % 2 == 0:
                peer.writer.write(b"".join(pieces)[:700])
                raise DropError

    server.fault = drops_every_second_window
    (one,) = place.configure(account(server))
    told: list[tuple[int, int]] = []

    def dies_at_100(done: int, of: int) -> None:
        told.append((done, of))
        if done >= 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await history(place, one).run("INBOX", LONG_AGO, dies_at_100, pause_seconds=0.01)
    assert told == [(50, 160), (100, 160)]
    done = await imported(place, one)
    assert (done.taken, done.known, done.missing) == (60, 100, 0)
    assert await published(place) == {f"Question {n}": True for n in range(160)}


async def test_folder_that_is_numbered_anew_is_read_by_ingest_first(place: ReadingPlace, server: ImapStandIn) -> None:
    (one,) = place.configure(account(server))
    async with place.reading(one):
        await until(lambda: "IDLE" in server.log)
    server.folder(USER).uidvalidity = 99
    with pytest.raises(NotYetReadError, match="let ingest read account support once"):
        await imported(place, one)


async def test_import_command_takes_another_folder_whole(
    place: ReadingPlace, server: ImapStandIn, mongo_uri: str, database_prefix: str, tmp_path: Path
) -> None:
    place.configure(account(server))
    file = tmp_path / "company.yaml"
    file.write_text(place.configurations.latest.model_dump_json(exclude_none=True))
    await server.deliver(USER, mail(1), "Archive", datetime.now(UTC))
    await server.deliver(USER, mail(2), "Archive", datetime(2019, 5, 5, tzinfo=UTC))
    env = {"POSTROOM_MONGO_URI": mongo_uri, "POSTROOM_DATABASE_PREFIX": database_prefix}
    arguments = ("import", "support", "--since", "2020-01-01", "--folder", "Archive", "--config", str(file))
    status, said, told = await command(env, *arguments)
    assert status == 0, told
    assert "support Archive: 1 mails taken in as history, 0 known before, 0 are ingest's" in said
    status, said, _ = await command(env, *arguments)
    assert "support Archive: 0 mails taken in as history, 1 known before" in said
    assert await published(place) == {"Question 1": True}
    status, _, told = await command(env, "import", "nobody", "--since", "2020-01-01", "--config", str(file))
    assert (status, "no mail account 'nobody'; there is support" in told) == (2, True)
