"""History: mails from before an account's first day, taken in without waking anybody.

How it meets the live reader: what lies above the floor of the live cursor, or is young enough for a folder's first
reading, is the reader's and is left to it; both note every mail by its place, and the ledger knows a mail whoever brings it.
So no mail comes twice and none falls between them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import structlog
from postroom_contracts.configuration import MailAccount
from postroom_runtime.clock import Clock

from postroom_ingest.adapters.imap import ImapSession, MailServerError
from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.connection import MailboxDoor
from postroom_ingest.domain.cursor import Cursor, begin
from postroom_ingest.ports import Spot
from postroom_ingest.taking import MailTaker

log = structlog.get_logger(__name__)
MAX_FAILURES = 5
"""Connections in a row that bring nothing; each is followed by a longer pause."""
Progress = Callable[[int, int], None]
"""Told (done, of all) after each window."""


class NotYetReadError(Exception):
    """The folder was numbered anew and the live reader has not met that yet; nothing can be told apart before."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import of one folder did: mails taken in now, known before, left to the live reader, not given."""

    taken: int
    known: int
    live: int
    missing: int


class HistoryImport:
    """Takes in the history of one account. Ended anywhere and run again, it goes on where it was."""

    def __init__(
        self, account: MailAccount, door: MailboxDoor, ledger: MongoLedger, taker: MailTaker, clock: Clock
    ) -> None:
        self._account = account
        self._door = door
        self._ledger = ledger
        self._taker = taker
        self._clock = clock

    async def run(self, folder: str, since: date, progress: Progress, pause_seconds: float = 1.0) -> Imported:
        """Import what came on `since` or later. Raises MailServerError when the server fails again and again."""
        failures, taken = 0, 0
        while True:
            before = taken
            try:
                session = (await self._door.open(self._account)).session
                try:
                    plan = await self._plan(session, folder, since)
                    done: set[int] = set()
                    async for done in self._taker.take(session, self._account, plan.spot, plan.todo, imported=True):
                        progress(plan.known + len(done), plan.known + len(plan.todo))
                        taken = before + len(done)
                    return Imported(taken, plan.known - before, plan.live, len(plan.todo) - len(done))
                finally:
                    await session.close()
            except MailServerError as error:
                failures = 1 if taken > before else failures + 1
                if failures >= MAX_FAILURES:
                    raise
                log.warning("import connects anew", account=self._account.id, folder=folder, error=str(error))
                await asyncio.sleep(pause_seconds * 2**failures)

    async def _plan(self, session: ImapSession, folder: str, since: date) -> "_Plan":
        selected = await session.select(folder, read_only=True)
        spot = Spot(self._account.id, folder, selected.uidvalidity)
        found = set(await session.search_since(since))
        live = found & await self._live(session, spot, found)
        known = (found - live) & await self._ledger.known_uids(self._account.id, folder, selected.uidvalidity)
        return _Plan(spot, sorted(found - live - known), len(known), len(live))

    async def _live(self, session: ImapSession, spot: Spot, found: set[int]) -> set[int]:
        """Return what the live reader takes, or has taken, for news."""
        cursor = await self._ledger.load_cursor(spot.account_id, spot.folder)
        if cursor is not None and cursor.uidvalidity != spot.uidvalidity:
            raise NotYetReadError(
                f"the server has numbered {spot.folder} anew: let ingest read account {spot.account_id} once, then import"
            )
        if cursor is None:
            return await self._will_be_live(session, spot)
        return {uid for uid in found if uid > cursor.floor} | await _recent(session, cursor)

    async def _will_be_live(self, session: ImapSession, spot: Spot) -> set[int]:
        """Return what the first reading of this folder will take, if it is one that is read at all."""
        server = self._account.imap
        if server is None or spot.folder not in server.folders:
            return set()
        since = self._clock.now() - timedelta(days=server.first_days)
        return await _recent(session, begin(spot.uidvalidity, 1, since, begins_now=server.first_days == 0))


@dataclass(frozen=True, slots=True)
class _Plan:
    spot: Spot
    todo: list[int]
    known: int
    live: int


async def _recent(session: ImapSession, cursor: Cursor) -> set[int]:
    if cursor.since_day is None or cursor.begins_now:
        return set()
    return set(await session.search_since(cursor.since_day))
