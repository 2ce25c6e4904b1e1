"""Storing mails whatever our own code makes of one: it is kept whole under a note, and stops no other."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from postroom_runtime.errors import is_infrastructure

from postroom_ingest.domain.inbound import Intake
from postroom_ingest.intake import IntakeStore
from postroom_ingest.ports import Place

log = structlog.get_logger(__name__)
ATTEMPTS = 3
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was read, its place on its server, and what it becomes under a note where it cannot be kept as it was read."""

    intake: Intake
    place: Place | None
    noted: Callable[[Exception], Intake]


async def store_mails(
    store: IntakeStore, account_id: str, mails: Sequence[Mail], *, tidy: bool = False, outbox: str | None = None
) -> None:
    """Store these mails of one account; when it returns they are safe.

    What fails by our own fault (a document that the database does not take) is tried alone, `ATTEMPTS` times, and then stored
    under its note: quarantined, counted and alerted. Raises InfrastructureError, and what a note failed by.
    """
    try:
        await store.store(account_id, [(m.intake, m.place) for m in mails], tidy=tidy, outbox=outbox)
    except Exception as error:
        if is_infrastructure(error):
            raise
        for mail in mails:
            await _store_one(store, account_id, mail, tidy=tidy, outbox=outbox)


async def _store_one(store: IntakeStore, account_id: str, mail: Mail, *, tidy: bool, outbox: str | None) -> None:
    failed: Exception | None = None
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(_PAUSE_SECONDS * attempt)
        try:
            await store.store(account_id, [(mail.intake, mail.place)], tidy=tidy, outbox=outbox)
        except Exception as error:
            if is_infrastructure(error):
                raise
            failed = error
        else:
            return
    assert failed is not None
    log.error("a mail cannot be stored as it was read", account=account_id, exc_info=failed)
    await store.store(account_id, [(mail.noted(failed), mail.place)], outbox=outbox)
