"""Where a folder is read on, in all the ways that a server can surprise us."""

import pytest
from postroom_ingest.domain.cursor import Cursor, Decision, Resume, StartAnew, advance, decide_start

KNOWN = Cursor(uidvalidity=7, uid=40)


@pytest.mark.parametrize(
    ("stored", "uidvalidity", "uidnext", "expected"),
    [
        pytest.param(None, 7, 41, StartAnew(Cursor(7), "first"), id="never read"),
        pytest.param(KNOWN, 7, 41, Resume(KNOWN), id="nothing new"),
        pytest.param(KNOWN, 7, 99, Resume(KNOWN), id="new mails"),
        pytest.param(KNOWN, 7, None, Resume(KNOWN), id="server tells no UIDNEXT"),
        pytest.param(KNOWN, 8, 99, StartAnew(Cursor(8), "uidvalidity-changed"), id="folder made anew"),
        pytest.param(KNOWN, 7, 40, StartAnew(Cursor(7), "uids-went-back"), id="restored from a backup"),
        pytest.param(Cursor(7), 7, 1, Resume(Cursor(7)), id="empty folder"),
    ],
)
def test_start(stored: Cursor | None, uidvalidity: int, uidnext: int | None, expected: Decision) -> None:
    assert decide_start(stored, uidvalidity, uidnext) == expected


@pytest.mark.parametrize(
    ("wanted", "done", "uid"),
    [
        pytest.param([41, 43, 44], [41, 43, 44], 44, id="all done"),
        pytest.param([41, 43, 44], [41, 44], 41, id="one in the middle is missing"),
        pytest.param([41], [], 40, id="none done"),
        pytest.param([], [], 40, id="nothing wanted"),
        pytest.param([12, 41], [41, 12], 41, id="old ones do not take it back"),
    ],
)
def test_cursor_never_passes_a_mail_that_is_not_done(wanted: list[int], done: list[int], uid: int) -> None:
    assert advance(KNOWN, wanted, done) == Cursor(7, uid)
    assert advance(advance(KNOWN, wanted, done), wanted, done) == Cursor(7, uid)
