"""What the door answers to each command of a session; aiosmtpd calls it."""

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from postroom_ingest.door.guard import Guard
from postroom_ingest.door.settings import DoorSettings
from postroom_ingest.door.take import MailTaker, Recipient

if TYPE_CHECKING:
    from postroom_ingest.door.session import DoorSession

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of a door share."""

    settings: DoorSettings
    guard: Guard
    taker: MailTaker
    tls: ssl.SSLContext | None
    sessions: set["DoorSession"]


class Hooks:
    """What aiosmtpd calls for each command."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def handle_EHLO(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        kept = [line for line in responses[:-1] if not line.startswith("250-AUTH")]
        return [*kept, "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, server: "DoorSession", _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        route = self._house.taker.route(address, server.host)
        if route is None:
            server.count("unknown_recipient")
            return "550 5.1.1 there is no such address here"
        if len(envelope.rcpt_tos) >= self._house.settings.recipients:
            return "452 4.5.3 too many recipients for one mail"
        envelope.rcpt_tos.append(address)
        server.recipients.append(Recipient(address, route))
        return "250 2.1.5 OK"

    async def handle_VRFY(self, *_: object) -> str:  # noqa: N802 - the name is aiosmtpd's
        return "252 2.1.5 send mail, and RCPT will say"

    async def handle_MAIL(  # noqa: N802 - the name is aiosmtpd's
        self, server: "DoorSession", _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        declared = next((o.partition("=")[2] for o in options if o.upper().startswith("SIZE=")), "0")
        if not self._house.guard.has_room(int(declared) if declared.isdigit() else 0):
            server.count("busy")
            return "452 4.3.1 too much is on its way, come again"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_exception(self, error: Exception) -> str:
        """Our bug; the sender keeps its mail. Nothing of the error leaves the house."""
        log.error("session at the door failed", error=type(error).__name__, exc_info=error)
        return "451 4.3.0 not now, come again"
