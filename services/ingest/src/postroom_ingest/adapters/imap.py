"""One IMAP connection that never hangs: every wait has a deadline, and a lost connection ends every wait at once.

Over aioimaplib (see `imap_protocol.py` for what is replaced in it). Any timeout makes the connection useless, since
a late answer would be taken for that of the next command: it is closed, and the caller connects anew.
Measured against Dovecot on loopback: see `benchmarks/`.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import aioimaplib.aioimaplib as base

from postroom_ingest.adapters.imap_answers import (
    Folder,
    RawMail,
    quoted_folder,
    read_folder,
    read_mails,
    read_sizes,
    read_uids,
)
from postroom_ingest.adapters.imap_protocol import GuardedClient

__all__ = ["Folder", "ImapAccount", "ImapSession", "MailLoginError", "MailRefusedError", "MailServerError", "RawMail"]

WINDOW_UIDS = 50
"""Mails per FETCH; aioimaplib's reader is quadratic in the lines of one answer, at 50 that costs nothing."""
WINDOW_BYTES = 4 * 1024 * 1024
SIZES_WINDOW_UIDS = 200
IDLE_SECONDS = 540.0
"""RFC 2177 says 29 minutes at most; NAT boxes and Exchange forget earlier."""
POLL_SECONDS = 15.0
_CLOSE_SECONDS = 5.0
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BYTES_PER_SECOND = 64 * 1024
"""The slowest line that a big mail is waited for."""
_FETCHED = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"


class MailServerError(Exception):
    """The server was not reached, was lost, stalled or answered nonsense: connect anew later."""


class MailRefusedError(MailServerError):
    """The server answered one command with NO or BAD; the connection still stands."""


class MailLoginError(Exception):
    """The server refused the credentials: only a person can mend it."""


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """Where and how to log in: with `password`, or with `token`, which is called for a fresh OAuth2 access token."""

    host: str
    port: int
    user: str
    password: str | None = None
    token: Callable[[], Awaitable[str]] | None = None
    tls: ssl.SSLContext | None = None
    """None means plain text: for loopback and tests."""
    timeout_seconds: float = 30.0


class ImapSession:
    """A logged-in connection. All methods raise MailServerError when the server fails; then only `close` is of use."""

    def __init__(self, account: ImapAccount) -> None:
        self._account = account
        self._lost = asyncio.Event()
        self._client: GuardedClient | None = None

    @classmethod
    async def connect(cls, account: ImapAccount) -> "ImapSession":
        """Return a session that is logged in. Raises MailLoginError when the credentials are refused."""
        session = cls(account)
        try:
            await session._open()
            await session._login()
        except BaseException:
            await session.close()
            raise
        return session

    @property
    def alive(self) -> bool:
        """Whether the connection still stands as far as we know."""
        return self._client is not None and not self._lost.is_set()

    @property
    def can_idle(self) -> bool:
        """Whether the server pushes news (RFC 2177); if not, `idle` asks every 15 seconds."""
        return self._client is not None and self._client.has_capability("IDLE")

    async def _open(self) -> None:
        account = self._account
        self._client = GuardedClient(
            account.host,
            account.port,
            timeout=account.timeout_seconds,
            conn_lost_cb=lambda _: self._lost.set(),
            ssl_context=account.tls,
        )
        await self._answer(self._client.wait_hello_from_server(), "greeting")

    async def _login(self) -> None:
        account, client = self._account, self._required()
        if client.get_state() == base.AUTH:  # PREAUTH
            return
        if account.token is not None:
            token = await self._answer(account.token(), "access token")
            answer = await self._answer(client.xoauth2(account.user, token), "login")
        else:
            answer = await self._answer(client.login(base.quoted(account.user), account.password or ""), "login")
        if answer.result != "OK":
            _raise_refused(answer.lines)
        await self._answer(client.protocol.capability(), "capability")

    async def select(self, folder: str, *, read_only: bool = False) -> Folder:
        """Select a folder and return its UIDVALIDITY, UIDNEXT and number of mails. `read_only`: nothing can be changed."""
        client = self._required()
        opened = (client.examine if read_only else client.select)(quoted_folder(folder))
        answer = await self._ok(opened, "select")
        client.protocol.state = base.SELECTED  # aioimaplib forgets it after EXAMINE
        client.protocol.exists_pushed = client.protocol.numbered_anew = False
        selected = read_folder(answer.lines)
        if selected is None:
            raise MailServerError("the server tells no UIDVALIDITY")
        return selected

    async def search_uids(self, after: int) -> list[int]:
        """Return the UIDs above `after`, ascending. `UID n:*` also names the last mail below n: it is left out."""
        self._required().protocol.exists_pushed = False
        answer = await self._ok(self._required().uid_search("UID", f"{after + 1}:*", charset=None), "search")
        return [uid for uid in read_uids(answer.lines) if uid > after]

    async def all_uids(self, limit_to: Sequence[int] = ()) -> set[int]:
        """Return the UIDs in the folder, or those of `limit_to` that are there. News stay news for `idle`."""
        found: set[int] = set()
        for start in range(0, max(len(limit_to), 1), SIZES_WINDOW_UIDS):
            wanted = _set_of(limit_to[start : start + SIZES_WINDOW_UIDS]) if limit_to else "1:*"
            answer = await self._ok(self._required().uid_search("UID", wanted, charset=None), "search")
            found.update(read_uids(answer.lines))
        return found & set(limit_to) if limit_to else found

    async def search_since(self, day: date) -> list[int]:
        """Return the UIDs of mails that came on `day` or later by the server's clock and zone, ascending."""
        answer = await self._ok(self._required().uid_search("SINCE", imap_day(day), charset=None), "search")
        return read_uids(answer.lines)

    async def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Return the bytes of each mail that still exists, asked for 200 at a time."""
        found: dict[int, int] = {}
        for start in range(0, len(uids), SIZES_WINDOW_UIDS):
            window = uids[start : start + SIZES_WINDOW_UIDS]
            answer = await self._ok(self._required().uid("FETCH", _set_of(window), "(UID RFC822.SIZE)"), "sizes")
            found.update(read_sizes(answer.lines))
        wanted = set(uids)
        return {uid: size for uid, size in found.items() if uid in wanted}

    async def fetch(self, uid: int) -> RawMail | None:
        """Return one mail, None when it is gone. It stays unread on the server."""
        mails = await self._fetch_window([uid], None)
        return mails[0] if mails else None

    async def fetch_head(self, uid: int, first_bytes: int) -> RawMail | None:
        """Return a mail with only its first bytes, for mails that are too large to take in whole."""
        answer = await self._ok(
            self._required().uid(
                "FETCH", str(uid), f"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[]<0.{first_bytes}>)"
            ),
            "fetch",
            self._patience(first_bytes),
        )
        return next((mail for mail in read_mails(answer.lines) if mail.uid == uid), None)

    async def fetch_many(self, sizes: dict[int, int]) -> AsyncIterator[list[RawMail]]:
        """Yield the mails of {uid: bytes} in ascending windows of at most 50 and 4 MiB; those that are gone are missing."""
        for window in windows(sizes):
            yield await self._fetch_window(window, sum(sizes[uid] for uid in window))

    async def _fetch_window(self, uids: Sequence[int], size: int | None) -> list[RawMail]:
        patience = self._patience(size if size is not None else 64 * 1024 * 1024)
        answer = await self._ok(self._required().protocol.uid("FETCH", _set_of(uids), _FETCHED), "fetch", patience)
        wanted = set(uids)
        return sorted((mail for mail in read_mails(answer.lines) if mail.uid in wanted), key=lambda mail: mail.uid)

    def _patience(self, size: int) -> float:
        return self._account.timeout_seconds + size / _BYTES_PER_SECOND

    async def idle(self, stop: asyncio.Event, timeout: float = IDLE_SECONDS) -> bool:
        """Wait for news; True means search again, False that `stop` was set or the time (seconds, at most 540) is over.

        A server without IDLE is asked every 15 seconds. News that came in between are not lost: they end it at once.
        """
        timeout = min(timeout, IDLE_SECONDS)
        if self._required().protocol.exists_pushed:
            return True
        if not self.can_idle:
            return await self._poll(stop, timeout)
        client = self._required()
        while not client.protocol.idle_queue.empty():
            client.protocol.idle_queue.get_nowait()
        running = await self._answer(client.idle_start(timeout + self._account.timeout_seconds), "idle")
        try:
            async with asyncio.timeout(timeout):
                return await self._news(client, stop)
        except TimeoutError:
            return False
        finally:
            if self.alive:
                client.idle_done()
                await self._answer(_finished(running), "end of idle")

    async def _news(self, client: GuardedClient, stop: asyncio.Event) -> bool:
        """Return True on a push that tells of mails, False when stopped; raises when the connection is lost."""
        while True:
            push = asyncio.ensure_future(client.protocol.idle_queue.get())
            await self._first_of(push, stop)
            if push.done() and not push.cancelled():
                lines = push.result()
                if client.protocol.exists_pushed or any(b"RECENT" in line or b"EXPUNGE" in line for line in lines):
                    return True
                if lines == base.STOP_WAIT_SERVER_PUSH:
                    return False
            elif stop.is_set():
                return False

    async def _first_of(self, push: "asyncio.Future[Any]", stop: asyncio.Event) -> None:
        others = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._lost.wait())]
        try:
            await asyncio.wait([push, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (push, *others):
                if not task.done():
                    task.cancel()
        if self._lost.is_set() and not push.done():
            raise MailServerError("the connection was lost during idle")

    async def _poll(self, stop: asyncio.Event, timeout: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while (left := end - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(POLL_SECONDS, left))
                return False
            await self._ok(self._required().noop(), "noop")
            if self._required().protocol.exists_pushed:
                return True
        return False

    async def mark_seen(self, uids: Sequence[int]) -> None:
        await self._ok(self._required().uid("STORE", _set_of(uids), "+FLAGS.SILENT", "(\\Seen)"), "mark as seen")

    async def delete(self, uids: Sequence[int]) -> None:
        """Delete mails. A server without UIDPLUS (RFC 4315) only has them marked: an expunge would take others with them."""
        await self._ok(self._required().uid("STORE", _set_of(uids), "+FLAGS.SILENT", "(\\Deleted)"), "delete")
        if self._required().has_capability("UIDPLUS"):
            await self._ok(self._required().uid("EXPUNGE", _set_of(uids)), "expunge")

    async def move(self, uids: Sequence[int], folder: str) -> None:
        """Move mails, by MOVE (RFC 6851) where there is one, else copied and deleted. A missing folder is made."""
        try:
            await self._move(uids, folder)
        except MailRefusedError:
            await self._ok(self._required().create(quoted_folder(folder)), "create folder")
            await self._move(uids, folder)

    async def _move(self, uids: Sequence[int], folder: str) -> None:
        if self._required().has_capability("MOVE"):
            await self._ok(self._required().uid("MOVE", _set_of(uids), quoted_folder(folder)), "move")
            return
        await self._ok(self._required().uid("COPY", _set_of(uids), quoted_folder(folder)), "copy")
        await self.delete(uids)

    async def append(self, folder: str, raw: bytes) -> None:
        """Put a mail into a folder; the server gives it its UID."""
        client = self._required()
        await self._ok(client.protocol.append(raw, quoted_folder(folder)), "append", self._patience(len(raw)))

    async def close(self) -> None:
        """Log out politely if that takes no longer than 5 seconds, and close. Never raises; a second call does nothing."""
        client, self._client = self._client, None
        if client is None:
            return
        transport = client.protocol.transport
        if transport is not None and not self._lost.is_set() and client.get_state() in {base.AUTH, base.SELECTED}:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.protocol.logout(), _CLOSE_SECONDS)
        self._drop(client)

    def _drop(self, client: GuardedClient) -> None:
        self._lost.set()
        client._client_task.cancel()  # noqa: SLF001 - it has no other way to give up connecting
        if client.protocol.transport is not None:
            client.protocol.transport.abort()

    def _required(self) -> GuardedClient:
        if self._client is None or (self._lost.is_set() and self._client.protocol.transport is not None):
            raise MailServerError("the connection is closed")
        return self._client

    async def _ok(self, command: Coroutine[Any, Any, Any], what: str, seconds: float | None = None) -> Any:
        answer = await self._answer(command, what, seconds)
        if self._client is not None and self._client.protocol.numbered_anew and what != "select":
            raise MailServerError("the server numbers the folder anew")
        if answer.result != "OK":
            raise MailRefusedError(f"{what} was answered with {answer.result}")
        return answer

    async def _answer(self, waited: Awaitable[Any], what: str, seconds: float | None = None) -> Any:
        """Wait for an answer until it comes, the connection is lost, or the time is over; then nothing else works."""
        task = asyncio.ensure_future(waited)
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait(
                {task, lost}, timeout=seconds or self._account.timeout_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if not task.done():
                raise _failure(f"{what}: connection lost" if self._lost.is_set() else f"{what}: no answer in time")
            return task.result()
        except (
            base.AioImapException,
            OSError,
            TimeoutError,
            asyncio.CancelledError,
            ValueError,
            LookupError,
            AttributeError,
        ) as error:
            if isinstance(error, asyncio.CancelledError) and not task.cancelled():
                raise
            raise _failure(f"{what}: {type(error).__name__}") from error
        finally:
            lost.cancel()
            if not task.done():
                task.cancel()
                if self._client is not None:
                    self._drop(self._client)


def _failure(text: str) -> BaseException:
    """Return what a failed wait raises. While we are being cancelled that is the end, whatever the server does meanwhile."""
    task = asyncio.current_task()
    return asyncio.CancelledError() if task is not None and task.cancelling() else MailServerError(text)


async def _finished(running: "asyncio.Future[Any]") -> Any:
    return await running


def windows(sizes: dict[int, int]) -> list[list[int]]:
    """Return the UIDs, ascending, in groups of at most 50 mails and 4 MiB; a larger mail stands alone."""
    groups: list[list[int]] = []
    room = 0
    for uid in sorted(sizes):
        if not groups or len(groups[-1]) >= WINDOW_UIDS or sizes[uid] > room:
            groups.append([])
            room = WINDOW_BYTES
        groups[-1].append(uid)
        room -= sizes[uid]
    return groups


def imap_day(day: date) -> str:
    """Return a day as IMAP writes it, such as `1-Feb-2026`, whatever the locale."""
    return f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"


def _set_of(uids: Sequence[int]) -> str:
    """Return an IMAP sequence set, runs of numbers as ranges: [1, 2, 3, 7] is `1:3,7`."""
    pieces: list[list[int]] = []
    for uid in uids:
        if pieces and uid == pieces[-1][1] + 1:
            pieces[-1][1] = uid
        else:
            pieces.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in pieces)


def _raise_refused(lines: Sequence[bytes | bytearray]) -> None:
    """Source: RFC 5530: UNAVAILABLE, INUSE and SERVERBUG say nothing against the credentials."""
    told = b" ".join(bytes(line) for line in lines).upper()
    if any(code in told for code in (b"[UNAVAILABLE]", b"[INUSE]", b"[SERVERBUG]", b"[LIMIT]")):
        raise MailServerError("the server refuses logins for now")
    raise MailLoginError("the server refused the credentials")
