"""One connection at the door: aiosmtpd speaks the protocol, here stands what it leaves to us or does otherwise.

Otherwise: a mail is read in pieces, not line by line, so that long lines are no fault and the bytes are counted while
they come; LMTP answers for each recipient; STARTTLS by the standard library's own means; answers carry enhanced codes.
Source: RFC 5321, RFC 2033 (LMTP), RFC 2034 (enhanced codes), RFC 2920 (pipelining), RFC 3207 (STARTTLS).
"""

import asyncio
import logging
import re
import ssl
from collections import defaultdict
from typing import Any, cast

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

from postroom_ingest.door.guard import OUTSIDE
from postroom_ingest.door.hooks import Hooks, House
from postroom_ingest.door.take import Recipient
from postroom_ingest.metrics import DOOR

log = structlog.get_logger(__name__)
# aiosmtpd writes every command into its log, addresses with it.
logging.getLogger("mail.log").setLevel(logging.ERROR)

END = b"\r\n.\r\n"
"""Only this ends a mail: who takes a bare line feed for a line end lets a second mail be smuggled in (RFC 5321 2.3.8)."""
PIECE_BYTES = 64 * 1024
COMMAND_BYTES = 2048
"""RFC 5321 section 4.5.3.1.4 demands 512; addresses in UTF-8 and parameters make it longer (RFC 6531 section 3.3)."""
_BARE = re.compile(r"^([245])\d\d (?!\d\.\d{1,3}\.\d{1,3} )")
_CALLS = {"NOOP": 50, "RSET": 1000, "HELP": 20, "VRFY": 20, "EHLO": 20, "HELO": 20, "LHLO": 20, "STARTTLS": 3}


class DoorSession(SMTP):
    """One SMTP connection. `host` is the peer's IP address."""

    protocol_name = "smtp"
    line_length_limit = PIECE_BYTES

    def __init__(self, house: House) -> None:
        settings = house.settings
        super().__init__(
            Hooks(house),
            data_size_limit=settings.mail_bytes,
            enable_SMTPUTF8=True,
            hostname=settings.name,
            ident="Postroom",
            tls_context=house.tls,
            require_starttls=settings.tls_required,
            timeout=settings.idle_seconds,
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
            command_call_limit={**_CALLS, "*": settings.mails_per_connection, "RCPT": 100_000},
            loop=asyncio.get_running_loop(),
        )
        # aiosmtpd's own table is one for all connections, and each new one clears it.
        self.command_size_limits = defaultdict(lambda: COMMAND_BYTES)
        self.recipients: list[Recipient] = []
        self.host = ""
        self._house = house
        self._admitted = False
        self._storing = False
        self._enhanced = False
        self._held = 0

    def count(self, outcome: str) -> None:
        DOOR.labels(self.protocol_name, outcome).inc()

    # --- the connection -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self.host = str(peer[0]) if peer else ""
        refusal = self._house.guard.enter(self.host)
        if refusal is not None:
            self.count("turned_away")
            if refusal == OUTSIDE:
                log.warning("a host that may not come was turned away", setting="POSTROOM_DOOR_NETWORKS")
            writer = cast("asyncio.Transport", transport)
            writer.write(f"{refusal}\r\n".encode())
            writer.close()
            return
        self._admitted = True
        self._house.sessions.add(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._admitted:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return super().eof_received() if self._admitted else False

    def connection_lost(self, error: Exception | None) -> None:
        if not self._admitted:
            return
        self._admitted = False
        self._house.sessions.discard(self)
        self._house.guard.leave(self.host)
        super().connection_lost(error)

    def _timeout_cb(self) -> None:
        self.count("timed_out")
        self.dismiss("421 4.4.2 that took too long")

    def dismiss(self, answer: str) -> None:
        """Say why and close, whatever the sender is doing; what was not answered with 250 it keeps."""
        if isinstance(self.transport, asyncio.WriteTransport) and not self.transport.is_closing():
            self.transport.write(f"{answer}\r\n".encode())
            self.transport.close()

    @property
    def storing(self) -> bool:
        return self._storing

    # --- answers ------------------------------------------------------------------------------------------------

    async def push(self, status: Any) -> None:
        if self._enhanced and isinstance(status, str):
            status = _BARE.sub(lambda found: f"{found[0]}{found[1]}.0.0 ", status, count=1)
        await super().push(status)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - as above
        self._enhanced = False
        await super().smtp_EHLO(hostname)
        self._enhanced = True

    def _set_post_data_state(self) -> None:
        super()._set_post_data_state()  # type: ignore[no-untyped-call]
        self.recipients = []

    # --- STARTTLS -----------------------------------------------------------------------------------------------

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - as above
        """What was sent together with the command was not protected, so it is thrown away (RFC 3207 section 4.2)."""
        if self.tls_context is None or self._tls_protocol is not None or arg:
            await self.push("501 5.5.1 STARTTLS takes no argument" if arg else "454 4.7.0 TLS is not available")
            return
        await self.push("220 2.0.0 Ready to start TLS")
        self._buffer.clear()
        try:
            async with asyncio.timeout(self._house.settings.idle_seconds):
                await self._writer.start_tls(self.tls_context)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            log.info("TLS was not agreed on", error=type(error).__name__)
            self._writer.transport.abort()
            return
        self.transport = self._reader._transport = self._writer.transport  # type: ignore[attr-defined]  # noqa: SLF001
        self._set_post_data_state()
        session: Any = self._create_session()  # all that was said before counts no more
        session.peer = (self.host, 0)
        session.ssl = self.transport.get_extra_info("ssl_object")
        self.session, self._tls_protocol = session, session.ssl
        self._enhanced = False
        self._reset_timeout()

    # --- the mail -----------------------------------------------------------------------------------------------

    @property
    def _buffer(self) -> bytearray:
        return cast("bytearray", cast("Any", self._reader)._buffer)  # noqa: SLF001 - a stream takes nothing back otherwise

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - as above
        if await self.check_helo_needed():
            return
        if not self.recipients or arg:
            await self.push(
                "501 5.5.4 DATA takes no argument" if arg else "503 5.5.1 nobody to take it, send RCPT first"
            )
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self._reset_timeout(self._house.settings.data_seconds)
        pieces: list[bytes] = []
        try:
            problem = await self._read(pieces)
            recipients, sender = self.recipients, (self.envelope and self.envelope.mail_from) or ""
            if problem is None:
                raw = b"".join(pieces).replace(b"\r\n.", b"\r\n")[2:]
                pieces.clear()
                await self._answer(await self._take(raw, sender, recipients))
            else:
                await self._refuse(problem, len(recipients))
        finally:
            self._let_go(pieces)
            self._set_post_data_state()
            if self._admitted:  # else the connection is gone, and so is its clock
                self._reset_timeout()

    async def _read(self, pieces: list[bytes]) -> str | None:
        """Read to the end of the mail into `pieces`, a CRLF in front of it; return what is wrong, if so.

        What is too much is read to its end all the same and let go: the sender listens only then.
        """
        self._buffer[:0] = b"\r\n"  # the end may follow at once: an empty mail
        problem: str | None = None
        total = self._held = 0
        while True:
            try:
                piece, ended = await self._reader.readuntil(END), True
            except asyncio.LimitOverrunError as more:
                piece, ended = await self._reader.readexactly(more.consumed), False
            total += len(piece)
            if problem is None and total > self._house.settings.mail_bytes + len(END) + 2:
                problem = "too_large"
            if problem is None and not self._house.guard.take(len(piece)):
                problem = "busy"
            if problem is None:
                self._held += len(piece)
                pieces.append(piece[:-3] if ended else piece)
            else:
                self._let_go(pieces)
            if ended:
                return problem

    def _let_go(self, pieces: list[bytes]) -> None:
        pieces.clear()
        self._house.guard.give_back(self._held)
        self._held = 0

    async def _take(self, raw: bytes, sender: str, recipients: list[Recipient]) -> list[bool]:
        self._reset_timeout(self._house.settings.store_seconds + self._house.settings.idle_seconds)
        self._storing = True
        try:
            return await self._house.taker.take(raw, sender, recipients)
        finally:
            self._storing = False

    async def _refuse(self, problem: str, recipients: int) -> None:
        self.count(problem)
        limit = self._house.settings.mail_bytes
        too_large = f"552 5.3.4 more than {limit} bytes"
        answer = too_large if problem == "too_large" else "452 4.3.1 too much is on its way, come again"
        await self._answers([answer] * recipients)

    async def _answer(self, safe: list[bool]) -> None:
        for one in safe:
            self.count("stored" if one else "unavailable")
        taken, later = "250 2.0.0 OK, it is safe", "451 4.3.0 it could not be stored, come again"
        await self._answers([taken if one else later for one in safe])

    async def _answers(self, answers: list[str]) -> None:
        """SMTP has one answer for all recipients, so one that is not safe means none is; the repeat changes nothing."""
        await self.push(next((answer for answer in answers if not answer.startswith("250")), answers[0]))


class LmtpSession(LMTP, DoorSession):
    """One LMTP connection: after the mail one answer for each recipient that was accepted, in their order."""

    protocol_name = "lmtp"

    async def _answers(self, answers: list[str]) -> None:
        for answer in answers:
            await self.push(answer)
