"""An SMTP server in a thread that keeps what it gets, and refuses, delays or breaks off when told to."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from postroom_local.ports import LOOPBACK, free_port, require_free

# A hanging answer is given up after this long at the latest, so that no test run is held for ever.
_LONGEST_HANG_SECONDS = 600.0
_DATA_LIMIT_BYTES = 64 * 1024 * 1024
_OK = "250 2.0.0 OK"


@dataclass(frozen=True)
class Accept:
    """Take the mail, `delay_seconds` after its last byte (or after RCPT for nothing: only DATA is delayed)."""

    delay_seconds: float = 0.0


@dataclass(frozen=True)
class Reject:
    """Refuse with a 4xx or 5xx code, at RCPT or, with `at_data`, after the whole mail was read."""

    code: int
    text: str = "refused by the test"
    at_data: bool = False


@dataclass(frozen=True)
class Hang:
    """Read the whole mail and say nothing for so long; then drop the connection. The mail is not taken."""

    seconds: float = _LONGEST_HANG_SECONDS


@dataclass(frozen=True)
class DropAfterData:
    """Read the whole mail, then drop the connection before the answer: the sender cannot know what became of it.

    With `taken` (a server that crashed after it had stored the mail) it was taken, else it was not.
    """

    taken: bool = True


Answer = Accept | Reject | Hang | DropAfterData


@dataclass(frozen=True)
class ReceivedMail:
    """One mail that was taken: the envelope, the bytes as they came (CRLF), and when (UTC)."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    received_at: datetime
    login: str | None


class SmtpSink:
    """One SMTP server on loopback; all methods may be called from any thread.

    `deliver` is called with (recipient, bytes) for each recipient of each mail that was taken, before the sender gets
    its answer; a KeyError of it means an unknown recipient and is passed over, any other error refuses the mail for now
    (451). With `users` (login to password) mail is taken only after a log-in; without, any log-in is refused and none
    is needed. `port` None takes a free one, kept over restarts. `data_bytes` is the largest mail, as EHLO says (SIZE).
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        users: Mapping[str, str] | None = None,
        deliver: Callable[[str, bytes], object] | None = None,
        keep: bool = True,
        data_bytes: int = _DATA_LIMIT_BYTES,
    ) -> None:
        self.host = LOOPBACK
        self.port = port or free_port()
        self._users = dict(users) if users is not None else None
        self._deliver = deliver
        self._keep = keep
        self._data_bytes = data_bytes
        self._state = threading.Condition()
        self._mails: list[ReceivedMail] = []
        self._answers: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._standing: dict[str, Answer] = {}
        self._controller: _Controller | None = None

    def start(self) -> None:
        """Listen; returns when connections are answered. No effect while it runs. Raises PortTakenError."""
        if self._controller is not None:
            return
        require_free(self.port, "the SMTP sink", "the `port` argument")
        authenticate = self._authenticate if self._users is not None else None
        controller = _Controller(_Handler(self), self.port, authenticate, self._data_bytes)
        controller.start()
        self._controller = controller

    def stop(self) -> None:
        """Drop all connections and stop listening; what was received and the answers stay. May be repeated."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    @property
    def needs_login(self) -> bool:
        """Whether mail is taken only after a log-in."""
        return self._users is not None

    @property
    def mails(self) -> list[ReceivedMail]:
        """What was taken so far, oldest first; empty when `keep` is false."""
        with self._state:
            return list(self._mails)

    def mails_to(self, recipient: str) -> list[ReceivedMail]:
        """Return what was taken so far for one recipient, oldest first."""
        return [mail for mail in self.mails if recipient in mail.recipients]

    def wait_for(self, count: int, deadline_seconds: float = 10.0) -> list[ReceivedMail]:
        """Return the mails once there are at least `count`; raises TimeoutError, which says how many there were."""
        with self._state:
            if not self._state.wait_for(lambda: len(self._mails) >= count, deadline_seconds):
                raise TimeoutError(f"{len(self._mails)} of {count} mails within {deadline_seconds:g} s")
            return list(self._mails)

    def clear(self) -> None:
        """Forget all mails and all answers."""
        with self._state:
            self._mails.clear()
            self._answers.clear()
            self._standing.clear()

    def answer_next(self, recipient: str, *answers: Answer) -> None:
        """Give these answers, in order, to the next mails for a recipient; after them the standing answer again."""
        with self._state:
            self._answers[recipient].extend(answers)

    def answer_always(self, recipient: str, answer: Answer) -> None:
        """Give this answer to every mail for a recipient from now on; `Accept()` is what any other gets."""
        with self._state:
            self._standing[recipient] = answer

    def take_answer(self, recipient: str) -> Answer:
        """Return the answer for one mail to this recipient, using up one of `answer_next`."""
        with self._state:
            waiting = self._answers.get(recipient)
            return waiting.popleft() if waiting else self._standing.get(recipient, Accept())

    def store(self, mail: ReceivedMail) -> None:
        """Keep and deliver one mail; errors of `deliver` other than KeyError pass through."""
        if self._deliver is not None:
            for recipient in mail.recipients:
                try:
                    self._deliver(recipient, mail.content)
                except KeyError:
                    continue
        with self._state:
            if self._keep:
                self._mails.append(mail)
            self._state.notify_all()

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        users = self._users or {}
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        login, password = data.login.decode(), data.password.decode()
        good = users.get(login) == password
        return AuthResult(success=good, handled=False, auth_data=login)


class _Handler:
    """What aiosmtpd calls for each command, within its thread's event loop."""

    _CHOSEN: ClassVar[str] = "postroom_answers"

    def __init__(self, sink: SmtpSink) -> None:
        self._sink = sink

    async def handle_MAIL(  # noqa: N802  (the name is aiosmtpd's)
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        # aiosmtpd's own check warns, at each connection, that the log-in is not encrypted.
        if self._sink.needs_login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return _OK

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self._sink.take_answer(address)
        if isinstance(answer, Reject) and not answer.at_data:
            return f"{answer.code} {answer.text}"
        chosen: list[Answer] = envelope.__dict__.setdefault(self._CHOSEN, [])
        chosen.append(answer)
        envelope.rcpt_tos.append(address)
        return _OK

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        mail = ReceivedMail(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            content=bytes(envelope.original_content or b""),
            received_at=datetime.now(UTC),
            login=getattr(session, "auth_data", None),
        )
        # SMTP has one answer for the whole mail: the first that is not a plain acceptance decides.
        answers: list[Answer] = envelope.__dict__.get(self._CHOSEN, [])
        answer = next((one for one in answers if not isinstance(one, Accept)), None)
        match answer:
            case Reject():
                return f"{answer.code} {answer.text}"
            case Hang():
                await asyncio.sleep(min(answer.seconds, _LONGEST_HANG_SECONDS))
                return _drop(server)
            case DropAfterData():
                if answer.taken:
                    self._sink.store(mail)
                return _drop(server)
        await asyncio.sleep(max((one.delay_seconds for one in answers if isinstance(one, Accept)), default=0.0))
        return self._take(mail)

    def _take(self, mail: ReceivedMail) -> str:
        try:
            self._sink.store(mail)
        except Exception as error:  # noqa: BLE001  (whatever the delivery raises, the sender must learn of it)
            return f"451 4.3.0 not delivered: {type(error).__name__}"
        return _OK


def _drop(server: SMTP) -> str:
    """Cut the connection without an answer; what is returned goes nowhere."""
    _abort(server)
    return "421 4.3.0 dropped"


def _abort(server: SMTP) -> None:
    if server.transport is not None:
        cast("asyncio.WriteTransport", server.transport).abort()


class _Controller(Controller):
    """aiosmtpd's thread, which drops the connections that are open when it stops."""

    def __init__(
        self, handler: _Handler, port: int, authenticator: Callable[..., AuthResult] | None, data_bytes: int
    ) -> None:
        self._servers: list[SMTP] = []
        super().__init__(
            handler,
            hostname=LOOPBACK,
            port=port,
            data_size_limit=data_bytes,
            enable_SMTPUTF8=True,
            authenticator=authenticator,
            auth_require_tls=False,
        )

    def factory(self) -> SMTP:
        server: SMTP = super().factory()  # type: ignore[no-untyped-call]
        self._servers = [one for one in self._servers if one.transport is not None]
        self._servers.append(server)
        return server

    def stop(self, no_assert: bool = False) -> None:
        self.loop.call_soon_threadsafe(self._abort_all)
        super().stop(no_assert)

    def _abort_all(self) -> None:
        for server in self._servers:
            _abort(server)
