"""Whoever is cut off is logged out at the server; everybody else notices nothing of the front."""

import asyncio

import pytest
from postroom_demo.imap_front import ImapFront
from postroom_local.ports import LOOPBACK, free_port


class Server:
    """Greets, notes what it is told, and ends a session at LOGOUT."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK hello\r\n")
        while line := await reader.readline():
            self.lines.append(line)
            if line.endswith(b"LOGOUT\r\n"):
                writer.write(b"* BYE\r\n")
                self.ended.set()
                break
        writer.close()


@pytest.mark.parametrize("said", [b"", b"a1 IDLE\r\n", b"a1 LOGIN x"], ids=["nothing", "idling", "in-mid-command"])
async def test_a_client_that_is_cut_off_is_logged_out(said: bytes) -> None:
    server = Server()
    behind = await asyncio.start_server(server.serve, LOOPBACK, 0)
    front = ImapFront(LOOPBACK, free_port(), behind.sockets[0].getsockname()[1])
    await front.start()
    reader, writer = await asyncio.open_connection(LOOPBACK, front.port)
    assert await reader.readline() == b"* OK hello\r\n"
    writer.write(said)
    await writer.drain()
    writer.transport.abort()
    async with asyncio.timeout(30):
        await server.ended.wait()
    assert server.lines[-2:] == [b"DONE\r\n", b"front LOGOUT\r\n"]
    await front.stop()
    behind.close()


async def test_an_orderly_session_passes_unchanged() -> None:
    server = Server()
    behind = await asyncio.start_server(server.serve, LOOPBACK, 0)
    front = ImapFront(LOOPBACK, free_port(), behind.sockets[0].getsockname()[1])
    await front.start()
    reader, writer = await asyncio.open_connection(LOOPBACK, front.port)
    writer.write(b"a1 LOGOUT\r\n")
    async with asyncio.timeout(30):
        assert await reader.read() == b"* OK hello\r\n* BYE\r\n"
    assert server.lines == [b"a1 LOGOUT\r\n"]
    writer.close()
    await front.stop()
    behind.close()
