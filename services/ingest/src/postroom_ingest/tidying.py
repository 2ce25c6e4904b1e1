"""What becomes of a mail on its server after it was taken in: marked read, moved or deleted, if the account says so.

Done only for mails that are safely stored, noted when done, and repeated after a crash. A mail of which only the head
was taken, and history, are left alone.
"""

import structlog
from postroom_contracts.configuration import MailAccount, MoveTo
from postroom_runtime.read_only import would

from postroom_ingest.adapters.imap import ImapSession, MailRefusedError
from postroom_ingest.adapters.ledger import MongoLedger
from postroom_ingest.ports import Spot

log = structlog.get_logger(__name__)
WINDOW_UIDS = 200


class Tidier:
    """Carries out `after_import`."""

    def __init__(self, ledger: MongoLedger, *, read_only: bool = False) -> None:
        self._ledger = ledger
        self._read_only = read_only

    async def tidy(self, session: ImapSession, account: MailAccount, spot: Spot) -> None:
        """Treat what waits for it in this folder. A server that refuses keeps its mails; it is asked again later."""
        action = account.imap.after_import if account.imap else "leave"
        if action == "leave":
            return
        while uids := await self._ledger.untidied(spot, WINDOW_UIDS):
            if self._read_only:
                would(f"{_said(action)} {len(uids)} mails of {account.id} {spot.folder}")
                await self._ledger.note_tidied(spot, uids, "left, read-only")
                continue
            try:
                await _carry_out(session, action, uids)
            except MailRefusedError as error:
                log.error("after_import refused", account=account.id, folder=spot.folder, error=str(error))  # noqa: TRY400
                return
            await self._ledger.note_tidied(spot, uids, _name(action))


def _said(action: str | MoveTo) -> str:
    if isinstance(action, MoveTo):
        return f"move to {action.move}"
    return {"mark_seen": "mark as read", "delete": "delete"}[action]


def _name(action: str | MoveTo) -> str:
    return "moved" if isinstance(action, MoveTo) else {"mark_seen": "seen", "delete": "deleted"}[action]


async def _carry_out(session: ImapSession, action: str | MoveTo, uids: list[int]) -> None:
    """Do it; a UID that is gone is no error, so a repeat changes nothing."""
    if isinstance(action, MoveTo):
        await session.move(uids, action.move)
    elif action == "delete":
        await session.delete(uids)
    else:
        await session.mark_seen(uids)
