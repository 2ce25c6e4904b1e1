"""A mailbox against what servers do to it: mails that nobody noted, folders made anew, no IDLE; and what is erased."""

import asyncio
import contextlib
import imaplib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from postroom_contracts.events import new_event
from postroom_contracts.facts import ContentErased
from postroom_contracts.ids import content_id
from postroom_contracts.registry import source_of
from postroom_contracts.topics import CONVERSATION_EVENTS, INBOUND_MESSAGES
from postroom_ingest.adapters.imap import ImapSession
from postroom_ingest.app import Ingest, IngestSettings
from postroom_ingest.metrics import GONE, RECOVERED, UNACCOUNTED
from postroom_local.dovecot import DovecotServer
from postroom_runtime import mongo
from postroom_runtime.service import Runtime, connect

from tests.deployment import Deployment
from tests.integration.ingest.test_ingest_service import company, dovecot_for, inbound, mail, mail_account, subjects

pytestmark = pytest.mark.connected
ADDRESS = "shop@acme.test"


@pytest.fixture
def server() -> Iterator[DovecotServer]:
    made = dovecot_for(["shop"])
    yield made
    made.close()


@pytest.fixture
async def deployment(
    kafka_bootstrap: str,
    mongo_uri: str,
    topic_prefix: str,
    database_prefix: str,
    server: DovecotServer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Deployment]:
    monkeypatch.setenv("MAIL_PASSWORD", "secret")
    async with Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as made:
        await made.configure(company([mail_account("shop", server)]))
        yield made


@contextlib.asynccontextmanager
async def ingest(deployment: Deployment) -> AsyncIterator[Runtime]:
    """Ingest in this process; it is stopped in order at the end."""
    settings = IngestSettings(**deployment.settings.model_dump(exclude_unset=True), lease_seconds=3)
    runtime = await connect(Ingest(), settings)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop()


async def until(is_true: Callable[[], Awaitable[bool]], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not await is_true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


def uidvalidity(server: DovecotServer) -> int:
    with imaplib.IMAP4("127.0.0.1", server.port) as client:
        client.login(ADDRESS, "secret")
        answer = client.status("INBOX", "(UIDVALIDITY)")[1][0]
        assert isinstance(answer, bytes)
        return int(answer.rsplit(b" ", 1)[1].rstrip(b")"))


async def test_mails_below_the_cursor_that_nobody_noted_are_taken_in(
    deployment: Deployment, server: DovecotServer
) -> None:
    for n in range(3):
        server.deliver(ADDRESS, mail("shop", n))
    validity = await asyncio.to_thread(uidvalidity, server)
    async with ingest(deployment) as runtime:
        await deployment.wait_for_events(INBOUND_MESSAGES, 3)

        async def read() -> bool:
            return bool(await runtime.database["cursors"].find_one({"uidvalidity": validity, "uid": 3}))

        await until(read, "the cursor stands behind all")
    await forget(deployment, uid=2)
    stored = sorted(server.maildir(ADDRESS).glob("*/*.*"))
    next(path for path in stored if b"Question 0" in path.read_bytes()).unlink()
    async with ingest(deployment) as runtime:

        async def noted() -> bool:
            return bool(await runtime.database["places"].find_one({"uid": 2, "outcome": "stored"}))

        async def compared() -> bool:
            return bool(GONE.labels("shop")._value.get() == 1)

        await until(noted, "the mail is taken in")
        await until(compared, "the mail that was deleted behind our back is counted")
        assert UNACCOUNTED.labels("shop")._value.get() == 0
        assert RECOVERED.labels("shop")._value.get() == 1
    assert subjects(await deployment.events(INBOUND_MESSAGES)) == ["Question 0", "Question 1", "Question 2"]


async def forget(deployment: Deployment, uid: int) -> None:
    """Leave what a lost write would: the cursor stands behind the mail, and it is in neither notes nor ledger."""
    client = mongo.connect(deployment.settings)
    database = mongo.database(client, deployment.settings, "ingest")
    place = await database["places"].find_one_and_delete({"uid": uid})
    await database["ledger"].delete_one({"_id": place["ledger_id"]})
    await mongo.close(client)


async def test_a_folder_made_anew_is_read_from_its_start_and_nothing_comes_twice(
    deployment: Deployment, server: DovecotServer
) -> None:
    for n in range(2):
        server.deliver(ADDRESS, mail("shop", n))
    async with ingest(deployment) as runtime:
        await deployment.wait_for_events(INBOUND_MESSAGES, 2)
        before = await asyncio.to_thread(uidvalidity, server)
        await asyncio.to_thread(make_folder_anew, server, before)
        after = await asyncio.to_thread(uidvalidity, server)
        assert after != before
        server.deliver(ADDRESS, mail("shop", 2))
        events = await deployment.wait_for_events(INBOUND_MESSAGES, 3)
        assert subjects(events) == ["Question 0", "Question 1", "Question 2"]

        async def read_on() -> bool:
            return bool(await runtime.database["cursors"].find_one({"uidvalidity": after, "uid": 3}))

        await until(read_on, "the cursor counts by the new UIDVALIDITY")
        counted = runtime.database["places"].count_documents
        assert await counted({"outcome": "duplicate", "folder_key": f"shop/INBOX/{after}"}) == 2
        assert await runtime.database["ledger"].count_documents({}) == 3


def make_folder_anew(server: DovecotServer, before: int) -> None:
    """As a provider does that restores a mailbox: the mails are there, their numbers are new."""
    server.stop()
    for index in server.maildir(ADDRESS).glob("dovecot*"):
        index.unlink()
    while int(time.time()) <= before:  # the second of its making becomes the UIDVALIDITY
        time.sleep(0.05)
    server.start()


async def test_where_the_server_has_no_idle_it_is_asked(
    deployment: Deployment, server: DovecotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImapSession, "can_idle", property(lambda _self: False))
    monkeypatch.setattr("postroom_ingest.adapters.imap.POLL_SECONDS", 0.2)
    async with ingest(deployment):
        for n in range(3):
            server.deliver(ADDRESS, mail("shop", n))
            await deployment.wait_for_events(INBOUND_MESSAGES, n + 1)


async def test_of_an_erased_person_texts_and_mail_are_gone_and_the_number_stays(
    deployment: Deployment, server: DovecotServer
) -> None:
    for n in range(2):
        server.deliver(ADDRESS, mail("shop", n))
    async with ingest(deployment) as runtime:
        kept, gone = inbound(await deployment.wait_for_events(INBOUND_MESSAGES, 2))
        erased = ContentErased(contact_id="x", message_ids=[gone.message_id], ledger_ids=[gone.ledger_id])
        event = new_event(
            erased,
            source=source_of("router"),
            cause_id="erase",
            subject="conversation",
            time=deployment.clock.now(),
            sequence=1,
        )
        for _ in range(2):  # a repeat changes nothing
            await deployment.publisher.publish_events(CONVERSATION_EVENTS, [event])

        async def is_gone() -> bool:
            entry = await runtime.database["ledger"].find_one({"_id": gone.ledger_id})
            return bool(entry and entry.get("erased"))

        await until(is_gone, "the ledger has forgotten")
        content = runtime.content
        assert await content.get([gone.content.content_id]) == {}
        assert await content.get_blob(content_id(gone.ledger_id, "raw")) is None
        entry = await runtime.database["ledger"].find_one({"_id": gone.ledger_id})
        assert "example.test" not in str(entry)
        assert list(await content.get([kept.content.content_id])) == [kept.content.content_id]
        assert await content.get_blob(content_id(kept.ledger_id, "raw")) is not None
        for n in range(2):  # the server gives both once more, as after it was made anew
            server.deliver(ADDRESS, mail("shop", n))

        async def are_noted() -> bool:
            return bool(await runtime.database["places"].count_documents({"outcome": "duplicate"}) == 2)

        await until(are_noted, "both are known")
        assert await content.get([gone.content.content_id]) == {}
        assert await content.get_blob(content_id(gone.ledger_id, "raw")) is None
        assert await content.get_blob(content_id(kept.ledger_id, "raw")) is not None
