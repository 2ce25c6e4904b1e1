"""The reader against a server that breaks off, lies, stalls and forgets: nothing lost, nothing doubled, no storm of log-ins."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from postroom_contracts.configuration import MailAccount
from postroom_ingest.adapters.imap import MailLoginError, MailServerError
from postroom_ingest.mailbox import Patience
from postroom_ingest.metrics import forget
from postroom_runtime.oauth import AuthorisationError
from prometheus_client import REGISTRY

from tests.integration.ingest.reading import ReadingPlace, mail, reading_place, until
from tests.standins.imap import DropError, Fault, HangError, ImapStandIn, Peer

pytestmark = pytest.mark.connected
USER = "support@acme.test"
BEFORE, AFTER = 60, 5
POINTS = ["GREETING", "LOGIN", "CAPABILITY", "SELECT", "UID SEARCH", "UID FETCH", "IDLE", "DONE", "UID STORE"]


@pytest.fixture
async def place(mongo_uri: str, database_prefix: str) -> AsyncIterator[ReadingPlace]:
    async with reading_place(mongo_uri, database_prefix) as opened:
        yield opened


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ImapStandIn]:
    monkeypatch.setenv("MAIL_PASSWORD", "secret")
    async with ImapStandIn(passwords={USER: "secret"}).running() as running:
        for n in range(BEFORE):
            running.folder(USER).add(mail(n))
        yield running


def account(place: ReadingPlace, server: ImapStandIn) -> MailAccount:
    imap = {"host": "127.0.0.1", "port": server.port, "tls": False, "user": USER, "after_import": "mark_seen"}
    (one,) = place.configure(
        {"id": "support", "channel": "email", "imap": imap | {"password": {"env": "MAIL_PASSWORD"}, "poll_seconds": 1}}
    )
    return one


class Counting:
    """A fault that strikes at one point, the first few times that it is reached."""

    def __init__(self, point: str, times: int = 3) -> None:
        self.point = point
        self.left = times

    def strikes(self, name: str) -> bool:
        if name != self.point or not self.left:
            return False
        self.left -= 1
        return True


async def survives(
    place: ReadingPlace,
    server: ImapStandIn,
    fault: Fault | None,
    timeout_seconds: float = 5,
    counting: Counting | None = None,
) -> None:
    """Read 60 mails and 5 that come later through the fault; then without it all are there, each once, and marked."""
    server.fault = fault
    async with place.reading(account(place, server), timeout_seconds=timeout_seconds):
        for n in range(BEFORE, BEFORE + AFTER):
            await asyncio.sleep(0.05)  # they come while the fault strikes, whatever it strikes
            await server.deliver(USER, mail(n))
        wanted = sorted(f"Question {n}" for n in range(BEFORE + AFTER))
        await until(lambda: place.publisher.subjects() == wanted, 60, f"{len(place.publisher.records)} came")
        await until(lambda: all(m.flags for m in server.folder(USER).mails), 60, "not all are marked")
        await until(lambda: counting is None or not counting.left, 60, "the fault was not met")
    assert place.publisher.subjects() == wanted
    assert await place.database["ledger"].count_documents({}) == BEFORE + AFTER


@pytest.mark.parametrize("point", POINTS)
async def test_server_that_breaks_off_at_any_point(place: ReadingPlace, server: ImapStandIn, point: str) -> None:
    """Three times: without a word, after a BYE, and in the middle of its answer, a literal or a line."""
    counting = Counting(point)

    async def fault(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        if counting.strikes(name):
            answer = b"".join(pieces)
            told = {2: b"", 1: b"* BYE Too many things to do\r\n", 0: answer[: len(answer) * 2 // 3]}
            peer.writer.write(told[counting.left])
            raise DropError

    await survives(place, server, fault, counting=counting)


@pytest.mark.parametrize("point", ["GREETING", "LOGIN", "SELECT", "UID SEARCH", "UID FETCH", "UID STORE"])
async def test_server_that_stalls_at_any_point(place: ReadingPlace, server: ImapStandIn, point: str) -> None:
    counting = Counting(point, times=1)

    async def fault(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        if counting.strikes(name):
            answer = b"".join(pieces)
            peer.writer.write(answer[: len(answer) // 2])
            raise HangError

    await survives(place, server, fault, timeout_seconds=1, counting=counting)


async def garbage(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
    """Untagged lines that nobody asked for, in every answer: alerts, flags of others, lists, nonsense."""
    if name in ("GREETING", "IDLE"):
        return
    noise = b'* OK [ALERT] you (have "mail\r\n* 1 FETCH (FLAGS (\\Recent))\r\n* LIST () "/" {3}\r\na)b\r\n'
    pieces.insert(0, noise + b"* 9999 RECENT\r\n* \r\n*\r\n")


async def flood(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
    """1,500 lines of flags in front of every FETCH answer, all at once."""
    if name == "UID FETCH":
        pieces.insert(0, b"".join(b"* %d FETCH (FLAGS (\\Seen) UID %d)\r\n" % (n, 100_000 + n) for n in range(1500)))


async def foreign(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
    """Mails that were not asked for, and UIDs that are not there."""
    if name == "UID SEARCH":
        pieces.insert(0, b"* SEARCH 777777 888888\r\n")
    elif name == "UID FETCH" and b"BODY[]" in b"".join(pieces):
        pieces.insert(0, b"* 1 FETCH (UID 777 RFC822.SIZE 3 BODY[] {3}\r\nfoo)\r\n")


async def one_byte_at_a_time(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
    for byte in b"".join(pieces[:-1])[:400]:
        peer.writer.write(bytes([byte]))
        await asyncio.sleep(0)
    rest = b"".join(pieces[:-1])[400:]
    pieces[:] = [rest, pieces[-1]]


def lying(size: int) -> Fault:
    async def fault(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        """Sizes that are not true; the literals say what is."""
        if name == "UID FETCH":
            for n, piece in enumerate(pieces):
                head, found, rest = piece.partition(b"RFC822.SIZE ")
                if found:
                    digits = len(rest) - len(rest.lstrip(b"0123456789"))
                    pieces[n] = head + found + str(size).encode() + rest[digits:]

    return fault


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(garbage, id="untagged-garbage"),
        pytest.param(flood, id="1500-lines"),
        pytest.param(foreign, id="foreign-uids"),
        pytest.param(one_byte_at_a_time, id="byte-by-byte"),
        pytest.param(lying(0), id="size-0"),
        pytest.param(lying(3_000_000), id="size-3-million"),
        pytest.param(lying(5_000_000_000), id="size-5-billion"),
    ],
)
async def test_server_that_lies_or_babbles_all_the_time(place: ReadingPlace, server: ImapStandIn, fault: Fault) -> None:
    await survives(place, server, fault)


@pytest.mark.parametrize("what", ["sizes", "bodies", "search"])
async def test_server_that_answers_short(place: ReadingPlace, server: ImapStandIn, what: str) -> None:
    left = 4

    async def fault(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        nonlocal left
        body = b"BODY[]" in b"".join(pieces)
        short = {"sizes": name == "UID FETCH" and not body, "bodies": body, "search": name == "UID SEARCH"}[what]
        if short and left and len(pieces) > 1:
            left -= 1
            if what == "search":
                uids = pieces[0].split()
                pieces[0] = b" ".join(uids[: 2 + len(uids) // 3]) + b"\r\n"
            else:
                del pieces[len(pieces) // 3 : -1]

    await survives(place, server, fault)
    assert left < 4, "it answered short"


async def test_server_that_refuses_a_window_for_the_sake_of_one_mail(place: ReadingPlace, server: ImapStandIn) -> None:
    async def fault(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        if name == "UID FETCH" and b"BODY[]" in b"".join(pieces) and any(b"(UID 7 " in p for p in pieces):
            pieces[:] = [f"{tag} NO [SERVERBUG] mail 7 is broken here\r\n".encode()]

    server.fault = fault
    async with place.reading(account(place, server)):
        await until(lambda: len(place.publisher.records) == BEFORE - 1)
        await server.deliver(USER, mail(BEFORE))
        await until(lambda: f"Question {BEFORE}" in place.publisher.subjects())
        await place.all_marked()
    server.fault = None
    async with place.reading(account(place, server)):  # the next session asks for it again
        await until(lambda: "Question 6" in place.publisher.subjects())
    assert len(set(place.publisher.subjects())) == len(place.publisher.subjects()) == BEFORE + 1


@pytest.mark.parametrize("told", [True, False], ids=["told", "silently"])
async def test_folder_that_is_numbered_anew_in_mid_session(
    place: ReadingPlace, server: ImapStandIn, told: bool
) -> None:
    renumbered = False

    async def fault(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        nonlocal renumbered
        if name == "UID FETCH" and b"BODY[]" in b"".join(pieces) and not renumbered:
            renumbered = True
            folder = server.folder(USER)
            folder.uidvalidity += 1
            for uid, one in enumerate(reversed(folder.mails), 1):
                one.uid = uid
            folder.mails.reverse()
            if told:
                pieces.insert(0, f"* OK [UIDVALIDITY {folder.uidvalidity}] numbered anew\r\n".encode())
            else:
                peer.writer.write(b"".join(pieces))
                raise DropError

    await survives(place, server, fault)
    assert renumbered


async def test_server_that_is_away_is_asked_ever_more_rarely(place: ReadingPlace, server: ImapStandIn) -> None:
    greeted: list[float] = []

    async def fault(peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        if name == "GREETING":
            greeted.append(time.monotonic())
            raise DropError

    server.fault = fault
    async with place.reading(account(place, server), patience=Patience(first_seconds=0.005)):
        await until(lambda: len(greeted) >= 8)
        server.fault = None
        await until(lambda: len(place.publisher.records) == BEFORE)
    gaps = [b - a for a, b in pairwise(greeted)]
    least = [0.005 * 2**n for n in range(len(gaps))]  # 5 ms, doubled by each failure; a pause may be half of that
    assert all(gap >= floor for gap, floor in zip(gaps, least, strict=True)), gaps


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        pytest.param(MailServerError("x"), 0.5, 1, id="first-failure"),
        pytest.param(MailLoginError("x"), 10, 20, id="refused"),
        pytest.param(AuthorisationError("x"), 2.5, 5, id="grant"),
    ],
)
def test_pauses_after_the_first_failure(error: Exception, least: float, most: float) -> None:
    pauses = [Patience().pause(1, error) for _ in range(50)]
    assert least <= min(pauses) < max(pauses) <= most


def test_pauses_grow_to_a_minute() -> None:
    pauses: list[Any] = [Patience().pause(n, MailServerError("x")) for n in (1, 3, 5, 20, 10_000)]
    assert 0.5 <= pauses[0] <= 1
    assert 2 <= pauses[1] <= 4
    assert 8 <= pauses[2] <= 16
    assert 30 <= pauses[3] <= 60
    assert 30 <= pauses[4] <= 60


def shown(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"postroom_ingest_{name}", {"account": "support"})


async def test_an_account_is_shown_by_the_folder_that_is_worst_off_from_the_moment_it_is_taken(
    place: ReadingPlace, server: ImapStandIn
) -> None:
    one = account(place, server)
    assert one.imap is not None
    both = one.model_copy(update={"imap": one.imap.model_copy(update={"folders": ["INBOX", "Orders"]})})
    forget("support")
    began = place.clock.now().timestamp()
    async with place.reading(both):
        await until(lambda: len(place.publisher.subjects()) == BEFORE, what="INBOX is read")
        assert shown("session_up") == 0
        taken_at = shown("last_success_timestamp_seconds") or 0
        assert began <= taken_at <= place.clock.now().timestamp()
        await server.deliver(USER, mail(BEFORE))
        await until(lambda: len(place.publisher.subjects()) == BEFORE + 1, what="INBOX is read on")
        assert (shown("session_up"), shown("last_success_timestamp_seconds")) == (0, taken_at)
        server.folder(USER, "Orders").add(mail(BEFORE + 1))
        await until(lambda: shown("session_up") == 1, what="both folders are followed")
        await until(lambda: (shown("last_success_timestamp_seconds") or 0) > taken_at, what="both were read")


async def test_an_account_whose_server_hangs_from_the_first_moment_on_is_shown_as_not_read(
    place: ReadingPlace, server: ImapStandIn
) -> None:
    async def hang(_peer: Peer, _tag: str, _name: str, _pieces: list[bytes]) -> None:
        raise HangError

    server.fault = hang
    forget("support")
    began = place.clock.now().timestamp()
    async with place.reading(account(place, server), timeout_seconds=0.3):
        await until(lambda: shown("session_up") == 0, what="it is shown")
        assert began <= (shown("last_success_timestamp_seconds") or 0) <= place.clock.now().timestamp()
