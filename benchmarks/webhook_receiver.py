"""The other side of `make bench-webhooks`, as a process of its own: a thousand receivers, and a port that can be closed.

Control lines on standard input, each answered by a line of JSON: `bad` (paths /hang/... answer nothing, the second port
refuses), `well`, `report` (what arrived at /well/... since the last report).
"""

import asyncio
import contextlib
import json
import re
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime

_TIME = re.compile(rb'"time":"([^"]+)"')
ANSWER = b"HTTP/1.1 204 Taken\r\ncontent-length: 0\r\n\r\n"


@dataclass
class Receivers:
    """`seen`: (second of the event, milliseconds from then to the arrival of its webhook)."""

    well: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[tuple[float, float]] = field(default_factory=list)
    hanging: int = 0
    most_hanging: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])  # type: ignore[index]
                body = await reader.readexactly(length)
                if head.startswith(b"POST /hang/"):
                    await self._hang(reader)
                elif head.startswith(b"POST /well/"):
                    self._note(body)
                writer.write(ANSWER)
                await writer.drain()
        writer.close()

    async def _hang(self, reader: asyncio.StreamReader) -> None:
        """Answer when all is well again; end with the connection that its client gave up."""
        if self.well.is_set():
            return
        self.hanging += 1
        self.most_hanging = max(self.most_hanging, self.hanging)
        gone = asyncio.create_task(reader.read(1))
        well = asyncio.create_task(self.well.wait())
        try:
            await asyncio.wait({gone, well}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.hanging -= 1
            well.cancel()
            gone.cancel()
            await asyncio.gather(gone, well, return_exceptions=True)

    def _note(self, body: bytes) -> None:
        found = _TIME.search(body)
        if found is not None:
            at = datetime.fromisoformat(found[1].decode()).timestamp()
            self.seen.append((at, (time.time() - at) * 1000))

    def report(self) -> str:
        said = json.dumps({"seen": self.seen, "most_hanging": self.most_hanging})
        self.seen, self.most_hanging = [], self.hanging
        return said


async def main() -> None:
    receivers = Receivers()
    receivers.well.set()
    first = await asyncio.start_server(receivers.serve, "127.0.0.1", 0, backlog=2000)
    second = await asyncio.start_server(receivers.serve, "127.0.0.1", 0)
    port, closable = (server.sockets[0].getsockname()[1] for server in (first, second))
    print(json.dumps({"port": port, "closable": closable}), flush=True)
    loop = asyncio.get_running_loop()
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        said = "{}"
        if line == "bad":
            receivers.well.clear()
            second.close()
        elif line == "well":
            receivers.well.set()
            if not second.is_serving():
                second = await asyncio.start_server(receivers.serve, "127.0.0.1", closable)
        else:
            said = receivers.report()
        print(said, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
