"""What no document has room for, and what the database does not take by our fault: nothing of it is lost, and it stops nobody."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import pytest
from postroom_contracts.ids import content_id
from postroom_ingest.domain.inbound import mail_intake, unreadable_intake
from postroom_ingest.domain.mail import parse_mail
from postroom_ingest.keeping import Mail, store_mails
from postroom_ingest.ports import Entry, Spot
from postroom_runtime.kafka import Outgoing

from tests.component.ingest.doorway import company
from tests.integration.ingest.reading import ReadingPlace, reading_place

pytestmark = pytest.mark.connected
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
async def place(mongo_uri: str, database_prefix: str) -> AsyncIterator[ReadingPlace]:
    async with reading_place(mongo_uri, database_prefix) as opened:
        yield opened


def records(name: str, count: int) -> list[Outgoing]:
    return [Outgoing("t", b"k", name.encode() + str(n).encode() + b" " * 900_000, [("h", b"v")]) for n in range(count)]


async def test_a_mail_to_very_many_inboxes_is_stored_and_published_in_order_once(place: ReadingPlace) -> None:
    ledger, intake, publisher = place.ledger, place.intake, place.publisher
    entries = [Entry(f"l{n}", "door", "k", records(f"m{n}-", 20), NOON) for n in range(2)]  # 18 MB each
    assert await ledger.add(entries) == {"l0": True, "l1": True}
    assert await ledger.add(entries) == {"l0": False, "l1": False}
    assert len(await ledger.unpublished("door", 500, 8_000_000)) == 3, (
        "four records of 0.9 MB in a document, and no more than wanted"
    )
    await intake.publish("door")
    assert [r.body.split()[0].decode() for r in publisher.records if r.body] == [
        f"m{m}-{n}" for m in range(2) for n in range(20)
    ]
    assert await intake.publish("door") == 0
    assert await ledger.outbox() == (0, None)


async def test_nothing_of_an_erased_mail_to_very_many_is_left_to_be_published(place: ReadingPlace) -> None:
    ledger, intake, publisher = place.ledger, place.intake, place.publisher
    await ledger.add(
        [Entry("l0", "door", "k", records("m", 20), NOON), Entry("l1", "door", "k", records("n", 1), NOON)]
    )
    await ledger.erase(["l0"])
    await intake.publish("door")
    assert [r.body[:2] for r in publisher.records if r.body] == [b"n0"]
    assert await place.database["ledger"].count_documents({"out": {"$exists": True}}) == 0


async def test_a_mail_that_the_database_does_not_take_is_kept_whole_under_a_note_and_the_others_as_they_are(
    place: ReadingPlace,
) -> None:
    ledger, intake, publisher = place.ledger, place.intake, place.publisher
    await place.database.command("collMod", "ledger", validator={"key": {"$not": {"$regex": "poison@"}}})
    given = {
        "account": next(a for a in company().accounts if a.id == "box"),
        "configuration": company(),
        "received_at": NOON,
        "now": NOON,
    }
    spot = Spot("box", "INBOX", 7)

    def mail(n: int, sender: str) -> Mail:
        raw = f"From: {sender}\r\nTo: boxed@acme.test\r\nMessage-ID: <{n}@x.test>\r\n\r\nHello {n}\r\n".encode()
        return Mail(mail_intake(parse_mail(raw), raw, **given), spot.place(n), partial(unreadable_intake, raw, **given))  # type: ignore[arg-type]

    mails = [mail(1, "a@x.test"), mail(2, "poison@x.test"), mail(3, "b@x.test")]
    for _ in range(2):
        await store_mails(intake, "box", mails)
    notes = await ledger.notes(spot)
    assert {uid: (n.outcome, n.in_ledger, n.reason) for uid, n in notes.items()} == {
        1: ("stored", True, ""),
        2: ("quarantined", True, "BulkWriteError"),
        3: ("stored", True, ""),
    }
    await intake.publish("box")
    assert len(publisher.records) == 3
    raw = await place.content.get_blob(content_id(notes[2].ledger_id, "raw"))
    assert raw is not None
    assert raw.endswith(b"Hello 2\r\n")
