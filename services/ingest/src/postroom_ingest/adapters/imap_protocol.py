"""aioimaplib 2.0.3 with its dangerous places replaced; nothing outside `imap.py` uses it.

- Responses are read in a loop, not by recursion: 1,500 lines that arrive together killed the connection.
- A literal or a line without end is refused before it fills the memory.
- `EXISTS` that the server pushes into any other answer is remembered: aioimaplib throws it away, and an IDLE that
  begins afterwards is never told again.
- A refused XOAUTH2 is answered with the empty line that the server waits for (Google, Microsoft: SASL error challenge).
- TLS connections report their loss too (its `IMAP4_SSL` has no callback for it).
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import Any

import aioimaplib.aioimaplib as base

MAX_LITERAL_BYTES = 128 * 1024 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024
_CRLF = b"\r\n"
_EXISTS = re.compile(rb"\* (\d{1,10}) EXISTS")


class GuardedProtocol(base.IMAP4ClientProtocol):
    """The protocol of one connection."""

    exists_pushed = False
    """Whether the server said EXISTS outside of a SELECT since this was last reset."""
    numbered_anew = False
    """Whether it told a UIDVALIDITY since a folder was selected: UIDs that are known mean nothing any more."""

    def _handle_responses(self, data: bytes, line_handler: Callable[..., Any], current_cmd: Any = None) -> None:
        position = 0
        while position < len(data):
            if current_cmd is not None and current_cmd.wait_literal_data():
                missing = current_cmd._expected_size - len(current_cmd._resp_literal_data)  # noqa: SLF001
                current_cmd.append_literal_data(data[position : position + missing])
                position += missing
                if current_cmd.wait_literal_data():
                    raise base.IncompleteRead(current_cmd)
            end = data.find(_CRLF, position)
            if end < 0:
                _refuse_above(len(data) - position, MAX_LINE_BYTES)
                raise base.IncompleteRead(current_cmd, data[position:])
            line, position = data[position:end], end + len(_CRLF)
            current_cmd = self._next_command(line, line_handler(line, current_cmd))
        if self.pending_sync_command is not None:
            self.pending_sync_command.flush()
        if current_cmd is not None and current_cmd.wait_data():
            raise base.IncompleteRead(current_cmd)

    @staticmethod
    def _next_command(line: bytes, command: Any) -> Any:
        """Return the command that the following bytes belong to, None when the next line says so itself."""
        literal = base.literal_data_re.match(line) if line.endswith(b"}") else None
        if literal is None:
            return command if command is not None and command.wait_data() else None
        size = int(literal.group("size"))
        _refuse_above(size, MAX_LITERAL_BYTES)
        command = command if command is not None else base.Command("NIL", "unused")
        command.begin_literal_data(size)
        return command

    def _untagged_response(self, line: bytes) -> Any:
        if _EXISTS.match(line):
            self.exists_pushed = True
        if b"[UIDVALIDITY " in line.upper():
            self.numbered_anew = True
        return super()._untagged_response(line)

    def _continuation(self, line: bytes) -> None:
        if self.pending_sync_command is not None and self.pending_sync_command.name == "AUTHENTICATE":
            self.transport.write(_CRLF)
        super()._continuation(line)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for task in self.tasks:
            task.cancel()


def _refuse_above(size: int, limit: int) -> None:
    if size > limit:
        raise base.Abort(f"the server sends {size} bytes where at most {limit} are accepted")


class GuardedClient(base.IMAP4):
    """aioimaplib's client over the protocol above, with TLS when a context is given."""

    protocol: GuardedProtocol

    def create_client(
        self,
        host: str,
        port: int,
        loop: asyncio.AbstractEventLoop | None,
        conn_lost_cb: Callable[[Exception | None], None] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        running = loop or asyncio.get_running_loop()
        self.protocol = GuardedProtocol(running, conn_lost_cb)
        self._client_task = running.create_task(
            running.create_connection(lambda: self.protocol, host, port, ssl=ssl_context)
        )
