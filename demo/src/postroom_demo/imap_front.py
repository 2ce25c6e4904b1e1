"""Stands before the embedded IMAP server and takes leave for clients that were killed.

GreenMail 2.1.5 turns for ever, with a whole core, over a connection that ends without LOGOUT; a killed service cannot log out.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

_CHUNK_BYTES = 64 * 1024
_FAREWELL = b"\r\nDONE\r\nfront LOGOUT\r\n"
"""Ends a line that was cut off, an IDLE (RFC 2177), and the session; what does not fit is answered with BAD."""
_FAREWELL_SECONDS = 5.0


@dataclass(slots=True)
class ImapFront:
    """Passes bytes on between a loopback port and the server's, both ways, unchanged."""

    host: str
    port: int
    server_port: int
    _server: asyncio.Server | None = None
    _sessions: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._session, self.host, self.port)

    async def stop(self) -> None:
        """Stop listening and drop what is open; the server behind is about to end, too."""
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        try:
            with contextlib.suppress(OSError):
                await self._pass_on(reader, writer)
        finally:
            self._sessions.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self.host, self.server_port)
        back = asyncio.create_task(_copy(from_server, writer))
        try:
            forth = asyncio.create_task(_copy(reader, to_server))
            await asyncio.wait({back, forth}, return_when=asyncio.FIRST_COMPLETED)
            forth.cancel()
            if not back.done():
                to_server.write(_FAREWELL)
                await to_server.drain()
                await asyncio.wait({back}, timeout=_FAREWELL_SECONDS)
        finally:
            back.cancel()
            to_server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of `reader`. Where `writer` is gone, what is left is read and dropped, so that an end is seen."""
    gone = False
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            if not gone:
                try:
                    writer.write(chunk)
                    await writer.drain()
                except OSError:
                    gone = True
