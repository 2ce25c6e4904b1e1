"""How far a folder has been read, and what to ask for next. Pure; the ledger is what makes a second reading harmless.

Source: RFC 3501 section 2.3.1.1: UIDs rise within one UIDVALIDITY and mean nothing across two.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

_ZONES = timedelta(hours=12)
"""IMAP compares days in the server's own time zone (RFC 3501 section 6.4.4): so much may lie between that and UTC."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The folder's UIDVALIDITY and the highest UID up to which every mail is in the ledger (0: none), but for history."""

    uidvalidity: int
    uid: int = 0
    floor: int = 0
    """The highest UID when the folder was first read. Up to it, mails from before `since` are history, left alone."""
    since: datetime | None = None
    """None: there is no history, the folder is read whole."""
    begins_now: bool = False
    """All that stood there when it was first read is history, whatever its day."""

    @property
    def since_day(self) -> date | None:
        """The day to search from, so early that no mail from after `since` is missed in any time zone."""
        return None if self.since is None else (self.since - _ZONES).date()


def begin(uidvalidity: int, highest_uid: int, since: datetime | None, *, begins_now: bool = False) -> Cursor:
    """Return the cursor of a folder once its mails from `since` on were taken in; what comes later stands above it."""
    if since is None:
        return Cursor(uidvalidity)
    return Cursor(uidvalidity, highest_uid, highest_uid, since, begins_now)


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on above `cursor.uid`."""

    cursor: Cursor


@dataclass(frozen=True, slots=True)
class StartAnew:
    """Read the folder from its first mail that is not history; the ledger drops what it knows. `reason` is logged."""

    cursor: Cursor
    reason: str


Decision = Resume | StartAnew


def decide_start(stored: Cursor | None, uidvalidity: int, uidnext: int | None) -> Decision:
    """Return where to read on in a folder that was just selected.

    Anew when nothing is stored, when the UIDVALIDITY changed, or when the server's next UID is not above the cursor
    (a folder restored from a backup under its old UIDVALIDITY: servers must not, and do).
    """
    if stored is None:
        return StartAnew(Cursor(uidvalidity), "first")
    if stored.uidvalidity != uidvalidity:
        return StartAnew(Cursor(uidvalidity, since=stored.since), "uidvalidity-changed")
    if uidnext is not None and uidnext <= stored.uid:
        return StartAnew(Cursor(uidvalidity, since=stored.since), "uids-went-back")
    return Resume(stored)


def advance(cursor: Cursor, wanted: Iterable[int], done: Iterable[int]) -> Cursor:
    """Return the cursor behind the last UID below which nothing is missing: of `wanted`, those before the first not done.

    A mail that is gone from the server counts as done. It never goes back, so a repeated call changes nothing.
    """
    finished = set(done)
    uid = cursor.uid
    for candidate in sorted(wanted):
        if candidate not in finished:
            break
        uid = max(uid, candidate)
    return replace(cursor, uid=uid)
