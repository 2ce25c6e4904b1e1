"""The IMAP session against Dovecot, GreenMail and a server that misbehaves in the ways that were met."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from postroom_ingest.adapters.imap import ImapAccount, ImapSession, MailLoginError, MailServerError, windows
from postroom_local.dovecot import DovecotServer
from postroom_local.mail import GreenMailServer

SUPPORT, PASSWORD = "support@acme.test", "support-password"
connected = pytest.mark.connected


def mail(number: int, size: int = 300) -> bytes:
    head = (
        f"From: jane@example.test\r\nTo: {SUPPORT}\r\nSubject: mail ({number}\r\nMessage-ID: <{number}@x.test>\r\n\r\n"
    )
    return head.encode() + b"* 1 FETCH (UID 7)\r\n" + b"0123456789abcdef (\r\n" * (size // 20)


@contextlib.asynccontextmanager
async def session_on(port: int, **options: Any) -> AsyncIterator[ImapSession]:
    account = ImapAccount(
        "127.0.0.1", port, **{"user": SUPPORT, "password": PASSWORD, "timeout_seconds": 10, **options}
    )
    session = await ImapSession.connect(account)
    try:
        yield session
    finally:
        await session.close()


@connected
async def test_mails_come_back_byte_for_byte_and_stay_unread(dovecot: DovecotServer) -> None:
    delivered_at = datetime(2026, 3, 1, 10, 20, 30, tzinfo=UTC)
    for number in range(3):
        dovecot.deliver(SUPPORT, mail(number), delivered_at)
    async with session_on(dovecot.port) as session:
        folder = await session.select("INBOX")
        assert folder.exists == 3
        uids = await session.search_uids(0)
        assert len(uids) == 3
        assert folder.uidnext == uids[-1] + 1
        fetched = await session.fetch(uids[0])
        assert fetched is not None
        assert fetched.uid == uids[0]
        assert fetched.raw in {mail(0), mail(1), mail(2)}
        assert fetched.size_bytes == len(mail(0))
        assert fetched.internal_date == delivered_at
        again = await session.fetch(uids[0])
        assert again is not None
        assert "\\Seen" not in again.flags


@connected
async def test_search_above_the_last_uid_is_empty(dovecot: DovecotServer) -> None:
    dovecot.deliver(SUPPORT, mail(1))
    async with session_on(dovecot.port) as session:
        await session.select("INBOX")
        (uid,) = await session.search_uids(0)
        assert await session.search_uids(uid) == []
        assert await session.fetch(uid + 10) is None
        assert await session.sizes([uid, uid + 10]) == {uid: len(mail(1))}


@connected
async def test_500_mails_of_8_kb_come_in_ten_windows(dovecot: DovecotServer) -> None:
    """One round trip for fifty mails; how many a second that makes, the benchmarks show."""
    for number in range(500):
        dovecot.deliver(SUPPORT, mail(number, 8000))
    async with session_on(dovecot.port) as session:
        await session.select("INBOX")
        uids = await session.search_uids(0)
        assert len(uids) == 500
        got = [window async for window in session.fetch_many(await session.sizes(uids))]
    assert [len(window) for window in got] == [50] * 10
    assert [one.uid for window in got for one in window] == uids
    assert {one.raw for window in got for one in window} == {mail(number, 8000) for number in range(500)}


@connected
async def test_large_mail_and_its_head(dovecot: DovecotServer) -> None:
    dovecot.deliver(SUPPORT, mail(1, 6_000_000))
    async with session_on(dovecot.port) as session:
        await session.select("INBOX")
        (uid,) = await session.search_uids(0)
        whole, head = await session.fetch(uid), await session.fetch_head(uid, 50)
        assert whole is not None
        assert whole.raw == mail(1, 6_000_000)
        assert head is not None
        assert head.raw == mail(1)[:50]
        assert head.size_bytes == len(whole.raw)


@connected
@pytest.mark.parametrize("server", ["dovecot", "greenmail"])
async def test_idle_wakes_for_a_new_mail(server: str, request: pytest.FixtureRequest) -> None:
    port = port_of(request.getfixturevalue(server))
    async with session_on(port) as session, session_on(port) as writer:
        await session.select("INBOX")
        known = await session.search_uids(0)
        waiting = asyncio.create_task(session.idle(asyncio.Event(), 20))
        await asyncio.sleep(0.2)  # the mail shall come during IDLE, not before
        await writer.append("INBOX", mail(77))
        assert await asyncio.wait_for(waiting, 15) is True
        new = await session.search_uids(max(known, default=0))
        assert len(new) == 1
        fetched = await session.fetch(new[0])
        assert fetched is not None
        assert fetched.raw == mail(77)


@connected
@pytest.mark.parametrize("server", ["dovecot", "greenmail"])
async def test_wrong_password_is_a_login_error(server: str, request: pytest.FixtureRequest) -> None:
    with pytest.raises(MailLoginError):
        async with session_on(port_of(request.getfixturevalue(server)), password='wr"ong\\'):
            pass


@connected
async def test_idle_ends_by_stop_and_by_time_and_the_session_goes_on(dovecot: DovecotServer) -> None:
    async with session_on(dovecot.port) as session:
        await session.select("INBOX")
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, stop.set)
        assert await session.idle(stop, 20) is False
        assert await session.idle(asyncio.Event(), 0.1) is False
        assert await session.search_uids(0) == []


@connected
async def test_killed_server_ends_idle_at_once(dovecot: DovecotServer) -> None:
    async with session_on(dovecot.port) as session:
        await session.select("INBOX")
        waiting = asyncio.create_task(session.idle(asyncio.Event(), 60))
        await asyncio.sleep(0.2)
        dovecot.kill()
        with pytest.raises(MailServerError):
            await asyncio.wait_for(waiting, 30)  # half of what IDLE would take
        assert not session.alive


@connected
async def test_folder_names_in_any_script(dovecot: DovecotServer) -> None:
    async with session_on(dovecot.port) as session:
        with pytest.raises(MailServerError):
            await session.select('Bücher & "Briefe" 日本')  # not there, and answered as such, not as a syntax error
        assert session.alive
        assert (await session.select("INBOX")).exists == 0


def port_of(server: DovecotServer | GreenMailServer) -> int:
    return server.port if isinstance(server, DovecotServer) else server.imap_port


Answering = Callable[[str, str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes | None]]


@contextlib.asynccontextmanager
async def fake_server(
    answer: Answering, greeting: bytes = b"* OK ready\r\n", capabilities: str = "IDLE"
) -> AsyncIterator[int]:
    """A server on loopback that logs everybody in; `answer(tag, command, ...)` gives its bytes, None closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while line := await reader.readline():
            tag, _, command = line.decode().strip().partition(" ")
            name = command.split(" ")[0].upper()
            if name == "CAPABILITY":
                reply: bytes | None = f"* CAPABILITY IMAP4rev1 {capabilities}\r\n{tag} OK done\r\n".encode()
            elif name in {"LOGIN", "NOOP", "LOGOUT"}:
                reply = f"{tag} OK done\r\n".encode()
            elif name == "SELECT":
                reply = f"* 1 EXISTS\r\n* OK [UIDVALIDITY 9] v\r\n* OK [UIDNEXT 2] n\r\n{tag} OK done\r\n".encode()
            else:
                reply = await answer(tag, command, reader, writer)
            if reply is None:
                break
            writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def stalls(tag: str, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
    await reader.read()
    return None


async def closes(tag: str, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
    return None


def always(template: bytes) -> Answering:
    async def answer(
        tag: str, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        return template.replace(b"TAG", tag.encode())

    return answer


async def test_stalled_server_ends_in_an_error_at_the_deadline() -> None:
    async with fake_server(stalls) as port, session_on(port) as session:
        await session.select("INBOX")
        session._account = replace(session._account, timeout_seconds=0.5)
        async with asyncio.timeout(20):
            with pytest.raises(MailServerError):
                await session.search_uids(0)
        with pytest.raises(MailServerError):
            await session.search_uids(0)


@pytest.mark.parametrize("call", ["search", "idle", "fetch"])
async def test_server_that_closes_instead_of_answering_ends_in_an_error_at_once(call: str) -> None:
    async with fake_server(closes) as port, session_on(port, timeout_seconds=60) as session:
        await session.select("INBOX")
        async with asyncio.timeout(20):
            with pytest.raises(MailServerError):
                await {
                    "search": session.search_uids(0),
                    "idle": session.idle(asyncio.Event(), 60),
                    "fetch": session.fetch(1),
                }[call]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_connection_lost_during_idle_ends_it_at_once() -> None:
    async def idles(tag: str, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
        writer.write(b"+ idling\r\n")
        await asyncio.sleep(0.2)
        return None

    async with fake_server(idles) as port, session_on(port) as session:
        await session.select("INBOX")
        with pytest.raises(MailServerError):
            await asyncio.wait_for(session.idle(asyncio.Event(), 60), 20)


async def test_short_answer_is_a_mail_that_is_gone() -> None:
    async with fake_server(always(b"TAG OK done\r\n")) as port, session_on(port) as session:
        await session.select("INBOX")
        assert await session.fetch(1) is None
        assert await session.search_uids(0) == []
        assert await session.sizes([1, 2]) == {}


async def test_answer_with_foreign_mails_and_flag_pushes_gives_only_what_was_asked_for() -> None:
    answer = (
        b"* 3 FETCH (FLAGS (\\Seen))\r\n* 9 EXISTS\r\n* 1 FETCH (BODY[] {5}\r\nhello UID 4 FLAGS (\\Flagged x) RFC822.SIZE 5)\r\n"
        b"* 2 FETCH (UID 5 FLAGS () BODY[] {3}\r\nfoo)\r\nTAG OK done\r\n"
    )
    async with fake_server(always(answer)) as port, session_on(port) as session:
        await session.select("INBOX")
        fetched = await session.fetch(4)
        assert fetched is not None
        assert (fetched.uid, fetched.raw, fetched.flags, fetched.size_bytes) == (4, b"hello", ("\\Flagged", "x"), 5)
        assert fetched.internal_date is None
        # The EXISTS that came inside that answer is not lost: IDLE ends at once instead of waiting for the next mail.
        assert await asyncio.wait_for(session.idle(asyncio.Event(), 60), 20) is True


async def test_thousands_of_lines_that_arrive_together_do_not_kill_the_connection() -> None:
    flood = b"".join(b"* %d FETCH (UID %d RFC822.SIZE 10)\r\n" % (n, n) for n in range(1, 3001))
    async with fake_server(always(flood + b"TAG OK done\r\n")) as port, session_on(port) as session:
        await session.select("INBOX")
        assert await session.sizes(list(range(1, 201))) == dict.fromkeys(range(1, 201), 10)
        assert session.alive


async def test_literal_without_bounds_is_refused() -> None:
    answer = b"* 1 FETCH (UID 1 BODY[] {99999999999}\r\nabc"
    async with fake_server(always(answer)) as port, session_on(port, timeout_seconds=60) as session:
        await session.select("INBOX")
        async with asyncio.timeout(20):  # refused, not waited for
            with pytest.raises(MailServerError):
                await session.fetch(1)


@pytest.mark.parametrize(
    "greeting", [b"* BYE too busy\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], ids=["bye", "http", "silent"]
)
async def test_server_that_does_not_greet_is_an_error(greeting: bytes) -> None:
    async with fake_server(stalls, greeting=greeting) as port:
        with pytest.raises(MailServerError):
            async with session_on(port, timeout_seconds=0.5):
                pass


async def test_refused_connection_and_plain_server_behind_tls_are_errors() -> None:
    async with fake_server(stalls) as port:
        with pytest.raises(MailServerError):
            async with session_on(port, tls=ssl.create_default_context(), timeout_seconds=2):
                pass
    with pytest.raises(MailServerError):
        async with session_on(port, timeout_seconds=2):
            pass


async def test_server_without_idle_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom_ingest.adapters.imap.POLL_SECONDS", 0.05)
    async with fake_server(stalls, capabilities="") as port, session_on(port) as session:
        await session.select("INBOX")
        assert not session.can_idle
        assert await session.idle(asyncio.Event(), 0.2) is False


async def test_refused_access_token_is_a_login_error() -> None:
    async def refuses(
        tag: str, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        writer.write(b"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n")
        assert await reader.readline() == b"\r\n"  # Google and Microsoft wait for it before they say NO
        return f"{tag} NO SASL authentication failed\r\n".encode()

    async def token() -> str:
        return "secret-token"

    async with fake_server(refuses) as port:
        with pytest.raises(MailLoginError):
            async with session_on(port, password=None, token=token):
                pass


def test_windows_hold_at_most_50_mails_and_4_mib() -> None:
    assert windows({}) == []
    assert [len(window) for window in windows(dict.fromkeys(range(120), 8000))] == [50, 50, 20]
    assert windows({1: 3_000_000, 2: 3_000_000, 3: 9_000_000, 4: 10}) == [[1], [2], [3], [4]]
