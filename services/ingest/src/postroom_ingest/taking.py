"""Taking mails from a folder into the ledger: window by window, whatever a mail is like and whatever the server answers."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import structlog
from postroom_contracts.configuration import MailAccount
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations

from postroom_ingest.adapters.imap import ImapSession, MailRefusedError, RawMail, windows
from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.domain.inbound import Intake, mail_intake, note_intake, unreadable_intake
from postroom_ingest.domain.mail import parse_mail
from postroom_ingest.intake import IntakeStore, history_outbox
from postroom_ingest.keeping import Mail, store_mails
from postroom_ingest.ports import Place, Spot

log = structlog.get_logger(__name__)

MAX_RAW_BYTES = 64 * 1024 * 1024
"""Above this only the head is fetched: one mail must not take all memory."""
HEAD_BYTES = 256 * 1024
_MIB = 1024 * 1024


class MailTaker:
    """Takes mails of one account at a time. `imported` ones are history: they open no clocks and tell nobody."""

    def __init__(
        self,
        configurations: Configurations,
        ledger: MongoLedger,
        intake: IntakeStore,
        clock: Clock,
        probe_keys: Sequence[bytes] = (),
    ) -> None:
        self._probe_keys = tuple(probe_keys)
        self._configurations = configurations
        self._ledger = ledger
        self._intake = intake
        self._clock = clock

    async def take(
        self, session: ImapSession, account: MailAccount, spot: Spot, uids: Sequence[int], *, imported: bool = False
    ) -> AsyncIterator[set[int]]:
        """Store the mails and yield after each window the UIDs that need nothing more: stored, or gone from the server.

        The union of what is yielded may lack a UID that the server names but does not give; that one is asked for alone
        before, and is found again by the reconciliation.
        """
        if not uids:
            return
        sizes = await session.sizes(uids)
        huge = {uid: size for uid, size in sizes.items() if size > MAX_RAW_BYTES}
        given: set[int] = set()
        for uid in sorted(huge):
            await self._take_head(session, account, spot, uid, huge[uid], imported=imported)
            given.add(uid)
        wanted = {uid: size for uid, size in sizes.items() if uid not in huge}
        for window in windows(wanted):
            mails = await self._fetched(session, {uid: wanted[uid] for uid in window})
            await self._store(account, spot, mails, imported=imported)
            given |= {mail.uid for mail in mails}
            yield set(given)
        yield given | await self._rest(session, account, spot, set(uids) - given, imported=imported)

    async def _rest(
        self, session: ImapSession, account: MailAccount, spot: Spot, missing: set[int], *, imported: bool
    ) -> set[int]:
        """Ask once more, one by one, for what the server left out of its answers; what is gone needs nothing more."""
        if not missing:
            return set()
        there = await session.all_uids(sorted(missing))
        mails = await self._one_by_one(session, sorted(there))
        await self._store(account, spot, mails, imported=imported)
        return (missing - there) | {mail.uid for mail in mails}

    async def _fetched(self, session: ImapSession, sizes: dict[int, int]) -> list[RawMail]:
        """Return a window's mails; where the server refuses it for the sake of one, the others."""
        try:
            return [mail async for window in session.fetch_many(sizes) for mail in window]
        except MailRefusedError:
            return await self._one_by_one(session, list(sizes))

    @staticmethod
    async def _one_by_one(session: ImapSession, uids: Sequence[int]) -> list[RawMail]:
        mails: list[RawMail] = []
        for uid in uids:
            try:
                mail = await session.fetch(uid)
            except MailRefusedError:
                mail = None
            if mail is None:
                log.warning("the server names a mail and does not give it", uid=uid)
            else:
                mails.append(mail)
        return mails

    async def _store(self, account: MailAccount, spot: Spot, mails: Collection[RawMail], *, imported: bool) -> None:
        taken = [self._read(account, mail, spot.place(mail.uid), imported=imported) for mail in mails]
        if taken:
            leave = imported or account.imap is None or account.imap.after_import == "leave"
            outbox = history_outbox(account.id) if imported else None
            await store_mails(self._intake, account.id, taken, tidy=not leave, outbox=outbox)

    def _read(self, account: MailAccount, mail: RawMail, place: Place, *, imported: bool) -> Mail:
        def noted(error: Exception) -> Intake:
            return unreadable_intake(mail.raw, error, **self._given(account, mail, imported=imported))

        return Mail(self._intake_of(account, mail, imported=imported), place, noted)

    def _intake_of(self, account: MailAccount, mail: RawMail, *, imported: bool) -> Intake:
        """Return what a mail becomes. One that our code cannot read is kept whole under a note: it must not stop the rest."""
        given = self._given(account, mail, imported=imported)
        try:
            return mail_intake(parse_mail(mail.raw), mail.raw, **given, probe_keys=self._probe_keys)
        except Exception as error:  # whatever a stranger's mail makes of us
            log.exception("mail cannot be read", account=account.id, uid=mail.uid)
            return unreadable_intake(mail.raw, error, **given)

    def _head_of(self, account: MailAccount, head: RawMail, note: str, *, imported: bool) -> Intake:
        given = self._given(account, head, imported=imported)
        try:
            return note_intake(head.raw, note, parse_mail(head.raw), **given)
        except Exception as error:
            log.exception("the head of a mail cannot be read", account=account.id, uid=head.uid)
            return unreadable_intake(head.raw, error, **given)

    def _given(self, account: MailAccount, mail: RawMail, *, imported: bool) -> dict[str, Any]:
        return {
            "account": account,
            "configuration": self._configurations.latest,
            "received_at": mail.internal_date,
            "now": self._clock.now(),
            "imported": imported,
        }

    async def _take_head(
        self, session: ImapSession, account: MailAccount, spot: Spot, uid: int, size: int, *, imported: bool
    ) -> None:
        head = await session.fetch_head(uid, HEAD_BYTES)
        if head is None:
            return
        if len(head.raw) < HEAD_BYTES:  # the server lied about the size: this is the whole mail
            await self._store(account, spot, [head], imported=imported)
            return
        note = (
            f"[This mail has {size / _MIB:.0f} MiB, more than the {MAX_RAW_BYTES // _MIB} MiB that are taken in."
            " Its first part is kept as the original mail; the whole still lies in the mailbox.]"
        )
        intake = self._head_of(account, head, note, imported=imported)
        # Never tidied away: the whole lies there alone.
        outbox = history_outbox(account.id) if imported else None
        await self._intake.store(account.id, [(intake, spot.place(uid))], outbox=outbox)
