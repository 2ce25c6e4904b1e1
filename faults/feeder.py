"""Sends the feed: customers' mail as planned, and the answers of agents who are played, each until it is accepted."""

import asyncio
import email
import email.policy
import heapq
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import getaddresses

import aiosmtplib

from faults.company import AGENTS, DOMAIN, address
from faults.mails import Parent, PlannedMail, compose, planned_parent, raw_mail
from faults.options import Options
from faults.reading import ANSWER_TOKEN, CUSTOMER_TOKEN, message_ids, own_text
from faults.sink import Delivered, MailFileReader

CONNECTIONS = 4
RETRY_SECONDS = 0.3
SEND_SECONDS = 10.0
PLAYED = frozenset(address(name) for name in AGENTS[:6])
"""Agents who answer some of their mail."""


@dataclass(frozen=True, slots=True)
class SentAnswer:
    """An agent's answer by mail, as it was sent."""

    token: str
    agent: str


@dataclass(order=True, slots=True)
class Due:
    """Something to send, when, and what it is: a planned mail by its number, or an answer."""

    at: float
    order: int
    sender: str = field(compare=False)
    recipient: str = field(compare=False)
    number: int | None = field(default=None, compare=False)
    answer: SentAnswer | None = field(default=None, compare=False)
    content: bytes = field(default=b"", compare=False)


@dataclass
class Feeder:
    """Runs the feed. `sent` and `answers` are what was accepted, `repeats` counts second deliveries."""

    options: Options
    mails: Sequence[PlannedMail]
    smtp_port: int
    mailboxes: MailFileReader
    sent: list[PlannedMail] = field(default_factory=list)
    answers: list[SentAnswer] = field(default_factory=list)
    to_answers: int = 0
    """How many replies answered a mail of ours."""
    repeats: int = 0
    delivered: int = 0
    """Mails found in customers' and agents' mailboxes."""
    _ours: dict[int, Parent] = field(default_factory=dict)
    """Thread -> our latest mail to its customer."""
    _bytes: dict[int, bytes] = field(default_factory=dict)
    _answered: set[str] = field(default_factory=set)
    _due: list[Due] = field(default_factory=list)
    _accepted: set[int] = field(default_factory=set)
    _started: float = 0.0

    async def run(self) -> None:
        """Send all; return when everything planned was accepted and answers are no longer begun."""
        self._started = time.monotonic()
        for mail in self.mails:
            for at in (mail.at, mail.again_at):
                if at is not None:
                    self._add(Due(at, len(self._due), mail.sender, mail.inbox, mail.number))
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(CONNECTIONS):
                    workers.create_task(self._work())
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started if self._started else 0.0

    def _add(self, due: Due) -> None:
        heapq.heappush(self._due, due)

    # --- sending ------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        client: aiosmtplib.SMTP | None = None
        while self._due or self.seconds < self.options.feed_seconds + 1:
            if not self._due or self._due[0].at > self.seconds:
                await asyncio.sleep(0.02)
                continue
            due = heapq.heappop(self._due)
            content = due.content if due.number is None else self._content(due.number)
            client = await self._until_accepted(client, due.sender, due.recipient, content)
            self._note(due)
        if client is not None:
            client.close()

    async def _until_accepted(
        self, client: aiosmtplib.SMTP | None, sender: str, recipient: str, content: bytes
    ) -> aiosmtplib.SMTP:
        while True:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    if client is None:
                        client = aiosmtplib.SMTP(
                            hostname="127.0.0.1", port=self.smtp_port, timeout=5, start_tls=False, use_tls=False
                        )
                        await client.connect()
                    await client.sendmail(sender, [recipient], content)
                    return client
            except (aiosmtplib.SMTPException, OSError, TimeoutError):
                if client is not None:
                    client.close()
                client = None
                await asyncio.sleep(RETRY_SECONDS)

    def _content(self, number: int) -> bytes:
        """Return the mail's bytes: made when it is first sent, the same when it is sent again."""
        if number not in self._bytes:
            mail = self.mails[number]
            parent = planned_parent(self.mails, mail)
            ours = self._ours.get(mail.thread)
            if mail.to_answer and ours is not None and parent is not None and not self._was_answered(number):
                parent = ours
                self.to_answers += 1
            self._bytes[number] = compose(mail, parent)
        return self._bytes[number]

    def _was_answered(self, number: int) -> bool:
        """Say whether a reply to this mail left before it: then it cannot answer what we wrote to that reply."""
        return any(self.mails[sent].parent == number for sent in self._bytes)

    def _note(self, due: Due) -> None:
        if due.answer is not None:
            self.answers.append(due.answer)
        elif due.number in self._accepted:
            self.repeats += 1
        elif due.number is not None:
            self._accepted.add(due.number)
            self.sent.append(self.mails[due.number])

    # --- what comes back ----------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            for found in self.mailboxes.new():
                self.delivered += 1
                if found.recipient in PLAYED:
                    self._perhaps_answer(found)
                else:
                    self._keep(found)
            await asyncio.sleep(0.25)

    def _keep(self, found: Delivered) -> None:
        """Remember our mail to a customer, so that the customer may answer it."""
        mail = email.message_from_bytes(found.content, policy=email.policy.default)
        token = CUSTOMER_TOKEN.search(str(mail["Subject"]))
        ids = message_ids(mail["Message-ID"])
        if token and ids:
            thread = self.mails[int(token.group(1))].thread
            self._ours[thread] = Parent(ids[0], tuple(message_ids(mail["References"])))

    def _perhaps_answer(self, found: Delivered) -> None:
        """Answer a notification as a mail client would; which ones depends on the seed and the customer's mail."""
        mail = email.message_from_bytes(found.content, policy=email.policy.default)
        ids = message_ids(mail["Message-ID"])
        token = CUSTOMER_TOKEN.search(str(mail["Subject"]))
        text = own_text(mail)
        if not ids or not token or not mail["Reply-To"] or ids[0] in self._answered or ANSWER_TOKEN.search(text):
            return
        chance = random.Random(f"{self.options.seed} {token.group(0)} {found.recipient}")
        if chance.random() >= self.options.answer_share or self.seconds > self.options.feed_seconds:
            return
        answer = SentAnswer(f"A{len(self._answered):05d}x{chance.getrandbits(24):06x}", found.recipient)
        self._answered.add(ids[0])
        to = getaddresses([str(mail["Reply-To"])])[0][1]
        at = self.seconds + chance.uniform(0.5, 6.0)
        content = _answer(answer, to, ids[0], str(mail["Subject"]), text)
        self._add(Due(at, len(self.mails) + len(self._answered), answer.agent, to, answer=answer, content=content))


def _answer(answer: SentAnswer, to: str, message_id: str, subject: str, quoted: str) -> bytes:
    headers = [
        ("From", answer.agent),
        ("To", to),
        ("Subject", f"Re: {subject}"),
        ("Message-ID", f"<{answer.token}@{DOMAIN}>"),
        ("In-Reply-To", f"<{message_id}>"),
        ("References", f"<{message_id}>"),
    ]
    lines = [f"> {line}" for line in quoted.splitlines()]
    text = ["Hello,", "", f"it is on its way: {answer.token}.", "", "On Monday the company wrote:", *lines, ""]
    return raw_mail(headers, "\n".join(text))
