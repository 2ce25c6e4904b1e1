"""What ingest needs of the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from postroom_runtime.kafka import Outgoing

from postroom_ingest.domain.cursor import Cursor

Outcome = Literal["stored", "duplicate", "ignored", "quarantined"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mail lies on its server."""

    account_id: str
    folder: str
    uidvalidity: int
    uid: int

    @property
    def id(self) -> str:
        return f"{self.account_id}/{self.folder}/{self.uidvalidity}/{self.uid}"


@dataclass(frozen=True, slots=True)
class Spot:
    """A folder under one UIDVALIDITY: where UIDs mean something."""

    account_id: str
    folder: str
    uidvalidity: int

    @property
    def key(self) -> str:
        return f"{self.account_id}/{self.folder}/{self.uidvalidity}"

    def place(self, uid: int) -> Place:
        return Place(self.account_id, self.folder, self.uidvalidity, uid)


@dataclass(frozen=True, slots=True)
class Entry:
    """One ledger entry to be: `out` is published until it is marked."""

    ledger_id: str
    account_id: str
    key: str
    out: Sequence[Outgoing]
    received_at: datetime
    ignored: str | None = None
    quarantined: str | None = None
    place: str | None = None
    """Id of the place that it was first seen at; a webhook's has none."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What the ledger says of one mail on its server."""

    outcome: Outcome
    ledger_id: str
    in_ledger: bool
    published: bool = True
    reason: str = ""
    """Why it was ignored or quarantined."""


class Ledger(Protocol):
    """Every message ever taken in, and what of it is still to be published."""

    async def add(self, entries: Sequence[Entry]) -> dict[str, bool]:
        """Store the entries that are new; return ledger id -> whether it was new. Safe when it returns."""
        ...

    async def mark_published(self, ledger_ids: Sequence[str]) -> None: ...

    async def unpublished(
        self, account_id: str, limit: int, most_bytes: int, besides: Sequence[str] = ()
    ) -> list[tuple[str, list[Outgoing]]]:
        """Return what is to be published of an account, in the order in which it was stored: at most so many entries, and no
        more once they have so many bytes. Those of `besides` are left out.
        """
        ...

    async def note_places(self, outcomes: Mapping[Place, tuple[Outcome, str]], *, tidy: bool = False) -> None:
        """Note what became of mails on their server: outcome and ledger id; with `tidy`, that `after_import` is due."""
        ...

    async def moved_away(self, spot: Spot) -> set[int]:
        """Return the UIDs of mails that `after_import` took out of the folder."""
        ...

    async def untidied(self, spot: Spot, limit: int) -> list[int]:
        """Return UIDs, ascending, that `after_import` is still to be done for."""
        ...

    async def note_tidied(self, spot: Spot, uids: Sequence[int], what: str) -> None: ...

    async def known_uids(self, account_id: str, folder: str, uidvalidity: int) -> set[int]: ...

    async def notes(self, spot: Spot) -> dict[int, Noted]:
        """Return what is noted of every mail of a folder, by UID."""
        ...

    async def load_cursor(self, account_id: str, folder: str) -> Cursor | None: ...

    async def save_cursor(self, account_id: str, folder: str, cursor: Cursor, fence: int) -> bool:
        """Store the cursor unless a holder with a higher fence wrote it; return whether it was stored."""
        ...
