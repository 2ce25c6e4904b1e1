"""What became of each mail on the server: the ledger compared with the folder, mail by mail."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from postroom_contracts.configuration import MailAccount

from postroom_ingest.adapters.imap import ImapSession
from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.connection import MailboxDoor
from postroom_ingest.domain.cursor import Cursor
from postroom_ingest.mailbox import expected_uids
from postroom_ingest.ports import Noted, Spot

Became = Literal["stored", "duplicate", "ignored", "quarantined", "history", "waiting", "missing"]
EVERY: tuple[Became, ...] = ("stored", "duplicate", "ignored", "quarantined", "history", "waiting", "missing")
"""`history`: from before the account's first day, left alone. `waiting`: above the cursor, not read yet. `missing`: the
server has it, it is neither, and the ledger does not know it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One mail. `detail`: why it was ignored or quarantined, or where in the line it waits."""

    uid: int
    became: Became
    ledger_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FolderAudit:
    """One folder: a line for each UID on the server, ascending; `gone`: how many the ledger knows that lie there no more."""

    folder: str
    uidvalidity: int
    lines: list[Line]
    gone: int

    @property
    def counts(self) -> dict[Became, int]:
        counted = Counter(line.became for line in self.lines)
        return {name: counted[name] for name in EVERY}


class Auditor:
    """Compares; changes nothing, here or there."""

    def __init__(self, account: MailAccount, door: MailboxDoor, ledger: MongoLedger) -> None:
        self._account = account
        self._door = door
        self._ledger = ledger

    async def audit(self, folder: str) -> FolderAudit:
        """Raises what `MailboxDoor.open` raises, and MailServerError for a folder that is not there."""
        session = (await self._door.open(self._account)).session
        try:
            selected = await session.select(folder, read_only=True)
            spot = Spot(self._account.id, folder, selected.uidvalidity)
            # In this order: the reader notes a mail's place before it moves its cursor behind it.
            there = await session.all_uids()
            cursor = await self._ledger.load_cursor(spot.account_id, folder)
            notes = await self._ledger.notes(spot)
            expected = await _expected(session, cursor, spot)
        finally:
            await session.close()
        lines = [_line(uid, notes, expected, cursor, spot) for uid in sorted(there)]
        return FolderAudit(folder, selected.uidvalidity, lines, len(set(notes) - there))


async def _expected(session: ImapSession, cursor: Cursor | None, spot: Spot) -> set[int]:
    if cursor is None or cursor.uidvalidity != spot.uidvalidity:
        return set()
    return await expected_uids(session, cursor)


def _line(uid: int, notes: Mapping[int, Noted], expected: set[int], cursor: Cursor | None, spot: Spot) -> Line:
    noted = notes.get(uid)
    if noted is not None and noted.in_ledger:
        return Line(
            uid, noted.outcome, noted.ledger_id, noted.reason or ("" if noted.published else "not published yet")
        )
    if noted is not None:
        return Line(uid, "missing", noted.ledger_id, "its place is noted, its ledger entry is not there")
    if uid in expected:
        return Line(uid, "missing")
    read = cursor is not None and cursor.uidvalidity == spot.uidvalidity
    return Line(uid, "history" if read and cursor is not None and uid <= cursor.floor else "waiting")
