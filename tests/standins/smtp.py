"""An SMTP server that wants XOAUTH2 and refuses a token as Google (334, then 535) or Microsoft (535) does."""

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

CHALLENGE = base64.b64encode(b'{"status":"400","schemes":"bearer mac","scope":"https://mail.google.com/"}')


@dataclass
class SmtpStandIn:
    tokens: Callable[[str, str], bool]
    style: str = "google"
    mails: list[bytes] = field(default_factory=list)
    refused: int = 0
    port: int = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["SmtpStandIn"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 stand-in\r\n")
        while line := await reader.readline():
            verb = line.decode().split()[0].upper() if line.strip() else ""
            if verb == "EHLO":
                writer.write(b"250-stand-in\r\n250-AUTH XOAUTH2\r\n250 SMTPUTF8\r\n")
            elif verb == "AUTH":
                await self._auth(line.decode().strip(), reader, writer)
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 2.0.0 taken\r\n")
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        writer.close()

    async def _auth(self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = base64.b64decode(line.split(" ")[2]).decode()
        user, token = re.fullmatch("user=(.*)\x01auth=Bearer (.*)\x01\x01", told).groups()  # type: ignore[union-attr]
        if self.tokens(user, token):
            writer.write(b"235 2.7.0 Accepted\r\n")
            return
        self.refused += 1
        if self.style == "google":
            writer.write(b"334 " + CHALLENGE + b"\r\n")
            assert await reader.readline() == b"\r\n"
            writer.write(
                b"535-5.7.8 Username and Password not accepted. For more information, go to\r\n"
                b"535 5.7.8  https://support.google.com/mail/?p=BadCredentials - gsmtp\r\n"
            )
        else:
            writer.write(
                b"535 5.7.3 Authentication unsuccessful [FR0P281CA0001.DEUP281.PROD.OUTLOOK.COM 2026-01-01T00:00:00.000Z]\r\n"
            )
