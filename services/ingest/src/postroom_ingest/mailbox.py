"""Reading one mail account: connect, catch up, wait for news, reconcile; connect anew whenever anything fails."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from postroom_contracts.configuration import ImapServer, MailAccount
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.leases import Lease
from postroom_runtime.oauth import AccessTokens, AuthorisationError
from postroom_runtime.secrets import MissingSecretError
from postroom_runtime.steps import reach

from postroom_ingest.adapters.imap import Folder, ImapSession, MailLoginError, MailServerError
from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.connection import Connection, MailboxDoor
from postroom_ingest.domain.cursor import Cursor, StartAnew, advance, begin, decide_start
from postroom_ingest.intake import IntakeStore
from postroom_ingest.metrics import GONE, LOGIN_FAILED, RECOVERED, UNACCOUNTED
from postroom_ingest.ports import Spot
from postroom_ingest.showing import ShownAccount
from postroom_ingest.taking import MailTaker
from postroom_ingest.tidying import Tidier

log = structlog.get_logger(__name__)

RECONCILE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a reader waits after a failure before it connects anew, seconds; each wait is shortened by up to a half."""

    first_seconds: float = 0.5
    longest_seconds: float = 60.0
    """Also: a session that lasted longer was good, and the next failure counts as the first."""
    refused_seconds: float = 20.0
    """At least so long after a refused log-in: servers lock accounts that are tried too often."""
    grant_seconds: float = 5.0
    """While a person must connect the account anew; nobody but our own database is asked then."""

    def pause(self, failures: int, error: Exception) -> float:
        """Return how long to wait after the `failures`-th failure in a row (from 1)."""
        growing = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures, 16))
        if isinstance(error, AuthorisationError):
            growing = self.grant_seconds
        elif isinstance(error, MailLoginError | MissingSecretError):
            growing = max(self.refused_seconds, growing)
        return growing * random.uniform(0.5, 1.0)


_EXPECTED = (MailLoginError, MissingSecretError, AuthorisationError, InfrastructureError, MailServerError)


def _tell(account: MailAccount, folder: str, error: Exception) -> None:
    if isinstance(error, MailLoginError | MissingSecretError | AuthorisationError):
        LOGIN_FAILED.labels(account.id).set(1)
        log.error("login refused", account=account.id, error=str(error))
    else:
        what = "storing waits" if isinstance(error, InfrastructureError) else "mail server"
        log.warning(what, account=account.id, folder=folder, error=str(error))


class LeaseLostError(Exception):
    """Another replica holds the account: this reader ends."""


@dataclass(slots=True)
class Reading:
    """One folder that is read over one connection, and how far."""

    connection: Connection
    account: MailAccount
    server: ImapServer
    folder: str
    lease: Lease
    cursor: Cursor
    shown: ShownAccount

    @property
    def session(self) -> ImapSession:
        return self.connection.session

    @property
    def spot(self) -> Spot:
        return Spot(self.account.id, self.folder, self.cursor.uidvalidity)


class MailboxReader:
    """Reads the folders of mail accounts into the ledger."""

    def __init__(
        self,
        configurations: Configurations,
        ledger: MongoLedger,
        intake: IntakeStore,
        clock: Clock,
        timeout_seconds: float,
        tokens: AccessTokens | None = None,
        patience: Patience | None = None,
        *,
        read_only: bool = False,
        reconcile_seconds: float = RECONCILE_SECONDS,
        probe_keys: Sequence[bytes] = (),
    ) -> None:
        self._ledger = ledger
        self._intake = intake
        self._clock = clock
        self._taker = MailTaker(configurations, ledger, intake, clock, probe_keys)
        self._tidier = Tidier(ledger, read_only=read_only)
        self._read_only = read_only
        self._reconcile_seconds = reconcile_seconds
        self._door = MailboxDoor(tokens, timeout_seconds)
        self._patience = patience or Patience()
        self._shown: dict[str, tuple[int, ShownAccount]] = {}

    async def read(self, account: MailAccount, lease: Lease) -> None:
        """Read all folders of the account until cancelled; each has a connection of its own."""
        if account.imap is None:
            return
        shown = self._shown_under(account, account.imap, lease)
        async with asyncio.TaskGroup() as folders:
            for folder in account.imap.folders:
                folders.create_task(self._keep_reading(account, account.imap, folder, lease, shown))

    def _shown_under(self, account: MailAccount, server: ImapServer, lease: Lease) -> ShownAccount:
        """Return what this lease began to show: a reader that failed and is called again has read nothing meanwhile."""
        fence, shown = self._shown.get(account.id, (None, None))
        if shown is None or fence != lease.fence:
            shown = ShownAccount(account.id, server.folders, self._clock.now())
            self._shown[account.id] = lease.fence, shown
        return shown

    async def _keep_reading(
        self, account: MailAccount, server: ImapServer, folder: str, lease: Lease, shown: ShownAccount
    ) -> None:
        failures = 0
        while True:
            started = monotonic()
            try:
                await self._session(account, server, folder, lease, shown)
                continue  # its access token is about to end: at once again with the next
            except LeaseLostError:
                log.warning("another replica reads this account", account=account.id)
                return
            except _EXPECTED as error:
                _tell(account, folder, error)
                lasted = monotonic() - started > self._patience.longest_seconds
                failures = 1 if lasted else failures + 1
                pause = self._patience.pause(failures, error)
            finally:
                shown.followed(folder, up=False)
            await asyncio.sleep(pause)

    async def _session(
        self, account: MailAccount, server: ImapServer, folder: str, lease: Lease, shown: ShownAccount
    ) -> None:
        """Read one folder over one connection until its access token is about to end, or anything fails."""
        connection = await self._door.open(account)
        session = connection.session
        LOGIN_FAILED.labels(account.id).set(0)
        try:
            selected = await session.select(folder, read_only=self._read_only)
            start = decide_start(
                await self._ledger.load_cursor(account.id, folder), selected.uidvalidity, selected.uidnext
            )
            reading = Reading(connection, account, server, folder, lease, start.cursor, shown)
            if isinstance(start, StartAnew):
                log.info("reading the folder from its start", account=account.id, folder=folder, reason=start.reason)
                await self._begin(reading, selected, first=start.reason == "first")
            shown.followed(folder, up=True)
            await self._follow(reading)
        finally:
            await session.close()

    async def _begin(self, reading: Reading, selected: Folder, *, first: bool) -> None:
        """Take in what is not history of a folder whose UIDs are new to us; the cursor is stored when that is safe.

        History is what came before the account's first day here; it is left to `postroom ingest import`.
        """
        days = reading.server.first_days
        since = self._clock.now() - timedelta(days=days) if first else reading.cursor.since
        highest = max(
            (uid for uid in await reading.session.all_uids() if uid < (selected.uidnext or uid + 1)), default=0
        )
        cursor = begin(selected.uidvalidity, highest, since, begins_now=first and days == 0)
        recent: list[int] = []
        if cursor.since_day is not None and not cursor.begins_now:
            recent = [u for u in await reading.session.search_since(cursor.since_day) if u <= cursor.floor]
        await self._take_all(reading, recent)
        await self._move(reading, cursor)
        left = selected.exists - len(recent)
        if cursor.floor and left > 0:
            log.info("history is left alone", account=reading.account.id, folder=reading.folder, mails=left)

    async def _follow(self, reading: Reading) -> None:
        never = asyncio.Event()
        reconciled = float("-inf")
        while True:
            await self._catch_up(reading)
            reading.shown.read(reading.folder, self._clock.now())
            if monotonic() - reconciled > self._reconcile_seconds:
                await self._reconcile(reading)
                reconciled = monotonic()
            await self._tidier.tidy(reading.session, reading.account, reading.spot)
            left = self._seconds_left(reading.connection)
            if left <= 0:
                return
            await reading.session.idle(never, min(reading.server.poll_seconds, left))

    def _seconds_left(self, connection: Connection) -> float:
        """Return for how long this connection's access token is good, infinite with a password."""
        if connection.renew_at is None:
            return float("inf")
        return (connection.renew_at - self._clock.now()).total_seconds()

    async def _catch_up(self, reading: Reading) -> None:
        """Take in every mail above the cursor, window by window; the cursor moves behind what is in the ledger.

        At the end it moves behind the last mail that came, over what the server named and did not give: one mail must not
        hold up the others. The reconciliation asks for that again, and counts it until it comes. What was named above the
        last mail and not given is asked for again at once: it may not exist, and the cursor must not run ahead of the folder.
        """
        uids = await reading.session.search_uids(reading.cursor.uid)
        if not uids:
            return
        done: set[int] = set()
        async for done in self._taker.take(reading.session, reading.account, reading.spot, uids):
            await self._move(reading, advance(reading.cursor, uids, done))
            await self._intake.publish_soon(reading.account.id)
        passed = {uid for uid in uids if uid <= max(done, default=0)}
        await self._move(reading, advance(reading.cursor, uids, passed))

    async def _take_all(self, reading: Reading, uids: list[int]) -> set[int]:
        """Take in these mails without moving the cursor; return those that need nothing more."""
        done: set[int] = set()
        async for finished in self._taker.take(reading.session, reading.account, reading.spot, uids):
            done = finished
            await self._intake.publish_soon(reading.account.id)
        return done

    async def _move(self, reading: Reading, cursor: Cursor) -> None:
        if not await self._ledger.save_cursor(reading.account.id, reading.folder, cursor, reading.lease.fence):
            raise LeaseLostError(reading.account.id)
        reading.cursor = cursor
        reach("ingest.cursor_saved")

    async def _reconcile(self, reading: Reading) -> None:
        """Compare the ledger with the server: a mail that lies there, is not history and was never noted is taken in now."""
        account_id, cursor = reading.account.id, reading.cursor
        there = set(await reading.session.all_uids())
        known = await self._ledger.known_uids(account_id, reading.folder, cursor.uidvalidity)
        missing = sorted(await expected_uids(reading.session, cursor, there) - known)
        done: set[int] = set()
        if missing:
            log.warning("mails missing in the ledger", account=account_id, folder=reading.folder, count=len(missing))
            RECOVERED.labels(account_id).inc(len(missing))
            done = await self._take_all(reading, missing)
        gone = known - there
        GONE.labels(account_id).set(len(gone - await self._ledger.moved_away(reading.spot)) if gone else 0)
        UNACCOUNTED.labels(account_id).set(len(set(missing) - done))


async def expected_uids(session: ImapSession, cursor: Cursor, all_uids: set[int] | None = None) -> set[int]:
    """Return the UIDs on the server (`all_uids`, else asked for) that the ledger must know: up to the cursor, without history."""
    found = await session.all_uids() if all_uids is None else all_uids
    there = {uid for uid in found if uid <= cursor.uid}
    if cursor.since_day is None or not any(uid <= cursor.floor for uid in there):
        return there
    recent = set() if cursor.begins_now else set(await session.search_since(cursor.since_day))
    return {uid for uid in there if uid > cursor.floor or uid in recent}
