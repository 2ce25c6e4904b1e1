"""A cable between browser and desk that can be pulled: TCP handed on both ways."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from postroom_local.ports import LOOPBACK, free_port


class Cable:
    """`url` leads to the desk while the cable is plugged in. Single event loop."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._plugged_in = False
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def plug_in(self) -> None:
        self._plugged_in = True
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def pull(self) -> None:
        """Cut what is open, and refuse what is new."""
        self._plugged_in = False
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    def lead_to(self, target: str) -> None:
        """Have what is opened from now on go to another desk, as a balancer would."""
        self._target = urlsplit(target)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:  # nobody is there
            writer.transport.abort()
            return
        if not self._plugged_in:  # it was pulled meanwhile
            writer.transport.abort()
            far_writer.transport.abort()
            return
        with suppress(OSError):
            await asyncio.gather(self._hand_on(reader, far_writer), self._hand_on(far_reader, writer))

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()


@asynccontextmanager
async def cable_to(target: str) -> AsyncIterator[Cable]:
    cable = Cable(target)
    await cable.plug_in()
    try:
        yield cable
    finally:
        await cable.pull()
