"""An IMAP server with folders in memory that logs in by password or XOAUTH2, and can be told to misbehave anywhere."""

import asyncio
import base64
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

GOOGLE_CHALLENGE = base64.b64encode(b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}')


@dataclass
class Mail:
    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)
    internal_date: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Folder:
    uidvalidity: int = 7
    uidnext: int = 1
    mails: list[Mail] = field(default_factory=list)

    def add(self, raw: bytes, internal_date: datetime | None = None) -> int:
        uid, self.uidnext = self.uidnext, self.uidnext + 1
        self.mails.append(Mail(uid, raw, internal_date=internal_date or datetime.now(UTC)))
        return uid


class HangError(Exception):
    """The server says nothing more on this connection."""


class DropError(Exception):
    """The server closes the connection."""


@dataclass
class Peer:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    user: str = ""
    token: str = ""
    selected: str = ""
    idling: bool = False
    told: int = 0
    """How many mails of the selected folder the client was told of."""


Fault = Callable[[Peer, str, str, list[bytes]], Awaitable[None]]
"""Called before each answer is sent, with (peer, tag, command in capitals, the answer's pieces, which it may change)."""


@dataclass
class ImapStandIn:
    """`tokens`: says whether an access token is good; `ends_at`: when (monotonic) it ends, then the session is told BYE."""

    passwords: dict[str, str] = field(default_factory=dict)
    tokens: Callable[[str, str], bool] | None = None
    ends_at: Callable[[str], float] | None = None
    style: str = "google"
    capabilities: str = "IMAP4rev1 IDLE UIDPLUS MOVE"
    folders: dict[str, dict[str, Folder]] = field(default_factory=dict)
    fault: Fault | None = None
    port: int = 0
    logins: list[str] = field(default_factory=list)
    refused: int = 0
    log: list[str] = field(default_factory=list)
    _peers: list[Peer] = field(default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def folder(self, user: str, name: str = "INBOX") -> Folder:
        return self.folders.setdefault(user, {}).setdefault(name, Folder())

    async def deliver(self, user: str, raw: bytes, name: str = "INBOX", at: datetime | None = None) -> int:
        folder = self.folder(user, name)
        uid = folder.add(raw, at)
        for peer in self._peers:
            if peer.idling and (peer.user, peer.selected) == (user, name):
                self._tell_news(peer)
        return uid

    def _tell_news(self, peer: Peer) -> None:
        """Servers tell of new mails during IDLE, and before they answer any other command."""
        there = len(self._here(peer).mails) if peer.selected else 0
        if peer.selected and there != peer.told:
            peer.told = there
            peer.writer.write(b"* %d EXISTS\r\n" % there)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["ImapStandIn"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(reader, writer)
        self._peers.append(peer)
        try:
            await self._send(peer, "", "GREETING", [b"* OK stand-in ready\r\n"])
            while line := await self._line(peer):
                tag, _, command = line.decode("utf-8", "replace").strip().partition(" ")
                await self._command(peer, tag, command)
        except (DropError, ConnectionError, asyncio.IncompleteReadError):
            pass
        except HangError:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        finally:
            self._peers.remove(peer)
            self._tasks.discard(task)
            writer.close()

    async def _line(self, peer: Peer) -> bytes:
        """Read a line; a session whose access token ends while we wait is told BYE, as Google and Microsoft do."""
        if not peer.token or self.ends_at is None:
            return await peer.reader.readline()
        left = self.ends_at(peer.token) - time.monotonic()
        try:
            return await asyncio.wait_for(peer.reader.readline(), max(0.0, left))
        except TimeoutError:
            peer.writer.write(b"* BYE Session expired, please login again.\r\n")
            raise DropError from None

    async def _send(self, peer: Peer, tag: str, name: str, pieces: list[bytes]) -> None:
        if self.fault is not None:
            await self.fault(peer, tag, name, pieces)
        for piece in pieces:
            peer.writer.write(piece)
        await peer.writer.drain()

    async def _command(self, peer: Peer, tag: str, command: str) -> None:
        words = command.split(" ")
        name = " ".join(words[:2]).upper() if words[0].upper() == "UID" else words[0].upper()
        self.log.append(command if name not in ("LOGIN", "AUTHENTICATE") else name)
        rest = command.split(" ", len(name.split(" ")))[-1]
        if name == "AUTHENTICATE":
            await self._authenticate(peer, tag, words)
        elif name == "IDLE":
            await self._idle(peer, tag)
        elif name == "LOGOUT":
            await self._send(peer, tag, name, [b"* BYE bye\r\n", f"{tag} OK done\r\n".encode()])
            raise DropError
        else:
            self._tell_news(peer)
            method = getattr(self, "_on_" + name.lower().replace(" ", "_"), None)
            pieces, status = method(peer, rest) if method else ([], "OK done")
            await self._send(peer, tag, name, [*pieces, f"{tag} {status}\r\n".encode()])

    def _on_capability(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        return [f"* CAPABILITY {self.capabilities} AUTH=XOAUTH2\r\n".encode()], "OK done"

    def _on_login(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        user, password = re.findall(r'"((?:[^"\\]|\\.)*)"', rest)
        if self.passwords.get(user) != password:
            self.refused += 1
            return [], "NO [AUTHENTICATIONFAILED] Invalid credentials"
        peer.user = user
        self.logins.append(user)
        return [], "OK logged in"

    async def _authenticate(self, peer: Peer, tag: str, words: list[str]) -> None:
        if len(words) < 3:
            peer.writer.write(b"+ \r\n")
            words.append((await peer.reader.readline()).decode().strip())
        told = base64.b64decode(words[2]).decode()
        user, token = re.fullmatch("user=(.*)\x01auth=Bearer (.*)\x01\x01", told).groups()  # type: ignore[union-attr]
        if self.tokens is not None and self.tokens(user, token):
            peer.user, peer.token = user, token
            self.logins.append(user)
            await self._send(peer, tag, "AUTHENTICATE", [f"{tag} OK Success\r\n".encode()])
            return
        self.refused += 1
        if self.style == "google":
            peer.writer.write(b"+ " + GOOGLE_CHALLENGE + b"\r\n")
            assert await peer.reader.readline() == b"\r\n"
            answer = f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n"
        else:
            answer = f"{tag} NO AUTHENTICATE failed.\r\n"
        await self._send(peer, tag, "AUTHENTICATE", [answer.encode()])

    def _on_select(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        name = rest.strip('"')
        found = self.folders.get(peer.user, {}).get(name)
        if found is None:
            return [], "NO [NONEXISTENT] no such folder"
        peer.selected, peer.told = name, len(found.mails)
        told = f"* {len(found.mails)} EXISTS\r\n* OK [UIDVALIDITY {found.uidvalidity}] v\r\n* OK [UIDNEXT {found.uidnext}] n\r\n"
        return [told.encode()], "OK [READ-WRITE] done"

    _on_examine = _on_select

    def _here(self, peer: Peer) -> Folder:
        return self.folder(peer.user, peer.selected)

    def _among(self, folder: Folder, uids: str) -> list[tuple[int, Mail]]:
        wanted: set[int] = set()
        top = max((mail.uid for mail in folder.mails), default=0)
        for part in uids.split(","):
            low, _, high = part.partition(":")
            first, last = int(low), top if high == "*" else int(high or low)
            wanted |= set(range(min(first, last), max(first, last) + 1))
        return [(n, mail) for n, mail in enumerate(folder.mails, 1) if mail.uid in wanted]

    def _on_uid_search(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        folder = self._here(peer)
        found = folder.mails
        if uids := re.search(r"UID ([\d:*,]+)", rest):
            found = [mail for _, mail in self._among(folder, uids[1])]
        if since := re.search(r"SINCE (\S+)", rest):
            day = datetime.strptime(since[1], "%d-%b-%Y").replace(tzinfo=UTC)
            found = [mail for mail in found if mail.internal_date >= day]
        return [b"* SEARCH " + b" ".join(b"%d" % mail.uid for mail in found) + b"\r\n"], "OK done"

    def _on_uid_fetch(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        uids, _, items = rest.partition(" ")
        pieces: list[bytes] = []
        for n, mail in self._among(self._here(peer), uids):
            pieces.append(self._fetched(n, mail, items))
        return pieces, "OK done"

    @staticmethod
    def _fetched(n: int, mail: Mail, items: str) -> bytes:
        told = f"* {n} FETCH (UID {mail.uid} RFC822.SIZE {len(mail.raw)}"
        if "BODY.PEEK" not in items:
            return told.encode() + b")\r\n"
        date = mail.internal_date.strftime("%d-%b-%Y %H:%M:%S +0000")
        head = f'{told} FLAGS ({" ".join(sorted(mail.flags))}) INTERNALDATE "{date}" BODY[] {{{len(mail.raw)}}}\r\n'
        return head.encode() + mail.raw + b")\r\n"

    def _on_uid_store(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        uids, flags = rest.split(" ", 1)
        for _, mail in self._among(self._here(peer), uids):
            mail.flags |= set(re.findall(r"\\\w+", flags))
        return [], "OK done"

    def _on_uid_copy(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        uids, name = rest.split(" ", 1)
        if name.strip('"') not in self.folders[peer.user]:
            return [], "NO [TRYCREATE] no such folder"
        for _, mail in self._among(self._here(peer), uids):
            self.folder(peer.user, name.strip('"')).add(mail.raw, mail.internal_date)
        return [], "OK done"

    def _on_uid_move(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        pieces, status = self._on_uid_copy(peer, rest)
        if status.startswith("OK"):
            self._remove(peer, {mail.uid for _, mail in self._among(self._here(peer), rest.split(" ", maxsplit=1)[0])})
        return pieces, status

    def _on_uid_expunge(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        gone = {mail.uid for _, mail in self._among(self._here(peer), rest) if "\\Deleted" in mail.flags}
        self._remove(peer, gone)
        return [], "OK done"

    def _remove(self, peer: Peer, uids: set[int]) -> None:
        folder = self._here(peer)
        folder.mails = [mail for mail in folder.mails if mail.uid not in uids]

    def _on_create(self, peer: Peer, rest: str) -> tuple[list[bytes], str]:
        self.folder(peer.user, rest.strip('"'))
        return [], "OK done"

    async def _idle(self, peer: Peer, tag: str) -> None:
        await self._send(peer, tag, "IDLE", [b"+ idling\r\n"])
        peer.idling = True
        self._tell_news(peer)
        try:
            line = await self._line(peer)
        finally:
            peer.idling = False
        if not line:
            raise DropError
        await self._send(peer, tag, "DONE", [f"{tag} OK idle done\r\n".encode()])
