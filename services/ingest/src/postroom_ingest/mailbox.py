"""Reading one mail account: connect, catch up, wait for news, reconcile; connect anew whenever anything fails."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from postroom_contracts.configuration import ImapServer, MailAccount
from postroom_runtime.clock import Clock, monotonic
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.leases import Lease
from postroom_runtime.oauth import AccessTokens, AuthorisationError
from postroom_runtime.secrets import MissingSecretError
from postroom_runtime.steps import reach

from postroom_ingest.adapters.imap import ImapSession, MailLoginError, MailServerError, RawMail
from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.connection import Connection, MailboxDoor
from postroom_ingest.domain.cursor import Cursor, Resume, StartAnew, advance, decide_start
from postroom_ingest.domain.inbound import Intake, mail_intake, note_intake
from postroom_ingest.domain.mail import parse_mail
from postroom_ingest.intake import IntakeStore
from postroom_ingest.metrics import LAST_SUCCESS, LOGIN_FAILED, SESSION, UNACCOUNTED
from postroom_ingest.ports import Place

log = structlog.get_logger(__name__)

MAX_RAW_BYTES = 64 * 1024 * 1024
"""Above this only the head is fetched: one mail must not take all memory."""
HEAD_BYTES = 256 * 1024
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
    ) -> None:
        self._configurations = configurations
        self._ledger = ledger
        self._intake = intake
        self._clock = clock
        self._door = MailboxDoor(tokens, timeout_seconds)
        self._patience = patience or Patience()

    async def read(self, account: MailAccount, lease: Lease) -> None:
        """Read all folders of the account until cancelled; each has a connection of its own."""
        if account.imap is None:
            return
        async with asyncio.TaskGroup() as folders:
            for folder in account.imap.folders:
                folders.create_task(self._keep_reading(account, account.imap, folder, lease))

    async def _keep_reading(self, account: MailAccount, server: ImapServer, folder: str, lease: Lease) -> None:
        failures = 0
        while True:
            started = monotonic()
            try:
                await self._session(account, server, folder, lease)
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
                SESSION.labels(account.id).set(0)
            await asyncio.sleep(pause)

    async def _session(self, account: MailAccount, server: ImapServer, folder: str, lease: Lease) -> None:
        """Read one folder over one connection until its access token is about to end, or anything fails."""
        connection = await self._door.open(account)
        session = connection.session
        LOGIN_FAILED.labels(account.id).set(0)
        try:
            selected = await session.select(folder)
            start = decide_start(
                await self._ledger.load_cursor(account.id, folder), selected.uidvalidity, selected.uidnext
            )
            if isinstance(start, StartAnew):
                log.info("reading the folder from its start", account=account.id, folder=folder, reason=start.reason)
            else:
                assert isinstance(start, Resume)
            SESSION.labels(account.id).set(1)
            await self._follow(connection, account, server, folder, start.cursor, lease)
        finally:
            await session.close()

    async def _follow(
        self,
        connection: Connection,
        account: MailAccount,
        server: ImapServer,
        folder: str,
        cursor: Cursor,
        lease: Lease,
    ) -> None:
        never = asyncio.Event()
        reconciled = float("-inf")
        session = connection.session
        while True:
            cursor = await self._catch_up(session, account, folder, cursor, lease)
            LAST_SUCCESS.labels(account.id).set(self._clock.now().timestamp())
            if monotonic() - reconciled > RECONCILE_SECONDS:
                await self._reconcile(session, account, folder, cursor)
                reconciled = monotonic()
            left = self._seconds_left(connection)
            if left <= 0:
                return
            await session.idle(never, min(server.poll_seconds, left))

    def _seconds_left(self, connection: Connection) -> float:
        """Return for how long this connection's access token is good, infinite with a password."""
        if connection.renew_at is None:
            return float("inf")
        return (connection.renew_at - self._clock.now()).total_seconds()

    async def _catch_up(
        self, session: ImapSession, account: MailAccount, folder: str, cursor: Cursor, lease: Lease
    ) -> Cursor:
        """Take in every mail above the cursor, window by window; the cursor moves behind what is in the ledger."""
        uids = await session.search_uids(cursor.uid)
        if not uids:
            return cursor
        sizes = await session.sizes(uids)
        done = set(uids) - set(sizes)  # gone since the search
        huge = {uid for uid, size in sizes.items() if size > MAX_RAW_BYTES}
        for uid in sorted(huge):
            await self._take_head(session, account, folder, cursor, uid, sizes[uid])
            done.add(uid)
        wanted = {uid: size for uid, size in sizes.items() if uid not in huge}
        async for window in session.fetch_many(wanted):
            await self._take(account, folder, cursor, window)
            done |= {mail.uid for mail in window}
            highest = max((mail.uid for mail in window), default=0)
            done |= {uid for uid in wanted if uid <= highest}  # expunged between size and fetch
            cursor = await self._move(account, folder, advance(cursor, uids, done), lease)
            await self._intake.publish_soon(account.id)
        cursor = await self._move(account, folder, advance(cursor, uids, set(uids)), lease)
        await self._intake.publish_soon(account.id)
        return cursor

    async def _move(self, account: MailAccount, folder: str, cursor: Cursor, lease: Lease) -> Cursor:
        if not await self._ledger.save_cursor(account.id, folder, cursor, lease.fence):
            raise LeaseLostError(account.id)
        reach("ingest.cursor_saved")
        return cursor

    async def _take(self, account: MailAccount, folder: str, cursor: Cursor, window: Sequence[RawMail]) -> None:
        configuration = self._configurations.latest
        taken: list[tuple[Intake, Place | None]] = []
        for mail in window:
            parsed = parse_mail(mail.raw)
            intake = mail_intake(
                parsed,
                mail.raw,
                account=account,
                configuration=configuration,
                received_at=mail.internal_date,
                now=self._clock.now(),
            )
            taken.append((intake, Place(account.id, folder, cursor.uidvalidity, mail.uid)))
        if taken:
            await self._intake.store(account.id, taken)

    async def _take_head(
        self, session: ImapSession, account: MailAccount, folder: str, cursor: Cursor, uid: int, size: int
    ) -> None:
        head = await session.fetch_head(uid, HEAD_BYTES)
        if head is None:
            return
        note = (
            f"[This mail has {size / 1024 / 1024:.0f} MiB, more than the {MAX_RAW_BYTES // 1024 // 1024} MiB that are taken in."
            " Its first part is kept as the original mail; the whole still lies in the mailbox.]"
        )
        intake = note_intake(
            head.raw,
            note,
            parse_mail(head.raw),
            account=account,
            configuration=self._configurations.latest,
            received_at=head.internal_date,
            now=self._clock.now(),
        )
        await self._intake.store(account.id, [(intake, Place(account.id, folder, cursor.uidvalidity, uid))])

    async def _reconcile(self, session: ImapSession, account: MailAccount, folder: str, cursor: Cursor) -> None:
        """Compare the ledger with the server: a mail that lies there below the cursor and was never noted is taken in now."""
        on_server = {uid for uid in await session.search_uids(0) if uid <= cursor.uid}
        known = await self._ledger.known_uids(account.id, folder, cursor.uidvalidity)
        missing = sorted(on_server - known)
        UNACCOUNTED.labels(account.id).set(len(missing))
        if missing:
            log.warning("mails missing in the ledger", account=account.id, folder=folder, count=len(missing))
            async for window in session.fetch_many(await session.sizes(missing)):
                await self._take(account, folder, cursor, window)
            await self._intake.publish_soon(account.id)
            UNACCOUNTED.labels(account.id).set(0)
